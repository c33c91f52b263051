"""Batches on a device, the same ones whether the frames are streamed, kept in memory or on the device.

Frames that are streamed or kept in memory are copied by a thread of their own, ahead of the computation: on the CPU
into memory that is used again as soon as nobody looks at it any more; for CUDA into pinned memory, and from there on a
stream of its own. Frames kept on the device are gathered there.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lib.common.stopping import Meanwhile, no_question
from lib.loading.data_location import DataLocation, choose_data_location
from lib.loading.frame_reader import FrameReader, FrameRef
from lib.loading.order import window_frames
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch

Group = TypeVar("Group")
Loaded = TypeVar("Loaded")

AHEAD: Final = 2
FRAMES_PER_COPY: Final = 32


class Loader:
    """Batches of frames of some shards, which share one image size and cloud length, on a device."""

    def __init__(
        self,
        shards: Sequence[Shard],
        refs: Sequence[FrameRef],
        device: torch.device,
        data_location: DataLocation,
        poll: Meanwhile = no_question,
    ) -> None:
        """Keep the frames `refs` where `data_location` says; only these can be asked for later.

        `meanwhile` is called now and then while they are copied there, which it may end by raising.
        """
        self.shards, self.device, self.data_location = tuple(shards), device, data_location
        self._reader = FrameReader(shards)
        self._allocate = _pinned if device.type == "cuda" else ReusedMemory().allocate
        self._rows = {ref: row for row, ref in enumerate(dict.fromkeys(refs))}
        self._kept = None if data_location == "stream" else self._copied(list(self._rows), poll)

    @property
    def window_frames(self) -> int:
        """How many frames are mixed at a time when these are shuffled."""
        return window_frames(self._reader.frame_bytes)

    def layout(self, frames: int) -> FrameBatch:
        """Shapes and types of a batch of so many frames, without memory."""
        return self._reader.layout(frames)

    def batches(self, order: Sequence[FrameRef], batch_size: int) -> Iterator[FrameBatch]:
        """Yield the frames in the given order, `batch_size` at a time (the last batch may be smaller)."""
        if self.data_location == "device":
            yield from self._gathered(order, batch_size)
            return
        groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        if self.device.type == "cpu":
            yield from _ahead(self._on_cpu, groups)
            return
        copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        for batch, copied in _ahead(lambda group: self._sent(group, copies), groups):
            current = torch.cuda.current_stream(self.device)
            current.wait_event(copied)
            for tensor in batch.tensors():
                tensor.record_stream(current)
            yield batch

    def _on_cpu(self, group: Sequence[FrameRef]) -> FrameBatch:
        batch = self._reader.empty(len(group), self._allocate)
        if self._kept is None:
            self._reader.read(group, batch)
            return batch
        rows = [self._rows[ref] for ref in group]
        for kept, tensor in zip(self._kept.tensors(), batch.tensors(), strict=True):
            np.take(kept.numpy(), rows, axis=0, out=tensor.numpy(), mode="clip")
        return batch

    def _sent(self, group: Sequence[FrameRef], copies: torch.cuda.Stream) -> tuple[FrameBatch, torch.cuda.Event]:
        """Copy a batch to CUDA on a stream; the allocator of pinned memory keeps the source until that is done."""
        staged = self._on_cpu(group)
        with torch.cuda.stream(copies):
            return staged.to(self.device), copies.record_event()

    def _gathered(self, order: Sequence[FrameRef], batch_size: int) -> Iterator[FrameBatch]:
        assert self._kept is not None
        rows = torch.tensor([self._rows[ref] for ref in order], dtype=torch.int64)
        rows = (rows.pin_memory() if self.device.type == "cuda" else rows).to(self.device, non_blocking=True)
        for start in range(0, len(order), batch_size):
            chosen = rows[start : start + batch_size]
            yield FrameBatch(*(kept.index_select(0, chosen) for kept in self._kept.tensors()))

    def _copied(self, refs: Sequence[FrameRef], poll: Meanwhile) -> FrameBatch:
        """All frames where they are kept."""
        place = self.device if self.data_location == "device" else torch.device("cpu")
        kept = self._reader.empty(len(refs), lambda shape, dtype: torch.empty(shape, dtype=dtype, device=place))
        for start in range(0, len(refs), FRAMES_PER_COPY):
            poll()
            rows = slice(start, start + FRAMES_PER_COPY)
            part = FrameBatch(*(tensor[rows] for tensor in kept.tensors()))
            if place.type == "cpu":
                self._reader.read(refs[rows], part)
                continue
            staged = self._reader.empty(len(refs[rows]), self._allocate)
            self._reader.read(refs[rows], staged)
            for target, source in zip(part.tensors(), staged.tensors(), strict=True):
                target.copy_(source, non_blocking=True)
        return kept


def open_loader(
    shards: Sequence[Shard],
    refs: Sequence[FrameRef],
    device: torch.device,
    wanted: Literal["auto"] | DataLocation,
    poll: Meanwhile = no_question,
) -> tuple[Loader, str]:
    """Return a loader that keeps the frames where they fit (`auto`) or where `wanted` says, and a sentence about it.

    Raises ParamsError where they do not fit.
    """
    data_location, sentence = choose_data_location(wanted, len(refs) * FrameReader(shards).frame_bytes, device)
    return Loader(shards, refs, device, data_location, poll), sentence


def batches(
    shards: Sequence[Shard], refs: Sequence[FrameRef], batch_size: int, device: torch.device
) -> Iterator[FrameBatch]:
    """Yield the frames in order, streamed from the shards, `batch_size` at a time (the last batch may be smaller)."""
    return Loader(shards, refs, device, "stream").batches(refs, batch_size)


class ReusedMemory:
    """Memory for tensors on the CPU that is handed out again once the last tensor that looks at it is gone.

    Fresh memory costs as much as the copy into it: the system clears every page first.
    """

    def __init__(self) -> None:
        self._free: dict[int, deque[npt.NDArray[np.uint8]]] = {}

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a tensor of unset memory."""
        num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        free = self._free.setdefault(num_bytes, deque())
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(num_bytes, np.uint8)
        lent = memory[:]  # torch holds this very object as long as any tensor looks at its memory
        weakref.finalize(lent, free.append, memory).atexit = False
        return torch.from_numpy(lent).view(dtype).view(shape)


def _pinned(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Page-locked memory, from which CUDA copies without anyone waiting; torch uses it again after the last copy."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


def _ahead(load: Callable[[Group], Loaded], groups: Sequence[Group]) -> Iterator[Loaded]:
    """Yield load(group) in order; a thread loads the next ones while the caller works on this one."""
    with ThreadPoolExecutor(1, "loader") as executor:
        waiting: deque[Future[Loaded]] = deque(executor.submit(load, group) for group in groups[:AHEAD])
        for number in range(len(groups)):
            loaded = waiting.popleft().result()
            if number + AHEAD < len(groups):
                waiting.append(executor.submit(load, groups[number + AHEAD]))
            yield loaded
            del loaded
