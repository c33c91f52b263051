"""Temporal pseudo-anomalies: the past of the vehicle ahead is changed, so that it brakes fully now.

The present frame and the ego's motion stay as they are; only where the vehicle was before changes (retiming.py), in
earlier clouds and images and in its track.
Shape letters as in past_views.py.
"""

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from lib.common.labels import AGENT_CAR, AGENT_IDS, BICYCLE, BUS, CAR, DYNAMIC, MOTORCYCLE, TRUCK
from lib.synthesis.objects import class_mask
from lib.synthesis.retiming import Retiming, draw_retiming, farther_back_m
from lib.synthesis.targets import RETIMED, Targets
from lib.views.frame_batch import Past
from lib.views.past_views import Lead, PastView, pixel_rays, small_pixel
from lib.views.range_view import RangeGrid, Views, cell_directions, cell_of

BODY_M: Final = 6.0
"""Of a vehicle's length, so much counts as its own; it is as wide as"""
HALF_WIDTH_M: Final = 1.5
BEFORE_M: Final = 0.8
_AGENT_VEHICLES: Final = tuple(class_id for class_id in AGENT_IDS if class_id >= AGENT_CAR)
VEHICLES: Final = (CAR, TRUCK, BUS, MOTORCYCLE, BICYCLE, DYNAMIC, *_AGENT_VEHICLES)


def retiming_of(
    lead: Lead, pasts: list[PastView], fraction: float, fastest_mps: float, generator: torch.Generator
) -> Retiming:
    """Draw a re-timing (draw_retiming) for frames in which the vehicle ahead is seen."""
    ranges_m = [(past.lag, torch.where(past.lead_BRC, past.range_m_BRC, torch.inf).amin((1, 2))) for past in pasts]
    drawn = draw_retiming(lead.places_m_BT, ranges_m, fraction, fastest_mps, generator)
    seen_B = lead.cells_BRC.flatten(1).any(1)
    return replace(drawn, edited_B=drawn.edited_B & seen_B, positive_B=drawn.positive_B & seen_B)


def retimed(
    views: Views,
    targets: Targets,
    pasts: list[PastView],
    lead: Lead,
    past: Past,
    retiming: Retiming,
    grid: RangeGrid,
) -> tuple[list[PastView], Lead, Targets]:
    """Change the past of the vehicle ahead; mark its cells and pixels where it brakes fully."""
    forward_B3 = past.vehicle_R_camera_B33[:, 0]
    farther_m_BT = farther_back_m(lead.places_m_BT, retiming)
    edited = [_edited(each, views, forward_B3, farther_m_BT[:, each.lag], retiming.edited_B, grid) for each in pasts]
    lead = Lead(lead.cells_BRC, lead.places_m_BT - farther_m_BT)
    marked_BRC = lead.cells_BRC & (targets.cell_BRC == 0) & retiming.positive_B[:, None, None]
    pixels_BHW = lead_pixels(views, lead, forward_B3) & (targets.pixel_BHW == 0) & retiming.positive_B[:, None, None]
    return (
        edited,
        lead,
        Targets(
            torch.where(pixels_BHW, 1, targets.pixel_BHW).to(torch.uint8),
            torch.where(marked_BRC, 1, targets.cell_BRC).to(torch.uint8),
            torch.where(marked_BRC, RETIMED, targets.cell_object_BRC),
        ),
    )


def lead_pixels(views: Views, lead: Lead, forward_B3: Tensor) -> Tensor:
    """Pixels (B, H, W) bool of the vehicle ahead, by the labels and its place."""
    H, W = views.depth_m_BHW.shape[1:]
    rear_m_B, beside_m_B = _rear(views.xyz_B3RC, lead.cells_BRC, forward_B3)
    place_B3N = pixel_rays(views, H, W, 1) * views.depth_m_BHW.flatten(1)[:, None] - views.lidar_offset_m_B3[..., None]
    inside_BN = _is_of(place_B3N, forward_B3, rear_m_B, beside_m_B)
    return inside_BN.view(-1, H, W) & class_mask(views.pixel_class_BHW, VEHICLES)


def _edited(
    past: PastView, views: Views, forward_B3: Tensor, farther_m_B: Tensor, edited_B: Tensor, grid: RangeGrid
) -> PastView:
    """An earlier frame in which the vehicle ahead is so much farther back, that is nearer to the ego."""
    there_B = edited_B & past.exists_B & past.lead_BRC.flatten(1).any(1)
    # The vehicle's direction now, in the axes of then.
    forward_B3 = (past.past_R_now_B33 @ forward_B3[..., None])[..., 0]
    rear_m_B, beside_m_B = _rear(past.xyz_B3RC, past.lead_BRC, forward_B3)
    farther_m_B = torch.where(there_B, farther_m_B, 0.0)
    changed_B = farther_m_B.abs() > 1e-3
    ranges_BRC, lead_BRC = _moved_ranges(past, views, forward_B3, rear_m_B, farther_m_B, grid)
    images_B3hw = _moved_images(past, views, forward_B3, rear_m_B, beside_m_B, farther_m_B)
    chosen_B11 = changed_B[:, None, None]
    return replace(
        past,
        range_m_BRC=torch.where(chosen_B11, ranges_BRC, past.range_m_BRC),
        lead_BRC=torch.where(chosen_B11, lead_BRC, past.lead_BRC),
        image_B3hw=torch.where(chosen_B11[..., None], images_B3hw, past.image_B3hw),
    )


def _moved_ranges(
    past: PastView, views: Views, forward_B3: Tensor, rear_m_B: Tensor, farther_m_B: Tensor, grid: RangeGrid
) -> tuple[Tensor, Tensor]:
    """Earlier ranges and cells of the vehicle, moved back: what a ray meets now, it met before at a flatter angle."""
    B, R, C = past.range_m_BRC.shape
    rays_3N = cell_directions(grid, past.range_m_BRC.device).flatten(1)
    rays_B3N = views.level_R_camera_B33.mT @ rays_3N
    along_BN = (rays_B3N * forward_B3[..., None]).sum(1)
    near_m_B1 = (rear_m_B - farther_m_B)[:, None].clamp(min=0.5)
    # Where the ray meets the plane of the moved rear, moved back to the plane of the rear as it was.
    moved_B31 = (forward_B3 * farther_m_B[:, None])[..., None]
    met_B3N = rays_B3N * (near_m_B1 / along_BN.clamp(min=1e-3))[:, None] + moved_B31
    source_BN = cell_of(views.level_R_camera_B33 @ met_B3N, grid)
    exists_BN = (source_BN >= 0) & (along_BN > 0.2)
    source_BN = source_BN.clamp(min=0)
    # A ray of the vehicle without a return would become a window in it that grows: it takes its neighbour's.
    whole_BRC = closed(past.lead_BRC)
    xyz_B3RC = beside_filled(past.xyz_B3RC, whole_BRC & ~past.lead_BRC)
    own_BN = whole_BRC.flatten(1).gather(1, source_BN) & exists_BN
    from_B3N = xyz_B3RC.flatten(2).gather(2, source_BN[:, None].expand(-1, 3, -1))
    moved_m_BRC = (from_B3N - moved_B31).square().sum(1).sqrt().view(B, R, C)
    filled_BRC = beside_filled(past.range_m_BRC[:, None], whole_BRC | (past.range_m_BRC == 0))[:, 0]
    behind_m_BRC = torch.where(whole_BRC, filled_BRC, past.range_m_BRC)
    nearer_BRC = own_BN.view(B, R, C) & ((behind_m_BRC == 0) | (moved_m_BRC < behind_m_BRC))
    return torch.where(nearer_BRC, moved_m_BRC, behind_m_BRC), nearer_BRC


def _moved_images(
    past: PastView, views: Views, forward_B3: Tensor, rear_m_B: Tensor, beside_m_B: Tensor, farther_m_B: Tensor
) -> Tensor:
    """Earlier images (B, 3, h, w) in which the vehicle is moved back, larger or smaller, like the ranges."""
    B, _, h, w = past.image_B3hw.shape
    rays_B3N = pixel_rays(views, h, w)
    depth_m_BN, offset_m_B31 = past.depth_m_Bhw.flatten(1), views.lidar_offset_m_B3[..., None]
    of_vehicle_BN = _is_of(rays_B3N * depth_m_BN[:, None] - offset_m_B31, forward_B3, rear_m_B, beside_m_B)
    of_vehicle_BN &= class_mask(past.pixel_class_Bhw.flatten(1), VEHICLES)
    near_m_B1 = (rear_m_B - farther_m_B)[:, None].clamp(min=0.5)
    # As in _moved_ranges, from the camera: the plane is farther from it by the LiDAR's offset.
    ahead_B1 = (offset_m_B31[..., 0] * forward_B3).sum(1, keepdim=True)
    along_BN = (rays_B3N * forward_B3[..., None]).sum(1).clamp(min=1e-3)
    met_B3N = rays_B3N * ((near_m_B1 + ahead_B1) / along_BN)[:, None] + (forward_B3 * farther_m_B[:, None])[..., None]
    source_BN, inside_BN = small_pixel(met_B3N, views, h, w)
    own_BN = of_vehicle_BN.gather(1, source_BN) & inside_BN
    colors_B3N = past.image_B3hw.flatten(2).gather(2, source_BN[:, None].expand(-1, 3, -1))
    # Pixels on the outline are mixtures.
    outlined_Bhw = max_pool2d(of_vehicle_BN.view(B, 1, h, w).float(), 3, stride=1, padding=1)[:, 0] > 0
    filled_B3hw = beside_filled(past.image_B3hw, outlined_Bhw)
    return torch.where(own_BN.view(B, 1, h, w), colors_B3N.view(B, 3, h, w), filled_B3hw)


def closed(mask_BRC: Tensor) -> Tensor:
    """A mask (B, R, C) with its gaps of up to two cells in a row closed."""
    wide = max_pool2d(mask_BRC[:, None].float(), (1, 3), stride=1, padding=(0, 1))
    return mask_BRC | (-max_pool2d(-wide, (1, 3), stride=1, padding=(0, 1))[:, 0] > 0)


def beside_filled(maps_BKhw: Tensor, holes_Bhw: Tensor) -> Tensor:
    """Fill holes of maps (B, K, h, w) with the nearest value to the left or right, in the same row."""
    w = holes_Bhw.shape[2]
    column = torch.arange(w, device=holes_Bhw.device).expand_as(holes_Bhw)
    left = torch.where(holes_Bhw, -1, column).cummax(2).values
    right = w - 1 - torch.where(holes_Bhw.flip(2), -1, column).cummax(2).values.flip(2)
    use_left = (left >= 0) & ((right >= w) | (column - left <= right - column))
    source = torch.where(use_left, left, right.clamp(max=w - 1))
    return maps_BKhw.gather(3, source[:, None].expand_as(maps_BKhw))


def _rear(xyz_B3RC: Tensor, lead_BRC: Tensor, forward_B3: Tensor) -> tuple[Tensor, Tensor]:
    """Place (B,) [m] of the rear along the direction `forward` from the LiDAR, and to the left of it."""
    xyz_B3N, lead_BN = xyz_B3RC.flatten(2), lead_BRC.flatten(1)
    along_BN, beside_BN = _along_and_beside(xyz_B3N, forward_B3)
    rear_m_B = torch.where(lead_BN, along_BN, torch.inf).amin(1)
    at_rear_BN = lead_BN & (along_BN < rear_m_B[:, None] + 1.5)
    beside_m_B = (beside_BN * at_rear_BN).sum(1) / at_rear_BN.sum(1).clamp(min=1)
    return torch.where(torch.isfinite(rear_m_B), rear_m_B, 1e3), beside_m_B


def _along_and_beside(place_B3N: Tensor, forward_B3: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (B, N) [m] of places (B, 3, N) along a direction (B, 3), and to the left of it."""
    along_BN = (place_B3N * forward_B3[..., None]).sum(1)
    return along_BN, forward_B3[:, :1] * place_B3N[:, 1] - forward_B3[:, 1:2] * place_B3N[:, 0]


def _is_of(place_B3N: Tensor, forward_B3: Tensor, rear_m_B: Tensor, beside_m_B: Tensor) -> Tensor:
    """Which places (B, 3, N) [m, relative to the LiDAR] are within the vehicle's length and width (B, N)."""
    along_BN, beside_BN = _along_and_beside(place_B3N, forward_B3)
    along_BN, beside_BN = along_BN - rear_m_B[:, None], beside_BN - beside_m_B[:, None]
    return (along_BN > -BEFORE_M) & (along_BN < BODY_M) & (beside_BN.abs() < HALF_WIDTH_M)
