"""Batch norm's running statistics in a step of several micro-batches, on one process or many."""

import torch
from torch import Tensor, nn

from lib.training.process_group import ProcessGroup


class RunningStatistics:
    """The buffers of a model during a step, and the mean of what the micro-batches make of them.

    Every micro-batch starts with the buffers that the step starts with, so that it does not matter which process it is
    on, nor what comes before it there.
    """

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._before = [buffer.clone() for buffer in self._buffers]
        self._averaged = [buffer for buffer in self._buffers if buffer.is_floating_point()]
        self._sums = [torch.zeros_like(buffer) for buffer in self._averaged]

    def reset(self) -> None:
        """Before a micro-batch: set the buffers to what they were before the step."""
        for buffer, value in zip(self._buffers, self._before, strict=True):
            buffer.copy_(value)

    def add(self, weight: float) -> None:
        """After a micro-batch: count its buffers, with its weight."""
        for total, buffer in zip(self._sums, self._averaged, strict=True):
            total += buffer * weight

    def finish(self, group: ProcessGroup, loss: Tensor) -> Tensor:
        """Set the buffers to their mean over the micro-batches of all processes; return the loss, summed likewise."""
        flat = torch.cat([loss.view(1), *(total.flatten() for total in self._sums)])
        group.add_(flat)
        loss, *means = torch.split(flat, [1, *(buffer.numel() for buffer in self._averaged)])
        for buffer, mean in zip(self._averaged, means, strict=True):
            buffer.copy_(mean.view(buffer.shape))
        return loss[0]
