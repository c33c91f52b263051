"""The detector's inputs: the camera image, and the cloud as a range view centred on the camera's direction.

Points are in the camera's axes (x forward, y left, z up), relative to the LiDAR. The range view's own axes differ from
these by roll and pitch only: its z is the LiDAR's axis of rotation, and the camera looks along azimuth 0.

Shape letters: B frames, P points, R range-view rows (elevation, top first), C range-view columns (azimuth, left first),
H and W image rows and columns.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import pi
from typing import Any

import torch
from torch import Tensor

from lib.common.labels import UNKNOWN
from lib.views.frame_batch import FrameBatch
from lib.views.tensors import constant

NO_RETURN_M = 0.0


@dataclass(frozen=True)
class RangeGrid:
    """Layout of the range view: `rows` from upper_fov_deg down to lower_fov_deg, `columns` over 360 degrees.

    Only the middle `visible_columns` (an even number) are used; the camera looks at their centre. Rows are evenly
    spaced, unless `elevations_deg` says where each of them is, the highest first.
    """

    rows: int
    columns: int
    visible_columns: int
    upper_fov_deg: float
    lower_fov_deg: float
    elevations_deg: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Motion:
    """What is seen of a short past (past_views.py); L lags, the latest first.

    channels_BMRC float32 of each cell; lead_BRC bool: cells of the vehicle ahead, and places_m_BT float32 [m]: where it
    was (Past.places_m_BT); images_BLhw float32: earlier images of half the size, turned to where the camera looks now,
    red, green and blue of each lag one after another; exists_BL bool: which lags there are.
    """

    channels_BMRC: Tensor
    lead_BRC: Tensor
    places_m_BT: Tensor
    images_BLhw: Tensor
    exists_BL: Tensor

    def flipped(self) -> "Motion":
        """The same of frames that are flipped horizontally."""
        maps = self.channels_BMRC.flip(-1), self.lead_BRC.flip(-1)
        return Motion(*maps, self.places_m_BT, self.images_BLhw.flip(-1), self.exists_BL)


@dataclass(frozen=True, eq=False)
class Views:
    """Camera image and range view of B frames, with labels; camera frame axes, lengths in metres.

    image_B3HW float32 in [0, 1]; depth_m_BHW float32 planar; pixel_class_BHW uint8;
    xyz_B3RC float32: the nearest point of each cell, relative to the LiDAR, in the camera's axes; range_m_BRC (0 = no
    return); intensity_BRC; point_class_BRC uint8 (255 = no return or unknown);
    intrinsics_B4 float32 (fx, fy, cx, cy) [px]; lidar_offset_m_B3 float32: the LiDAR's origin in the camera frame;
    level_R_camera_B33 float32: rotation from the camera's axes to the range view's, the identity for a level camera;
    has_image_B bool: if False, the image is black and the detector reads no image features at the cells;
    has_lidar_B bool: if False, the cells keep their positions, but the detector gets no LiDAR features.
    motion: None for a detector that looks at single frames.
    """

    image_B3HW: Tensor
    depth_m_BHW: Tensor
    pixel_class_BHW: Tensor
    xyz_B3RC: Tensor
    range_m_BRC: Tensor
    intensity_BRC: Tensor
    point_class_BRC: Tensor
    intrinsics_B4: Tensor
    lidar_offset_m_B3: Tensor
    level_R_camera_B33: Tensor
    has_image_B: Tensor
    has_lidar_B: Tensor
    motion: Motion | None = None

    @property
    def projection(self) -> tuple[Tensor, Tensor]:
        """Projections uv_B2RC float32 [px] of the cells' points, and whether they lie inside the image, (B, R, C) bool.

        Computed once. Not by functools.cached_property: older Pythons' takes a lock, which torch.compile cannot trace.
        """
        if "_projection" not in self.__dict__:
            self.__dict__["_projection"] = self._project()
        projection: tuple[Tensor, Tensor] = self.__dict__["_projection"]
        return projection

    def _project(self) -> tuple[Tensor, Tensor]:
        xyz = self.xyz_B3RC + self.lidar_offset_m_B3[:, :, None, None]
        fx, fy, cx, cy = self.intrinsics_B4[:, :, None, None].unbind(1)
        H, W = self.image_B3HW.shape[-2:]
        x = xyz[:, 0].clamp(min=1e-3)
        u, v = cx - fx * xyz[:, 1] / x, cy - fy * xyz[:, 2] / x
        inside = (xyz[:, 0] > 1e-3) & (u >= 0) & (u < W) & (v >= 0) & (v < H)
        return torch.stack([u, v], dim=1), inside & self.has_return_BRC

    @property
    def level_xyz_B3RC(self) -> Tensor:
        """The cells' points (B, 3, R, C) [m], relative to the LiDAR, in the range view's axes: z is the height."""
        # No matrix product: autocast would round its coordinates to bfloat16.
        return (self.level_R_camera_B33[..., None, None] * self.xyz_B3RC[:, None]).sum(2)

    def levelled(self, places_B3: Tensor) -> Tensor:
        """Turn points (n B, 3) from the camera's axes to the range view's; n points of each frame, frame by frame."""
        rotation_B33 = self.level_R_camera_B33.repeat(len(places_B3) // len(self.image_B3HW), 1, 1)
        return (rotation_B33 @ places_B3[..., None])[..., 0]

    @property
    def seen_BRC(self) -> Tensor:
        """Cells (B, R, C) bool in the camera's view."""
        return self.projection[1]

    @property
    def has_return_BRC(self) -> Tensor:
        """Cells (B, R, C) bool with a LiDAR return."""
        return self.range_m_BRC > NO_RETURN_M


def rolled(views: Views, places: int) -> Views:
    """Shift the frames by `places` along the batch, cyclically (torch.roll). They must not have motion yet."""
    return by_field(lambda here: here.roll(places, 0), views)


def by_field(change: Callable[..., Tensor], *views: "Views") -> "Views":
    """Views of which each field is made of that field of all given ones, which have no motion."""
    assert all(each.motion is None for each in views)
    named = [field.name for field in fields(Views) if field.name != "motion"]
    changed: dict[str, Any] = {name: change(*(getattr(each, name) for each in views)) for name in named}
    return Views(**changed)


def make_views(batch: FrameBatch, grid: RangeGrid) -> tuple[Views, Tensor]:
    """Build the views, and each point's cell (B, P) int64: row * visible_columns + column, -1 outside the grid.

    If several points fall into a cell, the view holds the nearest; the others still have the cell's index.
    """
    rotation_B33 = batch.camera_SE3_lidar_B44[:, :3, :3]
    xyz_B3P = rotation_B33 @ batch.points_BP4[..., :3].transpose(1, 2).contiguous()
    range_m_BP = xyz_B3P.square().sum(1).sqrt()
    level_R_camera_B33 = level_rotation(rotation_B33)
    cell_BP = _cells(level_R_camera_B33 @ xyz_B3P, range_m_BP, batch.num_points_B, grid)

    B, P = cell_BP.shape
    cells = grid.rows * grid.visible_columns
    slot_BP = torch.where(cell_BP >= 0, cell_BP, cells)
    nearest_m = torch.full((B, cells + 1), torch.inf, device=cell_BP.device)
    nearest_m = nearest_m.scatter_reduce(1, slot_BP, range_m_BP, "amin")
    wins_BP = (range_m_BP == nearest_m.gather(1, slot_BP)) & (cell_BP >= 0)
    number_BP = torch.arange(P, device=cell_BP.device).expand(B, P)
    winner = torch.full((B, cells + 1), -1, dtype=torch.int64, device=cell_BP.device)
    winner = winner.scatter_reduce(1, slot_BP, torch.where(wins_BP, number_BP, -1), "amax")[:, :cells]
    found, source = winner >= 0, winner.clamp(min=0)

    def picked(values_BP: Tensor, absent: float) -> Tensor:
        chosen = torch.where(found, values_BP.gather(1, source), torch.full_like(source, absent, dtype=values_BP.dtype))
        return chosen.view(B, grid.rows, grid.visible_columns)

    views = Views(
        image_B3HW=batch.image_BHW3.permute(0, 3, 1, 2).contiguous().float().div_(255),
        depth_m_BHW=batch.depth_m_BHW.float(),
        pixel_class_BHW=batch.pixel_class_BHW,
        xyz_B3RC=torch.stack([picked(xyz_B3P[:, axis], 0.0) for axis in range(3)], dim=1),
        range_m_BRC=picked(range_m_BP, NO_RETURN_M),
        intensity_BRC=picked(batch.points_BP4[..., 3], 0.0),
        point_class_BRC=picked(batch.point_class_BP, UNKNOWN),
        intrinsics_B4=batch.intrinsics_B4,
        lidar_offset_m_B3=batch.camera_SE3_lidar_B44[:, :3, 3],
        level_R_camera_B33=level_R_camera_B33,
        has_image_B=torch.ones(B, dtype=torch.bool, device=cell_BP.device),
        has_lidar_B=torch.ones(B, dtype=torch.bool, device=cell_BP.device),
    )
    return views, cell_BP


def level_rotation(camera_R_lidar_B33: Tensor) -> Tensor:
    """Rotation (B, 3, 3) from the camera's axes to the range view's: z along the LiDAR's, x towards the camera's."""
    up_B3 = camera_R_lidar_B33[:, :, 2]
    ahead_B3 = constant((1.0, 0.0, 0.0), torch.float32, up_B3.device) - up_B3[:, :1] * up_B3
    ahead_B3 = ahead_B3 / ahead_B3.norm(dim=1, keepdim=True)
    return torch.stack([ahead_B3, torch.linalg.cross(up_B3, ahead_B3), up_B3], dim=1)


def _cells(xyz_B3P: Tensor, range_m_BP: Tensor, num_points_B: Tensor, grid: RangeGrid) -> Tensor:
    exists = torch.arange(xyz_B3P.shape[2], device=xyz_B3P.device) < num_points_B[:, None]
    return torch.where(exists & (range_m_BP > 0), cell_of(xyz_B3P, grid), -1)


def cell_of(xyz_B3N: Tensor, grid: RangeGrid) -> Tensor:
    """Cell (B, N) int64 in the direction of points (B, 3, N) of the range view's axes; -1 outside the columns."""
    x, y, z = xyz_B3N.unbind(1)
    row = cell_row((x.square() + y.square()).sqrt(), z, grid).round().long().clamp(0, grid.rows - 1)
    turn = 0.5 - torch.atan2(y, x) / (2 * pi)
    first = (grid.columns - grid.visible_columns) // 2
    column = (turn * grid.columns).floor().long().clamp(0, grid.columns - 1) - first
    return torch.where((column >= 0) & (column < grid.visible_columns), row * grid.visible_columns + column, -1)


def cell_row(flat_m: Tensor, z_m: Tensor, grid: RangeGrid) -> Tensor:
    """Fractional row of points (any shape), given their horizontal distance from and height above the LiDAR [m]."""
    elevation = torch.atan2(z_m, flat_m)
    if grid.elevations_deg:
        descent = constant(tuple(-degrees * pi / 180 for degrees in grid.elevations_deg), torch.float32, z_m.device)
        below = torch.searchsorted(descent, -elevation).clamp(1, grid.rows - 1)
        before = descent[below - 1]
        return below - 1 + (-elevation - before) / (descent[below] - before)
    upper, lower = grid.upper_fov_deg * pi / 180, grid.lower_fov_deg * pi / 180
    return (upper - elevation) / (upper - lower) * (grid.rows - 1)


def cell_column(xyz_B3: Tensor, grid: RangeGrid) -> Tensor:
    """Fractional column (B,) of points (B, 3) in the range view's axes; below 0 or above the last column if outside."""
    turn = 0.5 - torch.atan2(xyz_B3[:, 1], xyz_B3[:, 0]) / (2 * pi)
    return turn * grid.columns - (grid.columns - grid.visible_columns) // 2


def cell_directions(grid: RangeGrid, device: torch.device) -> Tensor:
    """Unit vectors (3, R, C) float32 from the LiDAR through the cells' centres, in the range view's axes."""
    if grid.elevations_deg:
        elevation = constant(tuple(degrees * pi / 180 for degrees in grid.elevations_deg), torch.float32, device)
    else:
        row = torch.arange(grid.rows, device=device) / max(grid.rows - 1, 1)
        elevation = (grid.upper_fov_deg - row * (grid.upper_fov_deg - grid.lower_fov_deg)) * pi / 180
    first = (grid.columns - grid.visible_columns) // 2
    column = torch.arange(grid.visible_columns, device=device) + first + 0.5
    azimuth = (0.5 - column / grid.columns) * 2 * pi
    elevation_RC, azimuth_RC = torch.meshgrid(elevation, azimuth, indexing="ij")
    level_RC = elevation_RC.cos()
    return torch.stack([level_RC * azimuth_RC.cos(), level_RC * azimuth_RC.sin(), elevation_RC.sin()])


def columns_aside(views: Views) -> Tensor:
    """Offset (B, W) float32 [m] to the left of the optical axis at 1 m depth, for each pixel column."""
    fx, _, cx, _ = views.intrinsics_B4[:, :, None].unbind(1)
    column = torch.arange(views.image_B3HW.shape[3], device=views.image_B3HW.device) + 0.5
    return (cx - column) / fx
