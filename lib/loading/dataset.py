"""Frames of shards as a torch dataset, copied once from the memory maps, and batches of them by torch's DataLoader."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from lib.common.labels import UNKNOWN
from lib.geometry.frame import Frame
from lib.geometry.rigid import invert
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch

CUDA_WORKERS = 4
STORED: Final = {
    "image_BHW3": "image",
    "points_BP4": "points",
    "num_points_B": "num_points",
    "point_class_BP": "point_class",
    "pixel_class_BHW": "pixel_class",
    "depth_m_BHW": "depth_m",
}
"""Fields of a batch that are arrays of the shards, a row per frame."""


@dataclass(frozen=True)
class FrameRef:
    """Frame number `index` of shard number `shard`."""

    shard: int
    index: int


class ShardDataset(Dataset[FrameBatch]):
    """Frames (by default all) of shards that share one image size and cloud length.

    `dataset[i]` is a FrameBatch of one frame. A DataLoader reads a whole batch at once, so that nothing is left to
    collate: `DataLoader(dataset, batch_size=8, collate_fn=as_read)`.
    """

    def __init__(self, shards: Sequence[Shard], frames: Sequence[FrameRef] | None = None) -> None:
        every = (FrameRef(number, index) for number, shard in enumerate(shards) for index in range(len(shard)))
        self.frames = tuple(every if frames is None else frames)
        self._shards = tuple(shards)
        self._places = [_place(shard) for shard in shards]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> FrameBatch:
        """Read one frame."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> FrameBatch:
        """Read several frames into one batch on the CPU."""
        refs = [self.frames[index] for index in indices]
        batch = self._empty(len(refs), "cpu")
        for field, stored in STORED.items():
            rows = getattr(batch, field).numpy()
            for row, ref in enumerate(refs):
                rows[row] = getattr(self._shards[ref.shard], stored)[ref.index]
        intrinsics_B4, camera_SE3_B44 = batch.intrinsics_B4.numpy(), batch.camera_SE3_lidar_B44.numpy()
        for row, (points, ref) in enumerate(zip(batch.points_BP4.numpy(), refs, strict=True)):
            intrinsics_B4[row], camera_SE3_B44[row], origin = self._places[ref.shard]
            if origin is not None:
                np.subtract(points, origin, out=points)
        return batch

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in a batch."""
        return sum(tensor.nbytes for tensor in self._empty(1, "meta").tensors())

    def _empty(self, frames: int, device: str) -> FrameBatch:
        """A batch of unset memory."""
        empty = partial(torch.empty, device=device)
        (height, width), max_points = self._shards[0].image.shape[1:3], self._shards[0].points.shape[1]
        return FrameBatch(
            empty((frames, height, width, 3), dtype=torch.uint8),
            empty((frames, max_points, 4), dtype=torch.float32),
            empty((frames,), dtype=torch.int64),
            empty((frames, max_points), dtype=torch.uint8),
            empty((frames, height, width), dtype=torch.uint8),
            empty((frames, height, width), dtype=torch.float16),
            empty((frames, 4), dtype=torch.float32),
            empty((frames, 4, 4), dtype=torch.float32),
        )


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


def batch_of(frames: Sequence[Frame]) -> FrameBatch:
    """Frames in memory, of the same image size, as a batch: as ShardDataset gives them of a shard.

    Clouds are padded to the longest of these.
    """
    places = [_place(frame) for frame in frames]
    longest = max(len(frame.points) for frame in frames)
    points = np.zeros((len(frames), longest, 4), dtype=np.float32)
    point_class = np.full((len(frames), longest), UNKNOWN, dtype=np.uint8)
    for row, (frame, (_, _, origin)) in enumerate(zip(frames, places, strict=True)):
        points[row, : len(frame.points)] = frame.points if origin is None else frame.points - origin
        point_class[row, : len(frame.points)] = frame.point_class
    arrays = {
        "image_BHW3": np.stack([frame.image for frame in frames]),
        "points_BP4": points,
        "num_points_B": np.array([len(frame.points) for frame in frames], dtype=np.int64),
        "point_class_BP": point_class,
        "pixel_class_BHW": np.stack([frame.pixel_class for frame in frames]),
        "depth_m_BHW": np.stack([frame.depth_m for frame in frames]).astype(np.float16),
        "intrinsics_B4": np.stack([intrinsics for intrinsics, _, _ in places]),
        "camera_SE3_lidar_B44": np.stack([camera_SE3_points for _, camera_SE3_points, _ in places]),
    }
    return FrameBatch(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def _place(
    recorded: Shard | Frame,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """The intrinsics (4,), the transform (4, 4) of a batch's points to the camera, and their origin (4,) in the
    recorded ones where it moves.
    """
    camera, camera_SE3_lidar = recorded.camera, recorded.calibration.camera_SE3_lidar
    camera_SE3_points = camera_SE3_lidar.astype(np.float32)
    intrinsics = np.array([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], dtype=np.float32)
    if len(recorded.lidars) == 1:
        return intrinsics, camera_SE3_points, None
    turned = np.eye(4, dtype=np.float32)
    turned[:3, :3] = camera_SE3_points[:3, :3]
    return intrinsics, turned, np.append(invert(camera_SE3_lidar)[:3, 3], 0.0).astype(np.float32)
