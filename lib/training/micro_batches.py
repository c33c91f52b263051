"""How the frames of an epoch are divided: into steps of an optimizer, and these into micro-batches.

What happens to a frame depends on its micro-batch alone: the random numbers, the frames whose objects are pasted into
it, the statistics of batch norm. So it does not matter which process works on which micro-batch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class MicroBatch:
    """Some frames of a step, by their numbers; `weight`: their fraction of the step's frames."""

    number: int
    frames: tuple[int, ...]
    weight: float

    def generator(self, device: torch.device, *seed: int) -> torch.Generator:
        """Random numbers that are a function of the seed and the micro-batch's number."""
        digest = hashlib.sha256(repr((*seed, self.number)).encode()).digest()
        return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little", signed=True))


def divide(frames: Sequence[int], batch_size: int, micro_batch: int) -> list[list[MicroBatch]]:
    """Divide frames into steps of `batch_size` and micro-batches of `micro_batch` frames; the last may be smaller.

    Micro-batches are numbered from 0.
    """
    steps: list[list[MicroBatch]] = []
    number = 0
    for start in range(0, len(frames), batch_size):
        batch = tuple(frames[start : start + batch_size])
        parts = [batch[i : i + micro_batch] for i in range(0, len(batch), micro_batch)]
        steps.append([MicroBatch(number + i, part, len(part) / len(batch)) for i, part in enumerate(parts)])
        number += len(parts)
    return steps


def of_rank(step: Sequence[MicroBatch], rank: int, size: int) -> list[MicroBatch]:
    """The micro-batches of a step that one of `size` processes works on.

    A process for which none is left repeats the first one with weight 0: each has to take part in every step.
    """
    return list(step[rank::size]) or [replace(step[0], weight=0.0)]
