"""Windows of maps around pasted objects, so that only pixels that may change are computed.

Shape letters: B frames, K layers, H x W a map (image or range view), N = h w pixels of a window.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.views.tensors import Rows


@dataclass(frozen=True, eq=False)
class Window(Rows):
    """One window per frame, all of the same size: rows (B, h), columns (B, w), and flat indices (B, N) into the map."""

    row_Bh: Tensor
    column_Bw: Tensor
    place_BN: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width [px]."""
        return self.row_Bh.shape[1], self.column_Bw.shape[1]

    def take(self, layers_BKP: Tensor) -> Tensor:
        """Return the window's values (B, K, N) of flattened maps (B, K, H W)."""
        return layers_BKP.gather(2, self.place_BN[:, None].expand(-1, layers_BKP.shape[1], -1))

    def put_(self, layers_BKP: Tensor, values_BKN: Tensor) -> None:
        """Write values into the window of flattened maps, in place."""
        layers_BKP.scatter_(2, self.place_BN[:, None].expand_as(values_BKN), values_BKN)


def window_size(map_size: tuple[int, int], divisor: int) -> tuple[int, int]:
    """Height and width of a map divided by `divisor`, at least 1."""
    return max(1, map_size[0] // divisor), max(1, map_size[1] // divisor)


def window_around(row_B: Tensor, column_B: Tensor, size: tuple[int, int], map_size: tuple[int, int]) -> Window:
    """Windows of a size around positions (fractional rows and columns), shifted to lie inside the map."""
    rows = _span(row_B, size[0], map_size[0])
    columns = _span(column_B, size[1], map_size[1])
    return Window(rows, columns, (rows[:, :, None] * map_size[1] + columns[:, None]).flatten(1))


def window_in_image(
    center_B3: Tensor, intrinsics_B4: Tensor, size: tuple[int, int], image_size: tuple[int, int]
) -> Window:
    """Windows of a size around the projections of points (B, 3) [m, camera frame]."""
    fx, fy, cx, cy = intrinsics_B4.unbind(1)
    x, y, z = center_B3.unbind(1)
    x = x.clamp(min=1.0)
    return window_around(cy - fy * z / x, cx - fx * y / x, size, image_size)


def aside_at_1_m(window: Window, intrinsics_B4: Tensor) -> Tensor:
    """Offset (B, w) [m] to the left of the optical axis at 1 m depth, for each column of the window."""
    fx, _, cx, _ = intrinsics_B4.unbind(1)
    return (cx[:, None] - window.column_Bw - 0.5) / fx[:, None]


def above_at_1_m(window: Window, intrinsics_B4: Tensor) -> Tensor:
    """Offset (B, h) [m] above the optical axis at 1 m depth, for each row of the window."""
    _, fy, _, cy = intrinsics_B4.unbind(1)
    return (cy[:, None] - window.row_Bh - 0.5) / fy[:, None]


def _span(middle_B: Tensor, length: int, room: int) -> Tensor:
    first_B = (middle_B - length / 2).round().long().clamp(0, room - length)
    return first_B[:, None] + torch.arange(length, device=middle_B.device)
