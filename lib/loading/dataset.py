"""Frames of shards as a torch dataset, and batches of them by torch's DataLoader."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from lib.loading.frame_reader import FrameReader, FrameRef
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch

CUDA_WORKERS = 4


class ShardDataset(Dataset[FrameBatch]):
    """Frames (by default all) of shards that share one image size and cloud length.

    `dataset[i]` is a FrameBatch of one frame. A DataLoader reads a whole batch at once, so that nothing is left to
    collate: `DataLoader(dataset, batch_size=8, collate_fn=as_read)`.
    """

    def __init__(self, shards: Sequence[Shard], frames: Sequence[FrameRef] | None = None) -> None:
        every = (FrameRef(number, index) for number, shard in enumerate(shards) for index in range(len(shard)))
        self.frames = tuple(every if frames is None else frames)
        self._reader = FrameReader(shards)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> FrameBatch:
        """Read one frame."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> FrameBatch:
        """Read several frames into one batch."""
        return self._reader.read([self.frames[index] for index in indices])

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in a batch."""
        return self._reader.frame_bytes


def as_read(batch: Any) -> Any:
    """Return the FrameBatch that `ShardDataset` has read: the collate_fn of its DataLoader."""
    return batch


def load_batches(dataset: ShardDataset, batches: Iterable[Sequence[int]], device: torch.device) -> Iterator[FrameBatch]:
    """Yield batches of the frames with the given numbers, on a device.

    For CUDA, processes read ahead into pinned memory, from which copies do not wait. On a CPU the frames are mapped
    from the page cache, which takes less than handing them from one process to another.
    """
    on_cuda = device.type == "cuda"
    loader: DataLoader[FrameBatch] = DataLoader(
        dataset,
        batch_sampler=batches,  # type: ignore[arg-type]  # any iterable of lists of numbers
        collate_fn=as_read,
        num_workers=CUDA_WORKERS if on_cuda else 0,
        pin_memory=on_cuda,
    )
    for batch in loader:
        yield batch.to(device)


def batches(
    shards: Sequence[Shard], refs: Sequence[FrameRef], batch_size: int, device: torch.device
) -> Iterator[FrameBatch]:
    """Yield frames in their order, `batch_size` at a time (the last batch may be smaller)."""
    numbers = range(len(refs))
    groups = [numbers[start : start + batch_size] for start in range(0, len(refs), batch_size)]
    return load_batches(ShardDataset(shards, refs), groups, device)
