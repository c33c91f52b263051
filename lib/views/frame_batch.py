"""A batch of frames, as the shards hold them, in tensors."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """B frames as stored. Axes: x forward, y left, z up; lengths in metres; class 255 = unknown or padding.

    image_BHW3 uint8; points_BP4 float32 (x, y, z, intensity): in the LiDAR's frame, or, for merged clouds, in the
    vehicle's axes with the camera as origin, as a range view needs a single centre; num_points_B int64;
    point_class_BP uint8; pixel_class_BHW uint8; depth_m_BHW float16; intrinsics_B4 float32 (fx, fy, cx, cy) [px];
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
        """Copy to a device, asynchronously if the memory is pinned."""
        return FrameBatch(*(tensor.to(device, non_blocking=True) for tensor in self.tensors()))

    def pin_memory(self) -> "FrameBatch":
        """Copy to page-locked memory: torch's DataLoader asks for it."""
        return FrameBatch(*(tensor.pin_memory() for tensor in self.tensors()))

    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]
