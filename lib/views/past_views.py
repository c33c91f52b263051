"""Earlier frames as range views and small images, and what a detector sees of the motion between them and the present.

Shape letters as in range_view.py; L: lags, the latest first; M: motion channels; h, w: half the image's size, rounded
up; T: ticks of the track of the vehicle ahead. Coordinates are the camera's axes then or now, relative to the LiDAR.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from lib.common.ticks import TICK_S
from lib.views.frame_batch import FrameBatch, Past
from lib.views.range_view import Motion, RangeGrid, Views, cell_of, make_views

PAST_STRIDE: Final = 2
"""Earlier images are so much smaller."""
STILL_M: Final = 3.0
"""What stands still is found within this distance of where it was."""
FASTEST_MPS: Final = 35.0
HARDEST_MPS2: Final = 20.0
ON_GROUND_M: Final = 0.3
GROUND_REACH_M: Final = 60.0
"""So far ahead the ground is fitted."""


@dataclass(frozen=True, eq=False)
class PastView:
    """The same B frames at one lag.

    lag: in ticks; range_m_BRC (0 = no return) and lead_BRC bool, whose cell it is; xyz_B3RC [m]; image_B3hw in [0, 1],
    depth_m_Bhw and pixel_class_Bhw of every second pixel; past_R_now_B33 and now_t_past_B3 [m]: the rotation from the
    axes now to those then, and the LiDAR's origin then in the axes now; exists_B: if False, all else means nothing.
    """

    lag: int
    range_m_BRC: Tensor
    lead_BRC: Tensor
    xyz_B3RC: Tensor
    image_B3hw: Tensor
    depth_m_Bhw: Tensor
    pixel_class_Bhw: Tensor
    past_R_now_B33: Tensor
    now_t_past_B3: Tensor
    exists_B: Tensor

    def seen_from(self, xyz_B3N: Tensor) -> Tensor:
        """Points (B, 3, N) of the axes now in those then, relative to the LiDAR then: as they are where all stands."""
        return self.past_R_now_B33 @ (xyz_B3N - self.now_t_past_B3[..., None])

    def turned(self, xyz_B3N: Tensor) -> Tensor:
        """Points (B, 3, N) of the axes now in those then, as if the LiDAR had not moved: they move along with it."""
        return self.past_R_now_B33 @ xyz_B3N


@dataclass(frozen=True, eq=False)
class Lead:
    """The vehicle ahead now: its cells (B, R, C) bool, and places_m_BT as in Past."""

    cells_BRC: Tensor
    places_m_BT: Tensor


def views_of(batch: FrameBatch, grid: RangeGrid) -> tuple[Views, Tensor]:
    """Views of a batch as it is, with motion if it holds a past; and each point's cell, as of make_views."""
    views, cell_BP = make_views(batch, grid)
    if batch.past is None:
        return views, cell_BP
    pasts, lead = make_past_views(batch, batch.past, grid), lead_now(batch.past, views, cell_BP)
    return with_motion(views, pasts, lead, batch.past, grid), cell_BP


def make_past_views(batch: FrameBatch, past: Past, grid: RangeGrid) -> list[PastView]:
    """Views of the earlier frames of a batch."""
    camera_R_lidar_B33 = batch.camera_SE3_lidar_B44[:, :3, :3]
    found = []
    for number, (lag, frames) in enumerate(zip(past.lags, past.frames, strict=True)):
        views, cell_BP = make_views(frames, grid)
        now_SE3_past_B44 = past.now_SE3_past_BL44[:, number]
        now_R_past_B33 = camera_R_lidar_B33 @ now_SE3_past_B44[:, :3, :3] @ camera_R_lidar_B33.mT
        found.append(
            PastView(
                lag=lag,
                range_m_BRC=views.range_m_BRC,
                lead_BRC=cells_of(past.lead_BLP[:, number], cell_BP, views),
                xyz_B3RC=views.xyz_B3RC,
                image_B3hw=half_size(views.image_B3HW),
                depth_m_Bhw=every_second(views.depth_m_BHW),
                pixel_class_Bhw=every_second(views.pixel_class_BHW),
                past_R_now_B33=now_R_past_B33.mT,
                now_t_past_B3=(camera_R_lidar_B33 @ now_SE3_past_B44[:, :3, 3:])[..., 0],
                exists_B=past.exists_BL[:, number],
            )
        )
    return found


def lead_now(past: Past, views: Views, cell_BP: Tensor) -> Lead:
    """The vehicle ahead in the present frames, whose views and cells `make_views` gave."""
    return Lead(cells_of(past.lead_BP, cell_BP, views), past.places_m_BT)


def cells_of(chosen_BP: Tensor, cell_BP: Tensor, views: Views) -> Tensor:
    """Cells (B, R, C) bool that hold one of the chosen points (B, P) bool."""
    B, R, C = views.range_m_BRC.shape
    slot_BP = torch.where(chosen_BP & (cell_BP >= 0), cell_BP, R * C)
    flat = torch.zeros(B, R * C + 1, device=cell_BP.device).scatter_(1, slot_BP, 1.0)
    return flat[:, :-1].view(B, R, C) > 0


def with_motion(views: Views, pasts: list[PastView], lead: Lead, past: Past, grid: RangeGrid) -> Views:
    """Add what is seen of motion: the channels of every cell, the track of the vehicle ahead, the earlier images.

    Channels (B, M, R, C), for each lag t [s]: `still`, how much farther a cell's point is from the LiDAR then than what
    was seen in its direction, where all but the ego stands [of 3 m]; `moved`, how fast it came along its ray over the
    ground, if what was seen in the same direction was the same thing [10 m/s]; whether each is known. Then the change
    of `moved` from each lag to the next one [10 m/s2]. All are 0 on the ground, where `moved` would be the ego's speed.
    """
    B, _, R, C = views.xyz_B3RC.shape
    xyz_B3N, range_m_BN = views.xyz_B3RC.flatten(2), views.range_m_BRC.flatten(1)
    ray_B3N = xyz_B3N / range_m_BN.clamp(min=1e-3)[:, None]
    upright_BN = (range_m_BN > 0) & ~_on_ground(views, past).flatten(1)
    channels: list[Tensor] = []
    speeds: list[tuple[float, Tensor, Tensor]] = []
    for each in pasts:
        counts_BN = upright_BN & each.exists_B[:, None]
        as_still_B3N = each.seen_from(xyz_B3N)
        found_m_BN = _range_at(each, as_still_B3N, views, grid)
        still_m_BN = as_still_B3N.square().sum(1).sqrt() - found_m_BN
        still_known_BN = counts_BN & (found_m_BN > 0)
        still_BN = (still_m_BN / STILL_M).clamp(-1, 1)
        found_m_BN = _range_at(each, each.turned(xyz_B3N), views, grid)
        moved_m_BN = range_m_BN - found_m_BN - (ray_B3N * each.now_t_past_B3[..., None]).sum(1)
        speed_BN = moved_m_BN / (each.lag * TICK_S)
        moved_known_BN = counts_BN & (found_m_BN > 0) & (speed_BN.abs() < FASTEST_MPS)
        known = still_known_BN, moved_known_BN
        channels += [torch.where(known[0], still_BN, 0.0), torch.where(known[1], speed_BN / 10, 0.0)]
        channels += [each_known.float() for each_known in known]
        speeds.append((each.lag * TICK_S, speed_BN, moved_known_BN))
    for (near_s, near_BN, near_known_BN), (far_s, far_BN, far_known_BN) in pairwise(speeds):
        change_BN = 2 * (near_BN - far_BN) / (far_s - near_s)
        known_BN = near_known_BN & far_known_BN
        channels.append(torch.where(known_BN, change_BN.clamp(-HARDEST_MPS2, HARDEST_MPS2) / 10, 0.0))
    images = [_turned_image(each, views) for each in pasts]
    motion = Motion(
        channels_BMRC=torch.stack(channels, dim=1).view(B, -1, R, C),
        lead_BRC=lead.cells_BRC,
        places_m_BT=lead.places_m_BT,
        images_BLhw=torch.cat(images, dim=1),
        exists_BL=torch.stack([each.exists_B for each in pasts], dim=1),
    )
    return replace(views, motion=motion)


def _range_at(past: PastView, xyz_B3N: Tensor, views: Views, grid: RangeGrid) -> Tensor:
    """Range (B, N) [m] that was seen in the direction of points (B, 3, N) of the axes then; 0 where nothing was."""
    cell_BN = cell_of(views.level_R_camera_B33 @ xyz_B3N, grid)
    range_m_BN = past.range_m_BRC.flatten(1).gather(1, cell_BN.clamp(min=0))
    return torch.where(cell_BN >= 0, range_m_BN, 0.0)


def _on_ground(views: Views, past: Past) -> Tensor:
    """Cells (B, R, C) bool whose points lie on the ground, by the fit."""
    height_m_BN = height_above_ground(views.xyz_B3RC.flatten(2), past)
    return (height_m_BN < ON_GROUND_M).view(views.range_m_BRC.shape)


def height_above_ground(xyz_B3N: Tensor, past: Past) -> Tensor:
    """Heights (B, N) [m] of points (B, 3, N) of the camera's axes above the ground, by the fit."""
    place_B3N = past.vehicle_R_camera_B33 @ xyz_B3N + past.vehicle_t_lidar_B3[..., None]
    x, y, z = place_B3N.unbind(1)
    x = x.clamp(0.0, GROUND_REACH_M)
    a, b, c, d = past.ground_B4[..., None].unbind(1)
    return z - (a + b * x + c * y + d * x.square())


def half_size(image_B3HW: Tensor) -> Tensor:
    """Images of half the height and width, rounded up: means of 2 x 2 pixels, fewer at the border."""
    return avg_pool2d(image_B3HW, PAST_STRIDE, ceil_mode=True)


def every_second(map_BHW: Tensor) -> Tensor:
    """Every second row and column of a map, as many as `half_size` has."""
    return map_BHW[:, ::PAST_STRIDE, ::PAST_STRIDE]


def pixel_rays(views: Views, h: int, w: int, stride: int = PAST_STRIDE) -> Tensor:
    """Rays (B, 3, h w) through the middles of pixels, 1 m deep, in the camera's axes; by default of half-size ones."""
    device = views.image_B3HW.device
    fx, fy, cx, cy = views.intrinsics_B4[..., None].unbind(1)
    row, column = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
    u, v = (stride * (place.flatten() + 0.5) for place in (column, row))
    return torch.stack([torch.ones_like(u).expand(len(fx), -1), (cx - u) / fx, (cy - v) / fy], dim=1)


def small_pixel(place_B3N: Tensor, views: Views, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Half-size pixel (B, N) int64 that sees places (B, 3, N) [m, camera frame], and whether it is in the image.

    The pixel is row * w + column; 0 where it is not in the image.
    """
    x, y, z = place_B3N.unbind(1)
    fx, fy, cx, cy = views.intrinsics_B4[..., None].unbind(1)
    depth_m = x.clamp(min=0.1)
    column = ((cx - fx * y / depth_m) / PAST_STRIDE).floor().long()
    row = ((cy - fy * z / depth_m) / PAST_STRIDE).floor().long()
    inside_BN = (x > 0.1) & (column >= 0) & (column < w) & (row >= 0) & (row < h)
    return torch.where(inside_BN, row * w + column, 0), inside_BN


def _turned_image(past: PastView, views: Views) -> Tensor:
    """The earlier image (B, 3, h, w) as a camera would have seen it that looks where today's does; black if missing."""
    h, w = past.image_B3hw.shape[-2:]
    x, y, z = (past.past_R_now_B33 @ pixel_rays(views, h, w)).clamp(min=-1e6).unbind(1)
    fx, fy, cx, cy = views.intrinsics_B4[..., None].unbind(1)
    u, v = (cx - fx * y / x.clamp(min=0.1)) / PAST_STRIDE, (cy - fy * z / x.clamp(min=0.1)) / PAST_STRIDE
    place_BN2 = torch.stack([2 * u / w - 1, 2 * v / h - 1], dim=-1)
    sampled = grid_sample(past.image_B3hw, place_BN2.view(-1, h, w, 2), padding_mode="border", align_corners=False)
    return sampled * past.exists_B[:, None, None, None]
