"""Frames of shards as batches of tensors, copied once from the memory maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from lib.geometry.frame import Frame
from lib.geometry.rigid import invert
from lib.shards.shard_reader import Shard
from lib.views.frame_batch import FrameBatch


@dataclass(frozen=True)
class FrameRef:
    """Frame number `index` of shard number `shard`."""

    shard: int
    index: int


STORED: Final = {
    "image_BHW3": "image",
    "points_BP4": "points",
    "num_points_B": "num_points",
    "point_class_BP": "point_class",
    "pixel_class_BHW": "pixel_class",
    "depth_m_BHW": "depth_m",
}
"""Fields of a batch that are arrays of the shards, a row per frame."""


class FrameReader:
    """Reads frames of shards that share one image size and cloud length."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        cameras = [shard.camera for shard in self.shards]
        self._intrinsics_S4 = np.array([[c.fx_px, c.fy_px, c.cx_px, c.cy_px] for c in cameras], dtype=np.float32)
        places = [_place(shard) for shard in self.shards]
        self._camera_SE3_points_S44 = np.array([camera_SE3_points for camera_SE3_points, _ in places], np.float32)
        self._origins = [origin for _, origin in places]

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in a batch."""
        return sum(tensor.nbytes for tensor in self._empty(1, "meta").tensors())

    def read(self, refs: Sequence[FrameRef]) -> FrameBatch:
        """Read frames into a new batch on the CPU."""
        batch = self._empty(len(refs), "cpu")
        of_shard = [ref.shard for ref in refs]
        batch.intrinsics_B4.numpy()[:] = self._intrinsics_S4[of_shard]
        batch.camera_SE3_lidar_B44.numpy()[:] = self._camera_SE3_points_S44[of_shard]
        for field, stored in STORED.items():
            rows = getattr(batch, field).numpy()
            for row, ref in enumerate(refs):
                rows[row] = getattr(self.shards[ref.shard], stored)[ref.index]
        for points, ref in zip(batch.points_BP4.numpy(), refs, strict=True):
            origin = self._origins[ref.shard]
            if origin is not None:
                np.subtract(points, origin, out=points)
        return batch

    def _empty(self, frames: int, device: str) -> FrameBatch:
        """A batch of unset memory."""
        empty = partial(torch.empty, device=device)
        (height, width), max_points = self.shards[0].image.shape[1:3], self.shards[0].points.shape[1]
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


def batch_of(frame: Frame) -> FrameBatch:
    """A frame that is in memory as a batch of one, as FrameReader gives it of a shard; without padding."""
    camera, (camera_SE3_points, origin) = frame.camera, _place(frame)
    points = frame.points if origin is None else frame.points - origin
    intrinsics = np.array([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], np.float32)
    arrays = {
        "image_BHW3": frame.image,
        "points_BP4": points,
        "num_points_B": np.array(len(points), np.int64),
        "point_class_BP": frame.point_class,
        "pixel_class_BHW": frame.pixel_class,
        "depth_m_BHW": frame.depth_m.astype(np.float16),
        "intrinsics_B4": intrinsics,
        "camera_SE3_lidar_B44": camera_SE3_points.astype(np.float32),
    }
    return FrameBatch(**{name: torch.from_numpy(np.array(array)[None]) for name, array in arrays.items()})


def _place(recorded: Shard | Frame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32] | None]:
    """The transform (4, 4) of a batch's points to the camera, and their origin (4,) in the recorded ones where it
    moves.
    """
    camera_SE3_points = recorded.camera_SE3_lidar
    if len(recorded.lidars) == 1:
        return camera_SE3_points, None
    rotation, camera_m = camera_SE3_points[:3, :3], invert(camera_SE3_points)[:3, 3]
    turned = np.eye(4)
    turned[:3, :3] = rotation
    return turned, np.append(camera_m, 0.0).astype(np.float32)
