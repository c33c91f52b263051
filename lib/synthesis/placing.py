"""Kind, position and size of the pseudo-anomaly in each slot of each frame.

Only the first slot may be large in the image; the windows of the others can then be small, which is faster.
Shape letters as in range_view.py; S: slots; K = R C cells.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from lib.synthesis.appearance import GROUND_CLASSES
from lib.synthesis.families import Families
from lib.synthesis.objects import OBJECT_CLASSES, choose_cells, class_mask, class_rarity, object_radius_m
from lib.synthesis.solids import Solids
from lib.views.range_view import Views
from lib.views.tensors import Rows, constant

MIN_DISTANCE_M, MAX_DISTANCE_M = 3.5, 26.0
MIN_EXTENT_M, MAX_EXTENT_M = 0.35, 4.0
MIN_REPAINTED_M = 0.9
LARGE_WINDOW, SMALL_WINDOW = 2, 4  # divisors of the image's height and width
SMALL_FILL = 0.7  # largest height of a small object, as a fraction of the small window's height
SMALL_REACH = 0.45  # largest radius of a small repainted object, as a fraction of the small window's width


class Slot(IntEnum):
    """Kind of a slot's pseudo-anomaly."""

    NOTHING = 0
    BOTH = 1
    GEOMETRY = 2
    APPEARANCE = 3


@dataclass(frozen=True, eq=False)
class Placed(Rows):
    """Contents of one slot, or of several slots one after another, in each frame.

    kind_B: values of Slot; solids and their full extent_B3 [m]; anchor_B3: the point [m, relative to the LiDAR] on
    which they stand, and its class_B; whole_B: repaint the whole object at the anchor, not only what is inside the
    solid.
    """

    kind_B: Tensor
    solids: Solids
    extent_B3: Tensor
    anchor_B3: Tensor
    class_B: Tensor
    whole_B: Tensor


@dataclass(frozen=True, eq=False)
class _Plan:
    """Kinds, and random decisions on position and size; (S, B) each."""

    kind_SB: Tensor
    on_object_SB: Tensor
    whole_SB: Tensor
    large_SB: Tensor


def place(views: Views, seen_BRC: Tensor, kind_SB: Tensor, families: Families, generator: torch.Generator) -> Placed:
    """Draw positions and solids for the kinds (S, B) of all slots, stacked to S B rows; `seen_BRC`: cells in view."""
    (slots, B), device = kind_SB.shape, kind_SB.device
    in_reach_BK = (seen_BRC & (views.range_m_BRC > MIN_DISTANCE_M) & (views.range_m_BRC < MAX_DISTANCE_M)).flatten(1)
    class_BK, weight_BK = views.point_class_BRC.flatten(1), views.range_m_BRC.flatten(1).clamp(min=1.0) ** 1.5
    ground_BK = class_mask(class_BK, GROUND_CLASSES) & in_reach_BK
    object_BK = class_mask(class_BK, OBJECT_CLASSES) & in_reach_BK

    coin_CSB = torch.rand(3, slots, B, generator=generator, device=device)
    on_object_SB = (kind_SB == Slot.APPEARANCE) & (coin_CSB[0] < 0.5) & object_BK.any(1)
    whole_SB = on_object_SB & (coin_CSB[1] < 0.6)
    object_weight_BK = object_BK * weight_BK * class_rarity(class_BK)
    weight_SBK = torch.where(on_object_SB[..., None], object_weight_BK, ground_BK * weight_BK)
    small_SBK = _chance_of_small(views, kind_SB, whole_SB)
    # The first slot is large with the probability that any slot would be.
    large_fraction_SB = 1 - (weight_SBK * small_SBK).sum(2) / weight_SBK.sum(2).clamp(min=1e-6)
    expected_B = torch.where(kind_SB == Slot.NOTHING, 0.0, large_fraction_SB).sum(0)
    large_SB = (coin_CSB[2] < expected_B) & (torch.arange(slots, device=device) == 0)[:, None]
    plan = _Plan(kind_SB, on_object_SB, whole_SB, large_SB)
    weight_SBK = weight_SBK * torch.where(large_SB[..., None], 1 - small_SBK, small_SBK).clamp_(min=1e-6)
    cell_G, found_G = choose_cells(weight_SBK.flatten(0, 1), generator)
    frame_G = torch.arange(slots * B, device=device) % B
    anchor_G3 = views.xyz_B3RC.flatten(2)[frame_G, :, cell_G]
    small_G = small_SBK.flatten(0, 1).gather(1, cell_G[:, None]).squeeze(1)
    solids, extent_G3 = _solids_at(views, anchor_G3, small_G, plan, families, generator)
    kind_G = torch.where(found_G, kind_SB.flatten(), int(Slot.NOTHING))
    return Placed(kind_G, solids, extent_G3, anchor_G3, class_BK[frame_G, cell_G], plan.whole_SB.flatten())


def free_spots(views: Views, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a ground point (B, 3) [m, relative to the LiDAR] in view of both sensors, and whether there is any (B,)."""
    seen_BRC = views.seen_BRC
    range_m_BK = views.range_m_BRC.flatten(1)
    in_reach_BK = seen_BRC.flatten(1) & (range_m_BK > MIN_DISTANCE_M) & (range_m_BK < MAX_DISTANCE_M)
    ground_BK = class_mask(views.point_class_BRC.flatten(1), GROUND_CLASSES) & in_reach_BK
    cell_B, found_B = choose_cells(ground_BK * range_m_BK**1.5, generator)
    return views.xyz_B3RC.flatten(2).gather(2, cell_B[:, None, None].expand(-1, 3, 1)).squeeze(2), found_B


def draw_kinds(slots: int, B: int, clean_fraction: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw the slots' kinds (S, B). Clean frames have no anomaly, the others at least one.

    The number of clean frames is clean_fraction * B, rounded up or down at random; below one it is 0, so that even the
    smallest batches contain an anomaly.
    """
    offset = torch.rand((), generator=generator, device=device)
    clean = clean_fraction * B
    anomalous_B = torch.arange(B, device=device) >= (clean - offset if clean >= 1 else 0)
    anomalous_B = anomalous_B[torch.randperm(B, generator=generator, device=device)]
    leading = constant((0.0, 0.4, 0.2, 0.4), torch.float32, device)
    chances = constant((0.3, 0.28, 0.12, 0.3), torch.float32, device)
    drawn = _drawn(chances, slots * B, generator).view(slots, B)
    first_B = torch.where(anomalous_B, _drawn(leading, B, generator), drawn[0])
    kind_SB = torch.cat([first_B[None], drawn[1:]])
    return torch.where(anomalous_B, kind_SB, int(Slot.NOTHING))


def _drawn(chances: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` indices like torch.multinomial, without its check of the values, which waits for the device."""
    exponential = torch.empty(count, len(chances), device=chances.device).exponential_(generator=generator)
    return (chances / exponential).argmax(1)


def _smallest_m(kind_SB: Tensor) -> Tensor:
    return torch.where(kind_SB == Slot.APPEARANCE, MIN_REPAINTED_M, MIN_EXTENT_M)


def _chance_of_small(views: Views, kind_SB: Tensor, whole_SB: Tensor) -> Tensor:
    """Probability (S, B, K) that an object of log-uniform size is small in the image if it stands on a cell.

    For an object that is repainted as a whole it is 0 or 1.
    """
    H, W = views.image_B3HW.shape[-2:]
    depth_BK = (views.xyz_B3RC[:, 0] + views.lidar_offset_m_B3[:, 0, None, None]).flatten(1).clamp(min=1.0)
    limit_m_BK = depth_BK * (SMALL_FILL * H / SMALL_WINDOW / views.intrinsics_B4[:, 1, None])
    smallest_m_SB1 = _smallest_m(kind_SB)[..., None]
    chance_SBK = (limit_m_BK.log() - smallest_m_SB1.log()) / (MAX_EXTENT_M / smallest_m_SB1).log()
    reach_m_BK = depth_BK * (SMALL_REACH * W / SMALL_WINDOW / views.intrinsics_B4[:, 0, None])
    fits_BK = (reach_m_BK > object_radius_m(views.point_class_BRC.flatten(1))).float()
    return torch.where(whole_SB[..., None], fits_BK, chance_SBK.clamp_(0, 1))


def _solids_at(
    views: Views, anchor_G3: Tensor, small_G: Tensor, plan: _Plan, families: Families, generator: torch.Generator
) -> tuple[Solids, Tensor]:
    """Draw solids at the anchors, and their extents (G, 3) [m]; `small_G`: probability to be small. G = S B."""
    device, G = anchor_G3.device, len(anchor_G3)
    H, W = views.image_B3HW.shape[-2:]
    drawn_CG = torch.rand(6, G, generator=generator, device=device)
    meters_per_px = anchor_G3[:, 0].clamp(min=1.0) / views.intrinsics_B4[:, 0].repeat(len(plan.kind_SB))
    fits = constant((0.7 * W / LARGE_WINDOW, 0.7 * W / LARGE_WINDOW, 0.8 * H / LARGE_WINDOW), torch.float32, device)
    repainted_G, on_object_G = (plan.kind_SB == Slot.APPEARANCE).flatten(), plan.on_object_SB.flatten()
    smallest_m_G = _smallest_m(plan.kind_SB).flatten()
    upper_G = torch.lerp(small_G, torch.ones_like(small_G), drawn_CG[0])
    size_G = torch.where(plan.large_SB.flatten(), upper_G, small_G * drawn_CG[0])
    size_G = torch.where(plan.whole_SB.flatten(), drawn_CG[0], size_G)
    largest_m_G = smallest_m_G * (MAX_EXTENT_M / smallest_m_G) ** size_G
    thinnest_G1 = torch.where(repainted_G, 0.5, 0.2)[:, None]
    ratio_G3 = thinnest_G1 + (1 - thinnest_G1) * drawn_CG[1:4].T
    ratio_G3 = ratio_G3 / ratio_G3.amax(1, keepdim=True)
    extent_G3 = torch.minimum(largest_m_G[:, None] * ratio_G3, meters_per_px[:, None] * fits)
    flat_G = repainted_G & ~on_object_G
    height_m_G = torch.where(flat_G, 0.5, extent_G3[:, 2])
    extent_G3 = torch.cat([extent_G3[:, :2], height_m_G[:, None]], dim=1)
    floating_G = (drawn_CG[4] < 0.15) & ~flat_G & ~on_object_G
    lift_G = torch.where(floating_G, drawn_CG[5] * 1.5, -0.06 * drawn_CG[5])
    rise_G = torch.where(flat_G | on_object_G, 0.0, 0.45 * height_m_G + lift_G)
    center_G3 = torch.cat([anchor_G3[:, :2], (anchor_G3[:, 2] + rise_G)[:, None]], dim=1)
    return families.solids(center_G3, extent_G3, generator), extent_G3
