"""Pseudo-anomalies pasted consistently into image and cloud: what the detector learns to find without seeing one.

Each of several slots per frame holds one of: a solid with an unusual look (both sensors see it), a camouflaged solid
(geometry only), a repainted patch of ground or of an object (appearance only), a cast shadow without object or nothing
(negatives). Only the first slot casts shadows: their rays cost most. Transplanted normal objects (transplant.py) come
before, as further negatives.
Shape letters as in views.py; h, w: a window of the image around the object; N = h w flattened.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import torch
from torch import Tensor

from lib.batches.constants import constant
from lib.batches.families import Families
from lib.batches.looks import (
    GROUND_CLASSES,
    blended,
    camouflage,
    ground_brightness,
    hazed,
    random_sun,
    relief,
    shading,
)
from lib.batches.solids import Solids, contains, entry, first_hit, moved
from lib.batches.transplant import OBJECT_CLASSES, choose_cells, class_mask, class_rarity, object_radius_m, transplant
from lib.batches.views import RangeGrid, Views, cell_directions, pixel_rays, project
from lib.labels import UNKNOWN

MIN_DISTANCE_M, MAX_DISTANCE_M = 3.5, 26.0
MIN_EXTENT_M, MAX_EXTENT_M = 0.35, 4.0
MIN_REPAINTED_M = 0.9
RANGE_NOISE_M = 0.1  # AnoVox's noise_stddev
INTENSITY_DECAY = 0.004  # CARLA's atmosphere, per metre
GROUND_ALBEDO = 0.38  # what streets reflect, by which the ground's brightness tells the exposure
VISIBLE_CHANGE = 0.06  # mean absolute change of colour from which a repainted pixel counts as anomalous
UNSURE = 255
MAX_SLOTS = 16


class Slot(IntEnum):
    """What a slot holds."""

    NOTHING = 0
    BOTH = 1
    GEOMETRY = 2
    APPEARANCE = 3
    SHADOW = 4


@dataclass(frozen=True, eq=False)
class Targets:
    """Where the pseudo-anomalies are. 0 normal, 1 anomalous, 255 unsure (not scored).

    pixel_BHW uint8; cell_BRC uint8 (range view); cell_object_BRC int64: number of the slot that made the cell
    anomalous, -1 elsewhere.
    """

    pixel_BHW: Tensor
    cell_BRC: Tensor
    cell_object_BRC: Tensor


@dataclass(frozen=True, eq=False)
class _Window:
    """Flat pixel numbers (B, N) of one window per frame, all of one size, and its height and width."""

    pixel_BN: Tensor
    height: int
    width: int

    def take(self, image_BCHW: Tensor) -> Tensor:
        flat = image_BCHW.flatten(2)
        return flat.gather(2, self.pixel_BN[:, None].expand(-1, flat.shape[1], -1))

    def put(self, image_BCHW: Tensor, values_BCN: Tensor) -> Tensor:
        flat = image_BCHW.flatten(2)
        return flat.scatter(2, self.pixel_BN[:, None].expand_as(values_BCN), values_BCN).view_as(image_BCHW)


@dataclass(frozen=True, eq=False)
class _Anchor:
    """Point (B, 3) of the LiDAR frame on which the pseudo-anomaly stands, its class (B,), whether that is an object."""

    point_B3: Tensor
    class_B: Tensor
    on_object_B: Tensor


def no_targets(views: Views) -> Targets:
    """Targets without any pseudo-anomaly."""
    return Targets(
        torch.zeros_like(views.pixel_class_BHW),
        torch.zeros_like(views.point_class_BRC),
        torch.full(views.point_class_BRC.shape, -1, dtype=torch.int64, device=views.point_class_BRC.device),
    )


def paste_pseudo_anomalies(
    views: Views,
    grid: RangeGrid,
    slots: int,
    clean_fraction: float,
    families: Families,
    generator: torch.Generator,
) -> tuple[Views, Targets]:
    """Paste random pseudo-anomalies and negatives into a batch; `clean_fraction` of the frames get negatives only."""
    B, device = len(views.image_B3HW), views.image_B3HW.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    if B > 1:
        views = transplant(views, uniform(B) < 0.8, generator)
    anomalous_B = torch.arange(B, device=device) >= round(clean_fraction * B)
    anomalous_B = anomalous_B[torch.randperm(B, generator=generator, device=device)]
    leading = constant((0.0, 0.4, 0.2, 0.4, 0.0), torch.float32, device)
    chances = constant((0.2, 0.28, 0.12, 0.3, 0.1), torch.float32, device)
    targets = no_targets(views)
    for number in range(slots):
        slot_B = _drawn(chances, B, generator)
        if number == 0:
            forced = _drawn(leading, B, generator)
            slot_B = torch.where(anomalous_B, forced, slot_B)
        harmless = (slot_B == Slot.SHADOW) | (slot_B == Slot.NOTHING)
        slot_B = torch.where(anomalous_B | harmless, slot_B, int(Slot.NOTHING))
        views, targets = _paste_slot(views, targets, grid, slot_B, number, families, generator)
    return views, targets


def _drawn(chances: Tensor, B: int, generator: torch.Generator) -> Tensor:
    """Draw a number (B,) for each frame as torch.multinomial does, without its look at the chances' values."""
    exponential = torch.empty(B, len(chances), device=chances.device).exponential_(generator=generator)
    return (chances / exponential).argmax(1)


def _paste_slot(
    views: Views,
    targets: Targets,
    grid: RangeGrid,
    slot_B: Tensor,
    number: int,
    families: Families,
    generator: torch.Generator,
) -> tuple[Views, Targets]:
    anchor, found_B = _anchor(views, slot_B, generator)
    slot_B = torch.where(found_B, slot_B, int(Slot.NOTHING))
    solids, extent_B3 = _solids_at(views, anchor, slot_B, families, generator)
    window = _window(views, solids)
    painted, pixel_hit_BN, pixel_depth_BN = _paint(
        views, solids, extent_B3, anchor, slot_B, window, families, generator, casts_shadows=number == 0
    )
    before = window.take(views.image_B3HW)
    changed_BN = (painted - before).abs().mean(1) > VISIBLE_CHANGE
    appearance_B1 = (slot_B == Slot.APPEARANCE)[:, None]
    anomalous_BN = pixel_hit_BN & (changed_BN | ~appearance_B1)
    unsure_BN = pixel_hit_BN & ~anomalous_BN

    def put(values_BHW: Tensor, chosen_BN: Tensor, new_BN: Tensor) -> Tensor:
        old_BN = window.take(values_BHW[:, None]).squeeze(1)
        return window.put(values_BHW[:, None], torch.where(chosen_BN, new_BN, old_BN)[:, None]).squeeze(1)

    pixel_BHW = put(targets.pixel_BHW, anomalous_BN, torch.ones_like(pixel_hit_BN, dtype=torch.uint8))
    pixel_BHW = put(pixel_BHW, unsure_BN, torch.full_like(pixel_hit_BN, UNSURE, dtype=torch.uint8))
    unknown_BN = torch.full_like(pixel_hit_BN, UNKNOWN, dtype=torch.uint8)
    views = replace(
        views,
        image_B3HW=window.put(views.image_B3HW, painted),
        depth_m_BHW=put(views.depth_m_BHW, pixel_hit_BN, pixel_depth_BN),
        pixel_class_BHW=put(views.pixel_class_BHW, pixel_hit_BN, unknown_BN),
    )
    flat_hit_BHW = torch.zeros_like(pixel_BHW)
    mark_BN = torch.where(anomalous_BN, 1, torch.where(unsure_BN, UNSURE, 0)).to(torch.uint8)
    flat_hit_BHW = window.put(flat_hit_BHW[:, None], mark_BN[:, None]).squeeze(1)
    views, cell_mark_BRC = _paste_cells(views, solids, grid, slot_B, flat_hit_BHW, generator)
    touched = cell_mark_BRC > 0
    cell_BRC = torch.where(touched, cell_mark_BRC, targets.cell_BRC)
    cell_object = torch.where(touched, torch.where(cell_mark_BRC == 1, number, -1), targets.cell_object_BRC)
    return views, Targets(pixel_BHW, cell_BRC, cell_object)


def _anchor(views: Views, slot_B: Tensor, generator: torch.Generator) -> tuple[_Anchor, Tensor]:
    """Where the pseudo-anomalies go, and in which frames (B,) such a place exists."""
    B = len(slot_B)
    _, seen = project(views)
    in_reach = seen & (views.range_m_BRC > MIN_DISTANCE_M) & (views.range_m_BRC < MAX_DISTANCE_M)
    ground = class_mask(views.point_class_BRC, GROUND_CLASSES)
    thing = class_mask(views.point_class_BRC, OBJECT_CLASSES)
    coin = torch.rand(B, generator=generator, device=slot_B.device) < 0.5
    on_object_B = (slot_B == Slot.APPEARANCE) & coin & (thing & in_reach).flatten(1).any(1)
    wanted = torch.where(on_object_B[:, None, None], thing, ground) & in_reach
    weight = wanted * views.range_m_BRC.clamp(min=1.0) ** 1.5
    weight = torch.where(on_object_B[:, None, None], weight * class_rarity(views.point_class_BRC), weight)
    chosen_B, found_B = choose_cells(weight, generator)
    anchor_B3 = views.xyz_B3RC.flatten(2).gather(2, chosen_B[:, None, None].expand(-1, 3, 1)).squeeze(2)
    class_B = views.point_class_BRC.flatten(1).gather(1, chosen_B[:, None]).squeeze(1)
    return _Anchor(anchor_B3, class_B, on_object_B), found_B


def _solids_at(
    views: Views, anchor: _Anchor, slot_B: Tensor, families: Families, generator: torch.Generator
) -> tuple[Solids, Tensor]:
    anchor_B3, on_object_B = anchor.point_B3, anchor.on_object_B
    B, device = len(slot_B), slot_B.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    H, W = views.image_B3HW.shape[-2:]
    meters_per_px = (anchor_B3[:, 0].clamp(min=1.0) / views.intrinsics_B4[:, 0])[:, None]
    fits_B3 = meters_per_px * constant((0.7 * W / 2, 0.7 * W / 2, 0.8 * H / 2), torch.float32, device)
    repainted = slot_B == Slot.APPEARANCE
    smallest = torch.where(repainted, MIN_REPAINTED_M, MIN_EXTENT_M)
    largest = smallest * (MAX_EXTENT_M / smallest) ** uniform(B)
    thinnest = torch.where(repainted[:, None], 0.5, 0.2)
    ratio = thinnest + (1 - thinnest) * uniform(B, 3)
    ratio = ratio / ratio.amax(1, keepdim=True)
    extent_B3 = torch.minimum(largest[:, None] * ratio, fits_B3)
    flat = repainted & ~on_object_B
    height = torch.where(flat, 0.5, extent_B3[:, 2])
    extent_B3 = torch.stack([extent_B3[:, 0], extent_B3[:, 1], height], dim=1)
    afloat = (uniform(B) < 0.15) & ~flat & ~on_object_B
    lift = torch.where(afloat, uniform(B) * 1.5, -0.06 * uniform(B))
    rise = torch.where(flat | on_object_B, 0.0, 0.45 * height + lift)
    zero = torch.zeros_like(rise)
    return families.solids(anchor_B3 + torch.stack([zero, zero, rise], dim=1), extent_B3, generator), extent_B3


def _window(views: Views, solids: Solids) -> _Window:
    """Pixels around the solids: half the image's height and width, inside the image."""
    H, W = views.image_B3HW.shape[-2:]
    height, width = H // 2, W // 2
    center = solids.center_B3 + views.lidar_offset_m_B3
    fx, fy, cx, cy = views.intrinsics_B4.unbind(1)
    depth = center[:, 0].clamp(min=1.0)
    u, v = cx - fx * center[:, 1] / depth, cy - fy * center[:, 2] / depth
    left = (u - width / 2).round().long().clamp(0, W - width)
    top = (v - height / 2).round().long().clamp(0, H - height)
    rows = top[:, None] + torch.arange(height, device=u.device)
    columns = left[:, None] + torch.arange(width, device=u.device)
    return _Window((rows[:, :, None] * W + columns[:, None, :]).flatten(1), height, width)


def _paint(
    views: Views,
    solids: Solids,
    extent_B3: Tensor,
    anchor: _Anchor,
    slot_B: Tensor,
    window: _Window,
    families: Families,
    generator: torch.Generator,
    *,
    casts_shadows: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """New colours (B, 3, N) of the window, which pixels the object covers (B, N) and its planar depth there (B, N)."""
    B, device = len(slot_B), slot_B.device
    image_B3N = window.take(views.image_B3HW)
    depth_BN = window.take(views.depth_m_BHW[:, None]).squeeze(1)
    class_BN = window.take(views.pixel_class_BHW[:, None]).squeeze(1)
    ray_B3N = window.take(pixel_rays(views))
    origin_B3 = -views.lidar_offset_m_B3
    surface_B3N = ray_B3N * depth_BN[:, None] + origin_B3[..., None]
    t_BN, normal_B3N = first_hit(solids, origin_B3[..., None], ray_B3N)

    solid_B1 = ((slot_B == Slot.BOTH) | (slot_B == Slot.GEOMETRY))[:, None]
    decal_B1 = (slot_B == Slot.APPEARANCE)[:, None]
    shape_hit_BN = (t_BN < depth_BN) & solid_B1
    whole_B1 = (anchor.on_object_B & (torch.rand(B, generator=generator, device=device) < 0.6))[:, None]
    covered_BN = torch.where(whole_B1, _same_object(anchor, surface_B3N, class_BN), contains(solids, surface_B3N))
    decal_hit_BN = covered_BN & decal_B1
    hit_BN = shape_hit_BN | decal_hit_BN

    sun_B3 = random_sun(B, generator, device)
    facing_BN = (normal_B3N * sun_B3[..., None]).sum(1).clamp(min=0)
    exposure_B1 = ground_brightness(image_B3N, class_BN, views) / GROUND_ALBEDO
    entry_B3N = ray_B3N * t_BN.clamp(max=1e3)[:, None] + origin_B3[..., None]
    at_B3N = torch.where(shape_hit_BN[:, None], entry_B3N, surface_B3N) - solids.center_B3[..., None]
    albedo_B3N = families.textures(extent_B3, decal_B1.squeeze(1), generator)(at_B3N)
    light_BN = torch.where(decal_B1, relief(image_B3N, hit_BN), shading(facing_BN, generator))
    look_B3N = albedo_B3N * (exposure_B1 * light_BN)[:, None]
    camouflage_B3N = camouflage(image_B3N, class_BN, facing_BN, generator)
    look_B3N = torch.where((slot_B == Slot.GEOMETRY)[:, None, None], camouflage_B3N, look_B3N)
    new_depth_BN = torch.where(shape_hit_BN, t_BN, depth_BN)
    look_B3N = hazed(look_B3N, new_depth_BN, views, generator)

    shadowed_B3N = image_B3N
    if casts_shadows:
        shadowed_B3N = _shadowed(image_B3N, class_BN, surface_B3N, solids, sun_B3, slot_B, generator)
    painted_B3N = blended(shadowed_B3N, look_B3N, hit_BN, window.height, window.width, generator)
    nothing = (slot_B == Slot.NOTHING)[:, None, None]
    return torch.where(nothing, image_B3N, painted_B3N), hit_BN, new_depth_BN


def _same_object(anchor: _Anchor, surface_B3N: Tensor, class_BN: Tensor) -> Tensor:
    """Say which pixels (B, N) belong to the object at the anchor: its class, not far aside."""
    aside_m_BN = (surface_B3N[:, :2] - anchor.point_B3[:, :2, None]).square().sum(1).sqrt()
    radius_m_B1 = object_radius_m(anchor.class_B)[:, None]
    return (class_BN == anchor.class_B[:, None]) & (aside_m_BN < radius_m_B1)


def _shadowed(
    image_B3N: Tensor,
    class_BN: Tensor,
    surface_B3N: Tensor,
    solids: Solids,
    sun_B3: Tensor,
    slot_B: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Darken the ground in the solid's shadow; a lone shadow comes from a solid that floats out of sight."""
    B, device = len(slot_B), slot_B.device
    alone_B = slot_B == Slot.SHADOW
    casts_B = alone_B | ((slot_B == Slot.BOTH) & (torch.rand(B, generator=generator, device=device) < 0.6))
    up_B3 = sun_B3 * torch.where(alone_B, 4.0, 0.0)[:, None]
    t_BN = entry(moved(solids, up_B3), surface_B3N, sun_B3[..., None])
    dark_BN = torch.isfinite(t_BN) & class_mask(class_BN, GROUND_CLASSES) & casts_B[:, None]
    strength_B1 = 0.3 + 0.45 * torch.rand(B, 1, generator=generator, device=device)
    return image_B3N * torch.where(dark_BN, 1 - strength_B1, torch.ones_like(strength_B1))[:, None]


def _paste_cells(
    views: Views, solids: Solids, grid: RangeGrid, slot_B: Tensor, pixel_mark_BHW: Tensor, generator: torch.Generator
) -> tuple[Views, Tensor]:
    """Put the solids into the range view; returns the views and per cell 0 untouched, 1 anomalous, 255 unsure."""
    B, device = len(slot_B), slot_B.device
    returns = views.has_return_BRC
    direction = torch.where(
        returns[:, None], views.xyz_B3RC / views.range_m_BRC.clamp(min=1e-3)[:, None], cell_directions(grid, device)
    )
    t = entry(solids, direction.new_zeros(B, 3, 1), direction.flatten(2)).view_as(views.range_m_BRC)
    solid_B11 = ((slot_B == Slot.BOTH) | (slot_B == Slot.GEOMETRY))[:, None, None]
    # A ray that came back empty may be lost by chance, not by the sky behind it: most of them return now.
    returned = returns | (torch.rand(t.shape, generator=generator, device=device) < 0.9)
    hit = solid_B11 & returned & (~returns | (t < views.range_m_BRC)) & torch.isfinite(t)
    spread_m = RANGE_NOISE_M * (0.5 + torch.rand(B, 1, 1, generator=generator, device=device))
    noisy = (t + torch.randn(t.shape, generator=generator, device=device) * spread_m).clamp(min=0.5)
    noisy = torch.where(hit, noisy, views.range_m_BRC)
    intensity = torch.where(hit, _hit_intensity(views, noisy, slot_B, generator), views.intensity_BRC)
    pasted = replace(
        views,
        xyz_B3RC=torch.where(hit[:, None], direction * noisy[:, None], views.xyz_B3RC),
        range_m_BRC=noisy,
        intensity_BRC=intensity,
    )
    decal_mark = _decal_cells(views, slot_B, pixel_mark_BHW)
    mark = torch.where(hit, 1, decal_mark).to(torch.uint8)
    unknown = torch.full_like(views.point_class_BRC, UNKNOWN)
    return replace(pasted, point_class_BRC=torch.where(mark > 0, unknown, views.point_class_BRC)), mark


def _decal_cells(views: Views, slot_B: Tensor, pixel_mark_BHW: Tensor) -> Tensor:
    """Marks (B, R, C) of the cells whose point lies on the repainted surface."""
    uv, seen = project(views)
    H, W = pixel_mark_BHW.shape[-2:]
    u, v = uv[:, 0].floor().long().clamp(0, W - 1), uv[:, 1].floor().long().clamp(0, H - 1)
    flat = (v * W + u).flatten(1)
    mark = pixel_mark_BHW.flatten(1).gather(1, flat).view_as(views.point_class_BRC)
    depth = views.depth_m_BHW.flatten(1).gather(1, flat).view_as(views.range_m_BRC)
    near = (views.xyz_B3RC[:, 0] + views.lidar_offset_m_B3[:, 0, None, None] - depth).abs() < 0.6
    decal = (slot_B == Slot.APPEARANCE)[:, None, None]
    return torch.where(decal & seen & near, mark, torch.zeros_like(mark))


def _hit_intensity(views: Views, range_m_BRC: Tensor, slot_B: Tensor, generator: torch.Generator) -> Tensor:
    """Intensity of the pasted returns, with reflectivities that the data itself shows.

    Camouflaged solids keep the reflectivity behind them, the others take that of a random cell: where a data set's
    intensity knows nothing but the distance (CARLA's own LiDAR), so do the pasted returns.
    """
    reflectivity = views.intensity_BRC * torch.exp(INTENSITY_DECAY * views.range_m_BRC)
    somewhere_B, _ = choose_cells(views.has_return_BRC.float(), generator)
    other = reflectivity.flatten(1).gather(1, somewhere_B[:, None])[..., None]
    behind = views.has_return_BRC & (slot_B == Slot.GEOMETRY)[:, None, None]
    return torch.where(behind, reflectivity, other) * torch.exp(-INTENSITY_DECAY * range_m_BRC)
