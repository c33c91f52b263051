"""Frames of shards as a torch dataset, copied once from the memory maps, and batches of them by torch's DataLoader."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from lib.common.labels import UNKNOWN
from lib.geometry.frame import Frame
from lib.geometry.ground_fit import fit_ground
from lib.geometry.rigid import Matrix, apply, invert, vehicle_SE3_sensor
from lib.loading.shard_windows import ShardWindows, now_SE3_past
from lib.shards.sequences import NO_FRAME
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch, Past
from lib.views.past_views import GROUND_REACH_M

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
    """Frames (by default all) of shards that share one image size and cloud length; with `windows` (of each shard),
    also what came before them.

    `dataset[i]` is a FrameBatch of one frame. A DataLoader reads a whole batch at once, so that nothing is left to
    collate: `DataLoader(dataset, batch_size=8, collate_fn=as_read)`.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        frames: Sequence[FrameRef] | None = None,
        windows: Sequence[ShardWindows] | None = None,
    ) -> None:
        every = (FrameRef(number, index) for number, shard in enumerate(shards) for index in range(len(shard)))
        self.frames = tuple(every if frames is None else frames)
        self._shards = tuple(shards)
        self._places = [_place(shard) for shard in shards]
        self._windows = windows

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> FrameBatch:
        """Read one frame."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> FrameBatch:
        """Read several frames into one batch on the CPU."""
        refs = [self.frames[index] for index in indices]
        batch = self._read(refs)
        return batch if self._windows is None else replace(batch, past=self._past(refs, batch, self._windows))

    def _read(self, refs: Sequence[FrameRef]) -> FrameBatch:
        """Read the frames without what came before them."""
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

    def _past(self, refs: Sequence[FrameRef], now: FrameBatch, windows: Sequence[ShardWindows]) -> Past:
        """Read what came before frames. In place of a missing frame, the present one is read; it counts as missing."""
        now_B1 = np.array([[ref.index] for ref in refs])
        earlier_BL = np.stack([windows[ref.shard].earlier[ref.index] for ref in refs])
        exists_BL = earlier_BL != NO_FRAME
        read_BL = np.where(exists_BL, earlier_BL, now_B1)
        frames = [
            self._read([FrameRef(ref.shard, int(index)) for ref, index in zip(refs, column, strict=True)])
            for column in read_BL.T
        ]
        lead_BLP = [
            [windows[ref.shard].lead_rows(i) for i in row] for ref, row in zip(refs, read_BL.tolist(), strict=True)
        ]
        indices = np.concatenate([now_B1, read_BL], axis=1)
        return past_of(
            now,
            windows[0].lags[1:],
            frames,
            [vehicle_SE3_points(self._shards[ref.shard]) for ref in refs],
            [self._shards[ref.shard].world_SE3_ego[row] for ref, row in zip(refs, indices, strict=True)],
            exists_BL,
            np.stack([windows[ref.shard].lead_rows(ref.index) for ref in refs]),
            np.stack([np.stack(rows) for rows in lead_BLP]),
            np.stack([windows[ref.shard].places_m(ref.index) for ref in refs]),
        )

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in a batch."""
        frames = 1 if self._windows is None else len(self._windows[0].lags)
        return frames * sum(tensor.nbytes for tensor in self._empty(1, "meta").tensors())

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
    shards: Sequence[Shard],
    refs: Sequence[FrameRef],
    batch_size: int,
    device: torch.device,
    windows: Sequence[ShardWindows] | None = None,
) -> Iterator[FrameBatch]:
    """Yield frames in their order, `batch_size` at a time (the last batch may be smaller)."""
    numbers = range(len(refs))
    groups = [numbers[start : start + batch_size] for start in range(0, len(refs), batch_size)]
    return load_batches(ShardDataset(shards, refs, windows), groups, device)


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
    arrays: dict[str, Any] = {
        "image_BHW3": np.stack([frame.image for frame in frames]),
        "points_BP4": points,
        "num_points_B": np.array([len(frame.points) for frame in frames], dtype=np.int64),
        "point_class_BP": point_class,
        "pixel_class_BHW": np.stack([frame.pixel_class for frame in frames]),
        "depth_m_BHW": np.stack([frame.depth_m for frame in frames]).astype(np.float16),
        "intrinsics_B4": np.stack([intrinsics for intrinsics, _, _ in places]),
        "camera_SE3_lidar_B44": np.stack([camera_SE3_points for _, camera_SE3_points, _ in places]),
    }
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return FrameBatch(**tensors)


def past_of(
    now: FrameBatch,
    lags: tuple[int, ...],
    frames: Sequence[FrameBatch],
    vehicle_SE3: Sequence[Matrix],
    world_SE3_ego: Sequence[npt.NDArray[np.float64]],
    exists_BL: npt.NDArray[np.bool_],
    lead_BP: npt.NDArray[np.bool_],
    lead_BLP: npt.NDArray[np.bool_],
    places_m_BT: npt.NDArray[np.float32],
) -> Past:
    """What came before the B frames of a batch, as of Past.

    Of each frame: vehicle_SE3 (4, 4) of its points; world_SE3_ego (L + 1, 4, 4): its pose, then those at the lags.
    """
    now_SE3_past_BL44 = np.tile(np.eye(4, dtype=np.float32), (*exists_BL.shape, 1, 1))
    for row, lag in zip(*np.nonzero(exists_BL), strict=True):
        pose, earlier_pose = world_SE3_ego[row][0], world_SE3_ego[row][lag + 1]
        now_SE3_past_BL44[row, lag] = now_SE3_past(pose, earlier_pose, vehicle_SE3[row])
    clouds = [points[:count, :3] for points, count in zip(now.points_BP4.numpy(), now.num_points_B, strict=True)]
    ground = [
        fit_ground(apply(transform, cloud), GROUND_REACH_M).coefficients
        for transform, cloud in zip(vehicle_SE3, clouds, strict=True)
    ]
    vehicle_SE3_B44 = torch.from_numpy(np.stack(vehicle_SE3).astype(np.float32))
    return Past(
        lags=lags,
        frames=tuple(frames),
        now_SE3_past_BL44=torch.from_numpy(now_SE3_past_BL44),
        exists_BL=torch.from_numpy(exists_BL),
        vehicle_R_camera_B33=vehicle_SE3_B44[:, :3, :3] @ now.camera_SE3_lidar_B44[:, :3, :3].mT,
        vehicle_t_lidar_B3=vehicle_SE3_B44[:, :3, 3],
        ground_B4=torch.from_numpy(np.stack(ground).astype(np.float32)),
        lead_BP=torch.from_numpy(lead_BP),
        lead_BLP=torch.from_numpy(lead_BLP),
        places_m_BT=torch.from_numpy(places_m_BT),
    )


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


def vehicle_SE3_points(recorded: Shard | Frame) -> Matrix:
    """Transform (4, 4) from the points' frame of a batch to the vehicle's."""
    if len(recorded.lidars) == 1:
        return vehicle_SE3_sensor(recorded.lidars[0].location, recorded.lidars[0].rotation)
    shifted = np.eye(4)
    shifted[:3, 3] = invert(recorded.calibration.camera_SE3_lidar)[:3, 3]
    return shifted
