"""What is pasted into a frame stands still: it is pasted into the earlier frames, too, where it was as seen from there.

Otherwise it would seem to have come out of nowhere, and its motion alone would tell that it was pasted.
Shape letters as in past_views.py; N = R C cells or h w pixels.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lib.synthesis.canvas import RANGE_NOISE_M
from lib.views.past_views import PastView, every_second, half_size, pixel_rays, small_pixel
from lib.views.range_view import RangeGrid, Views, cell_of

CHANGED_COLOR = 0.02
"""Mean absolute change above which a pixel counts as pasted over."""


def with_pasted(
    pasts: list[PastView], before: Views, after: Views, grid: RangeGrid, generator: torch.Generator
) -> list[PastView]:
    """Paste into earlier frames what was pasted into the present ones; `before`, `after`: the present ones.

    The range noise is drawn anew: that of the present is in the points that are copied.
    """
    changed_BN = (after.range_m_BRC != before.range_m_BRC).flatten(1) & after.has_return_BRC.flatten(1)
    present_noise_BN = _noise(changed_BN, generator)
    small_after, small_before = half_size(after.image_B3HW), half_size(before.image_B3HW)
    painted_BN = ((small_after - small_before).abs().mean(1) > CHANGED_COLOR).flatten(1)
    depth_m_BN = every_second(after.depth_m_BHW).flatten(1)
    place_B3N = pixel_rays(after, *small_after.shape[-2:]) * depth_m_BN[:, None] - after.lidar_offset_m_B3[..., None]
    found = []
    for past in pasts:
        noise_BN = _noise(changed_BN, generator) - present_noise_BN
        ranges = _pasted_ranges(past, after, changed_BN, noise_BN, grid)
        images = _pasted_images(past, after, small_after.flatten(2), place_B3N, painted_BN)
        found.append(replace(past, range_m_BRC=ranges[0], lead_BRC=ranges[1], image_B3hw=images))
    return found


def _noise(like_BN: Tensor, generator: torch.Generator) -> Tensor:
    return RANGE_NOISE_M * torch.randn(like_BN.shape, generator=generator, device=like_BN.device)


def _pasted_ranges(
    past: PastView, after: Views, changed_BN: Tensor, noise_BN: Tensor, grid: RangeGrid
) -> tuple[Tensor, Tensor]:
    """The earlier ranges (B, R, C), and which cells are still of the vehicle ahead."""
    B, R, C = past.range_m_BRC.shape
    then_B3N = past.seen_from(after.xyz_B3RC.flatten(2))
    range_m_BN = then_B3N.square().sum(1).sqrt() + noise_BN
    cell_BN = cell_of(after.level_R_camera_B33 @ then_B3N, grid)
    slot_BN = torch.where(changed_BN & (cell_BN >= 0), cell_BN, R * C)
    nearest_m = torch.full((B, R * C + 1), torch.inf, device=cell_BN.device)
    nearest_m = nearest_m.scatter_reduce(1, slot_BN, range_m_BN, "amin")[:, :-1].view(B, R, C)
    hides_BRC = torch.isfinite(nearest_m) & ((past.range_m_BRC == 0) | (nearest_m < past.range_m_BRC))
    return torch.where(hides_BRC, nearest_m, past.range_m_BRC), past.lead_BRC & ~hides_BRC


def _pasted_images(past: PastView, after: Views, colors_B3N: Tensor, place_B3N: Tensor, painted_BN: Tensor) -> Tensor:
    """The earlier images (B, 3, h, w): the painted pixels' colours where they were seen, unless something hid them."""
    B, _, h, w = past.image_B3hw.shape
    then_B3N = past.seen_from(place_B3N) + after.lidar_offset_m_B3[..., None]
    pixel_BN, inside_BN = small_pixel(then_B3N, after, h, w)
    slot_BN = torch.where(painted_BN & inside_BN, pixel_BN, h * w)
    number_BN = torch.arange(slot_BN.shape[1], device=slot_BN.device).expand(B, -1)
    winner_BN = torch.full((B, h * w + 1), -1, dtype=torch.int64, device=slot_BN.device)
    winner_BN = winner_BN.scatter_reduce(1, slot_BN, number_BN, "amax")[:, :-1]
    source_BN = winner_BN.clamp(min=0)
    hidden_BN = past.depth_m_Bhw.flatten(1) < 0.9 * then_B3N[:, 0].gather(1, source_BN)
    colors = colors_B3N.gather(2, source_BN[:, None].expand(-1, 3, -1)).view(B, 3, h, w)
    return torch.where(((winner_BN >= 0) & ~hidden_BN).view(B, 1, h, w), colors, past.image_B3hw)
