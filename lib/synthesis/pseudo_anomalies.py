"""Pseudo-anomalies pasted consistently into image and cloud: the detector's positive examples.

Each of several slots per frame (placing.py) holds one of: a solid with an unusual surface (visible to both sensors), a
camouflaged solid (geometry only), a repainted patch of ground or of an object (appearance only), or nothing. Only the
first slot casts shadows, as their rays cost most. Negatives are pasted first, into frames with and without anomalies:
transplanted normal objects (transplant.py), shadows of objects out of sight and dirt (ground_negatives.py).
Misfits (misfits.py), further anomalies, are pasted last.
Shape letters as in range_view.py; h, w: a window around the object; N = h w flattened; P = H W; K = R C; L: layers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.common.labels import UNKNOWN
from lib.synthesis.appearance import GROUND_CLASSES, blended, camouflage, ground_of, hazed, random_sun, relief, shading
from lib.synthesis.canvas import INTENSITY_DECAY, RANGE_NOISE_M, Scene, anomalous, finished, open_scene, painted
from lib.synthesis.families import Families, Textures
from lib.synthesis.ground_negatives import paste_ground_negatives
from lib.synthesis.misfits import paste_misfits
from lib.synthesis.objects import class_mask, same_object
from lib.synthesis.placing import LARGE_WINDOW, SMALL_WINDOW, Placed, Slot, draw_kinds, place
from lib.synthesis.solids import Linear, Spans, along, entry, shaded, spans
from lib.synthesis.targets import UNSURE, Targets
from lib.synthesis.transplant import transplant
from lib.synthesis.windows import Window, above_at_1_m, aside_at_1_m, window_around, window_in_image, window_size
from lib.views.range_view import RangeGrid, Views, cell_column
from lib.views.tensors import Rows, constant

GROUND_ALBEDO = 0.38  # typical of streets; exposure = brightness of the ground / albedo
VISIBLE_CHANGE = 0.06  # mean absolute change of colour above which a repainted pixel counts as anomalous
REPAINTED_WITHIN_M = 0.6  # how far a point may be from the surface that the camera sees at its projection


@dataclass(frozen=True)
class Mix:
    """How much is pasted: the maximum number of pseudo-anomalies per frame (`slots`), and fractions of the frames.

    clean: without pseudo-anomalies; misfit: fraction of the frames with pseudo-anomalies that get a misfit as well, if
    the families have misfits and one can be made; ground_negative: with a shadow of an object out of sight, or dirt;
    transplant: with a normal object of another frame. The defaults are those of the calibration set.
    Of frames with a past (pasted_windows.py), retimed: whose vehicle ahead is re-timed, never faster than fastest_mps;
    lost_lag: each lag, and the track, is lost in such a fraction of the frames.
    """

    slots: int
    clean_fraction: float
    misfit_fraction: float = 0.0
    ground_negative_fraction: float = 0.2
    transplant_fraction: float = 0.8
    retimed_fraction: float = 0.0
    fastest_mps: float = 0.0
    lost_lag_fraction: float = 0.0


@dataclass(frozen=True, eq=False)
class _SlotRays(Rows):
    """Contents of slots, and the intersections of the rays through the windows around them.

    This does not depend on what else is in the frame, so that all slots with the same window size are computed
    together, stacked to S B rows. pixels and ray_B3N: window in the image and its rays (camera axes, x = 1); spans:
    intervals in which the rays are inside; enter_BN, facing_BN: the first entry; cells, cell_enter_m_BN: window in the
    range view and its first entry.
    """

    placed: Placed
    textures: Textures
    sun_B3: Tensor
    pixels: Window
    ray_B3N: Tensor
    spans: Spans
    enter_BN: Tensor
    facing_BN: Tensor
    cells: Window
    cell_enter_m_BN: Tensor


def paste_pseudo_anomalies(
    views: Views, grid: RangeGrid, mix: Mix, families: Families, generator: torch.Generator
) -> tuple[Views, Targets]:
    """Paste random pseudo-anomalies and negatives into a batch."""
    B, device = len(views.image_B3HW), views.image_B3HW.device
    if B > 1:
        drawn_B = torch.rand(B, generator=generator, device=device)
        views = transplant(views, drawn_B < mix.transplant_fraction, generator)

    def kinds() -> Tensor:
        return draw_kinds(mix.slots, B, mix.clean_fraction, generator, device)

    return _pasted(views, grid, mix, kinds, families, generator)


def paste_kind(
    views: Views, grid: RangeGrid, kind: Slot, families: Families, generator: torch.Generator
) -> tuple[Views, Targets]:
    """Paste one pseudo-anomaly of a kind into every frame, for inspection."""
    kind_SB = torch.full((1, len(views.image_B3HW)), int(kind), device=views.image_B3HW.device)
    single = Mix(slots=1, clean_fraction=0.0, misfit_fraction=0.0, ground_negative_fraction=0.0)
    return _pasted(views, grid, single, lambda: kind_SB, families, generator)


def _pasted(
    views: Views, grid: RangeGrid, mix: Mix, kinds: Callable[[], Tensor], families: Families, generator: torch.Generator
) -> tuple[Views, Targets]:
    uv_B2RC, seen_BRC = views.projection
    scene = open_scene(views, grid, uv_B2RC, seen_BRC)
    if mix.ground_negative_fraction:
        drawn_2B = torch.rand(2, len(views.image_B3HW), generator=generator, device=uv_B2RC.device)
        paste_ground_negatives(scene, drawn_2B[0] < mix.ground_negative_fraction, drawn_2B[1] < 0.5, generator)
    returns_BK = views.has_return_BRC.flatten(1)
    drawn_BK = torch.rand(returns_BK.shape, generator=generator, device=returns_BK.device)
    donors_BS = (drawn_BK * returns_BK).topk(mix.slots, dim=1).indices
    maps = views.intensity_BRC, views.range_m_BRC
    intensity_BS, range_m_BS = (cells_BRC.flatten(1).gather(1, donors_BS) for cells_BRC in maps)
    reflectivity_BS = intensity_BS * torch.exp(INTENSITY_DECAY * range_m_BS)
    placed = place(views, seen_BRC, kinds(), families, generator)
    textures = families.textures(placed.extent_B3, placed.kind_B == Slot.APPEARANCE, generator)
    sun_B3 = random_sun(len(placed.kind_B), generator, placed.kind_B.device)
    for number, rays in enumerate(_slot_by_slot(scene, placed, textures, sun_B3)):
        _paste_pixels(scene, rays, number, generator)
        _paste_cells(scene, rays, number, reflectivity_BS[:, number], generator)
    if families.misfits and mix.misfit_fraction:
        drawn_B = torch.rand(len(views.image_B3HW), generator=generator, device=returns_BK.device)
        paste_misfits(scene, (drawn_B < mix.misfit_fraction) & anomalous(scene), mix.slots, generator)
    return finished(scene)


def _slot_by_slot(scene: Scene, placed: Placed, textures: Textures, sun_B3: Tensor) -> Iterator[_SlotRays]:
    B = len(scene.origin_B3)
    yield _cast_rays(scene, placed[:B], textures[:B], sun_B3[:B], LARGE_WINDOW)
    if len(sun_B3) > B:
        others = _cast_rays(scene, placed[B:], textures[B:], sun_B3[B:], SMALL_WINDOW)
        for start in range(0, len(others.sun_B3), B):
            yield others[start : start + B]


def _cast_rays(scene: Scene, placed: Placed, textures: Textures, sun_B3: Tensor, divisor: int) -> _SlotRays:
    """Intersect the rays of both sensors with the slots' solids, in windows of 1 / `divisor` of the maps' sizes."""
    views, slots = scene.views, len(sun_B3) // len(scene.origin_B3)
    origin_B3 = scene.origin_B3.repeat(slots, 1)
    H, W = views.image_B3HW.shape[-2:]
    intrinsics_B4 = views.intrinsics_B4.repeat(slots, 1)
    pixels = window_in_image(placed.solids.center_B3 - origin_B3, intrinsics_B4, window_size((H, W), divisor), (H, W))
    linear = _rays(pixels, intrinsics_B4)
    axes = constant((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), torch.float32, sun_B3.device).view(1, 3, 3)
    ray_B3N = linear(axes.expand(len(sun_B3), 3, 3), torch.zeros_like(sun_B3))
    within = spans(placed.solids, origin_B3, linear, sun_B3)
    R, C = views.range_m_BRC.shape[1:]
    column_B = cell_column(views.levelled(placed.solids.center_B3), scene.grid)
    cells = window_around(torch.zeros_like(column_B), column_B, (R, max(1, C // divisor)), (R, C))
    direction_B3N = cells.take(scene.cells_BLK[:, :3].repeat(slots, 1, 1))
    cell_enter_m_BN = entry(placed.solids, torch.zeros_like(origin_B3), along(direction_B3N))
    return _SlotRays(placed, textures, sun_B3, pixels, ray_B3N, within, *within.first(), cells, cell_enter_m_BN)


def _rays(window: Window, intrinsics_B4: Tensor) -> Linear:
    """Linear functions of the rays (camera axes, x = 1) through the pixels of a window."""
    aside_Bw, above_Bh = aside_at_1_m(window, intrinsics_B4), above_at_1_m(window, intrinsics_B4)

    def linear(vectors_BK3: Tensor, constants_BK: Tensor) -> Tensor:
        x_BK, y_BK, z_BK = vectors_BK3.unbind(2)
        by_row_BKh = (x_BK + constants_BK)[..., None] + z_BK[..., None] * above_Bh[:, None]
        by_column_BKw = y_BK[..., None] * aside_Bw[:, None]
        return (by_row_BKh[..., None] + by_column_BKw[:, :, None]).flatten(2)

    return linear


def _paste_pixels(scene: Scene, rays: _SlotRays, number: int, generator: torch.Generator) -> None:
    """Paint the solids, the repainted surfaces and the first slot's shadows into a window of the image."""
    placed, window, facing_BN = rays.placed, rays.pixels, rays.facing_BN
    before_BLN = window.take(scene.pixels_BLP)
    image_B3N, class_B1N, depth_B1N = before_BLN[:, :3], before_BLN[:, 3:4], before_BLN[:, 4:5]
    ground_B1N = class_mask(class_B1N, GROUND_CLASSES).float()
    depth_BN = depth_B1N[:, 0]
    surface_B3N = torch.addcmul(scene.origin_B3[..., None], rays.ray_B3N, depth_B1N)

    solid_B1 = ((placed.kind_B == Slot.BOTH) | (placed.kind_B == Slot.GEOMETRY))[:, None]
    decal_B1 = (placed.kind_B == Slot.APPEARANCE)[:, None]
    in_front_BN = (rays.enter_BN < depth_BN) & solid_B1
    same_BN = same_object(surface_B3N[:, 0], surface_B3N[:, 1], class_B1N[:, 0], placed.anchor_B3, placed.class_B)
    hit_BN = in_front_BN | (decal_B1 & torch.where(placed.whole_B[:, None], same_BN, rays.spans.hold(depth_BN)))
    new_depth_BN = torch.where(in_front_BN, rays.enter_BN, depth_BN)
    from_center_B3 = scene.origin_B3 - placed.solids.center_B3
    offset_B3N = torch.addcmul(from_center_B3[..., None], rays.ray_B3N, new_depth_BN[:, None])

    ground = ground_of(image_B3N, ground_B1N[:, 0])
    exposure_B1 = ground.brightness(scene.brightness_B1) / GROUND_ALBEDO
    light_BN = torch.where(decal_B1, relief(image_B3N, hit_BN), shading(facing_BN, generator))
    color_B3N = rays.textures.colors(offset_B3N) * (exposure_B1 * light_BN)[:, None]
    camouflage_B3N = camouflage(image_B3N, ground, facing_BN, generator)
    color_B3N = torch.where((placed.kind_B == Slot.GEOMETRY)[:, None, None], camouflage_B3N, color_B3N)
    color_B3N = hazed(color_B3N, new_depth_BN, scene.far_color_B31, scene.haze_density_B1, generator)
    below_B3N = image_B3N
    if number == 0:
        below_B3N = _shadowed(image_B3N, ground_B1N, surface_B3N, rays, generator)
    painted_B3N = blended(below_B3N, color_B3N, hit_BN, scene.noise_std_B1, window.size, generator)

    changed_BN = (painted_B3N - image_B3N).abs().mean(1) > VISIBLE_CHANGE
    mark_BN = torch.where(changed_BN | ~decal_B1, 1.0, float(UNSURE))
    after_BLN = painted(before_BLN, painted_B3N, hit_BN, new_depth_BN, mark_BN[:, None], number)
    window.put_(scene.pixels_BLP, after_BLN)


def _shadowed(
    image_B3N: Tensor, ground_B1N: Tensor, surface_B3N: Tensor, rays: _SlotRays, generator: torch.Generator
) -> Tensor:
    """Darken the ground in the solid's shadow."""
    placed, sun_B3 = rays.placed, rays.sun_B3
    drawn_2B = torch.rand(2, len(sun_B3), generator=generator, device=sun_B3.device)
    casts_B = (placed.kind_B == Slot.BOTH) & (drawn_2B[0] < 0.6)
    strength_B1 = ((0.3 + 0.45 * drawn_2B[1]) * casts_B)[:, None]
    dark_BN = shaded(placed.solids, surface_B3N, sun_B3) * strength_B1
    return image_B3N * (1 - dark_BN[:, None] * ground_B1N)


def _paste_cells(
    scene: Scene, rays: _SlotRays, number: int, reflectivity_B: Tensor, generator: torch.Generator
) -> None:
    """Put the solids into a window of the range view, and mark the cells on repainted surfaces.

    `reflectivity_B`: reflectivity of a random cell, used for solids that are not camouflaged.
    """
    placed, window, t_BN = rays.placed, rays.cells, rays.cell_enter_m_BN
    layers_BLN = window.take(scene.cells_BLK)
    forward_BN, _, _, pixel_BN, range_m_BN, intensity_BN, class_BN, mark_BN, slot_BN = layers_BLN.unbind(1)
    solid_B1 = ((placed.kind_B == Slot.BOTH) | (placed.kind_B == Slot.GEOMETRY))[:, None]
    returns_BN = range_m_BN > 0
    # A ray without a return may have been dropped by noise rather than by the sky, so only 90 % of them get one.
    returned_BN = returns_BN | (torch.rand(t_BN.shape, generator=generator, device=t_BN.device) < 0.9)
    nearer_BN = (t_BN < range_m_BN) | (~returns_BN & torch.isfinite(t_BN))
    hit_BN = solid_B1 & returned_BN & nearer_BN
    spread_m_B1 = RANGE_NOISE_M * (0.5 + torch.rand(len(t_BN), 1, generator=generator, device=t_BN.device))
    noise_BN = torch.randn(t_BN.shape, generator=generator, device=t_BN.device)
    noisy_m_BN = torch.where(hit_BN, torch.addcmul(t_BN, noise_BN, spread_m_B1).clamp_(min=0.5), range_m_BN)
    behind_BN = returns_BN & (placed.kind_B == Slot.GEOMETRY)[:, None]
    # Reflectivities are taken from the data. If its intensities depend on distance alone, as those of CARLA's LiDAR do,
    # so do those of the pasted returns.
    behind_reflectivity_BN = intensity_BN * torch.exp(INTENSITY_DECAY * range_m_BN)
    reflected_BN = torch.where(behind_BN, behind_reflectivity_BN, reflectivity_B[:, None])
    reflected_BN = reflected_BN * torch.exp(-INTENSITY_DECAY * noisy_m_BN)

    decal_mark_BN = _decal_marks(scene, placed, number, forward_BN * range_m_BN, pixel_BN)
    new_mark_BN = torch.where(hit_BN, 1.0, decal_mark_BN)
    changed_BN = new_mark_BN > 0
    after = (
        noisy_m_BN,
        torch.where(hit_BN, reflected_BN, intensity_BN),
        torch.where(changed_BN, float(UNKNOWN), class_BN),
        torch.where(changed_BN, new_mark_BN, mark_BN),
        torch.where(changed_BN, torch.where(new_mark_BN == 1, float(number), -1.0), slot_BN),
    )
    window.put_(scene.cells_BLK[:, 4:], torch.stack(after, dim=1))


def _decal_marks(scene: Scene, placed: Placed, number: int, x_m_BN: Tensor, pixel_BN: Tensor) -> Tensor:
    """Marks (B, N), 0 elsewhere, of the cells whose point lies on what this slot repainted."""
    place_BN = pixel_BN.clamp(min=0).long()
    depth_BN, mark_BN, slot_BN = scene.pixels_BLP[:, 4:].gather(2, place_BN[:, None].expand(-1, 3, -1)).unbind(1)
    near_BN = (x_m_BN - scene.origin_B3[:, :1] - depth_BN).abs() < REPAINTED_WITHIN_M
    decal_B1 = (placed.kind_B == Slot.APPEARANCE)[:, None]
    return torch.where(decal_B1 & (pixel_BN >= 0) & near_BN & (slot_BN == number), mark_BN, 0.0)
