"""From shards to batches on a device: seeded order, a reading thread ahead, pinned memory where CUDA profits."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lib.geometry.rigid import invert
from lib.shards.reader import Shard


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """B frames as stored. Frames: x forward, y left, z up; lengths in metres; class 255 = unknown or padding.

    image_BHW3 uint8; points_BP4 float32 (x, y, z, intensity, LiDAR frame; merged clouds of several LiDARs: in the
    axes of the vehicle with the camera as origin, from where a range view of them makes sense); num_points_B int64;
    point_class_BP uint8;
    pixel_class_BHW uint8; depth_m_BHW float16; intrinsics_B4 float32 (fx, fy, cx, cy) [px];
    camera_SE3_lidar_B44 float32.
    """

    image_BHW3: Tensor
    points_BP4: Tensor
    num_points_B: Tensor
    point_class_BP: Tensor
    pixel_class_BHW: Tensor
    depth_m_BHW: Tensor
    intrinsics_B4: Tensor
    camera_SE3_lidar_B44: Tensor

    def to(self, device: torch.device) -> "FrameBatch":
        """Copy to a device, without waiting where the memory is pinned."""
        return FrameBatch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))

    def pinned(self) -> "FrameBatch":
        """Copy into page-locked memory, from which CUDA copies asynchronously."""
        return FrameBatch(*(getattr(self, field.name).pin_memory() for field in fields(self)))


@dataclass(frozen=True)
class FrameRef:
    """Frame number `index` of shard number `shard`."""

    shard: int
    index: int


def read_batch(shards: Sequence[Shard], refs: Sequence[FrameRef]) -> FrameBatch:
    """Read frames into one batch on the CPU; all shards share one image size and cloud length."""

    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(shards[ref.shard], name)[ref.index] for ref in refs]))

    cameras = [shards[ref.shard].camera for ref in refs]
    intrinsics = np.array([[c.fx_px, c.fy_px, c.cx_px, c.cy_px] for c in cameras], dtype=np.float32)
    placed = [_placed_points(shards[ref.shard], ref.index) for ref in refs]
    return FrameBatch(
        stacked("image"),
        torch.from_numpy(np.stack([points for points, _ in placed])),
        stacked("num_points").long(),
        stacked("point_class"),
        stacked("pixel_class"),
        stacked("depth_m"),
        torch.from_numpy(intrinsics),
        torch.from_numpy(np.stack([extrinsics for _, extrinsics in placed]).astype(np.float32)),
    )


def _placed_points(shard: Shard, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """A frame's points (P, 4) in the frame of FrameBatch, and that frame's transform (4, 4) to the camera's."""
    points, camera_SE3_points = shard.points[index], shard.camera_SE3_lidar
    if len(shard.lidars) == 1:
        return points, camera_SE3_points
    rotation, camera_m = camera_SE3_points[:3, :3], invert(camera_SE3_points)[:3, 3]
    turned = np.eye(4)
    turned[:3, :3] = rotation
    return points - np.append(camera_m, 0.0).astype(np.float32), turned


def shuffled(refs: Sequence[FrameRef], seed: int, epoch: int) -> list[FrameRef]:
    """Return the frames in the order of an epoch, a pure function of seed and epoch."""
    order: npt.NDArray[np.int64] = np.random.default_rng([seed, epoch]).permutation(len(refs))
    return [refs[i] for i in order]


def batches(
    shards: Sequence[Shard], refs: Sequence[FrameRef], batch_size: int, device: torch.device
) -> Iterator[FrameBatch]:
    """Yield the frames in order, `batch_size` at a time (the last batch may be smaller), on a device.

    One thread reads the next batch while the caller works on this one.
    """
    groups = [refs[i : i + batch_size] for i in range(0, len(refs), batch_size)]

    def load(group: Sequence[FrameRef]) -> FrameBatch:
        batch = read_batch(shards, group)
        return batch.pinned() if device.type == "cuda" else batch

    with ThreadPoolExecutor(max_workers=1) as executor:
        ahead = [executor.submit(load, group) for group in groups[:2]]
        for number in range(len(groups)):
            batch = ahead.pop(0).result()
            if number + 2 < len(groups):
                ahead.append(executor.submit(load, groups[number + 2]))
            yield batch.to(device)
