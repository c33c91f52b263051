"""A batch of frames, as the shards hold them, in tensors; and what came before them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Tensors:
    """Base of dataclasses of tensors, of such dataclasses, of tuples of them, and of None where something is absent."""

    def changed(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with every tensor changed."""
        return type(self)(*(_changed(getattr(self, field.name), change) for field in fields(self)))

    def to(self, device: torch.device) -> Self:
        """Copy to a device, asynchronously if the memory is pinned."""
        return self.changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Self:
        """Copy to page-locked memory: torch's DataLoader asks for it."""
        return self.changed(lambda tensor: tensor.pin_memory())

    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of the fields."""
        found: list[Tensor] = []

        def add(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        self.changed(add)
        return found


@dataclass(frozen=True, eq=False)
class FrameBatch(_Tensors):
    """B frames as stored. Axes: x forward, y left, z up; lengths in metres; class 255 = unknown or padding.

    image_BHW3 uint8; points_BP4 float32 (x, y, z, intensity): in the LiDAR's frame, or, for merged clouds, in the
    vehicle's axes with the camera as origin, as a range view needs a single centre; num_points_B int64;
    point_class_BP uint8; pixel_class_BHW uint8; depth_m_BHW float16; intrinsics_B4 float32 (fx, fy, cx, cy) [px];
    camera_SE3_lidar_B44 float32. past: what came before, None for a detector that looks at single frames.
    """

    image_BHW3: Tensor
    points_BP4: Tensor
    num_points_B: Tensor
    point_class_BP: Tensor
    pixel_class_BHW: Tensor
    depth_m_BHW: Tensor
    intrinsics_B4: Tensor
    camera_SE3_lidar_B44: Tensor
    past: "Past | None" = None


@dataclass(frozen=True, eq=False)
class Past(_Tensors):
    """What came before B frames, at L lags [ticks], the latest first; T: HISTORY_TICKS + 1.

    frames: L batches of B frames; now_SE3_past_BL44 float32: from the points' frame then to that now; exists_BL bool:
    where False, the frame is missing, and its values mean nothing.
    vehicle_R_camera_B33, vehicle_t_lidar_B3 float32: rotation from the camera's axes to the vehicle's, and the place of
    the points' origin there; ground_B4 float32: coefficients of the ground now (lib.geometry.ground_fit.Ground).
    The vehicle ahead: lead_BP bool, lead_BLP bool: its points now and then; places_m_BT float32: where its rear was 0,
    1, ... ticks ago along its direction of motion, 0 now, nan where that is not known.
    """

    lags: tuple[int, ...]
    frames: tuple[FrameBatch, ...]
    now_SE3_past_BL44: Tensor
    exists_BL: Tensor
    vehicle_R_camera_B33: Tensor
    vehicle_t_lidar_B3: Tensor
    ground_B4: Tensor
    lead_BP: Tensor
    lead_BLP: Tensor
    places_m_BT: Tensor


def _changed(value: object, change: Callable[[Tensor], Tensor]) -> object:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, _Tensors):
        return value.changed(change)
    return tuple(_changed(each, change) for each in value) if isinstance(value, tuple) else value
