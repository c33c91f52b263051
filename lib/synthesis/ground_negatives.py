"""Ground negatives: shadows of objects that are out of sight, and dirt. No object is there, so they are negatives.

Only the image changes.
Shape letters as in range_view.py; h, w: a window around the shadow or dirt; N = h w flattened; L: lobes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.synthesis.appearance import GROUND_CLASSES
from lib.synthesis.canvas import Scene
from lib.synthesis.objects import class_mask
from lib.synthesis.placing import LARGE_WINDOW, free_spots
from lib.synthesis.windows import aside_at_1_m, window_in_image, window_size
from lib.views.tensors import constant

MIN_LENGTH_M, MAX_LENGTH_M = 0.7, 8.0
MIN_LENGTH_BY_DISTANCE = 0.15  # length / distance: smaller ones would not be visible
MIN_SHADOW_ASPECT, MIN_DIRT_ASPECT = 0.12, 0.4  # width / length; 0.12 is the shadow of a pole
LOBES = (2.0, 3.0, 5.0, 7.0)  # bulges around the outline of a patch of dirt


@dataclass(frozen=True, eq=False)
class _Outline:
    """Superellipses on the ground: half_m_B21: half length and width [m]; cosine_B1, sine_B1: direction of the length.

    power_B1: 2 is an ellipse, 1 a rhombus, larger ones approach a rectangle; lobe_BL1, phase_BL1: amplitude and phase
    of the lobes of dirt; soft_B1: width of the soft edge, relative to the half size.
    """

    half_m_B21: Tensor
    cosine_B1: Tensor
    sine_B1: Tensor
    power_B1: Tensor
    lobe_BL1: Tensor
    phase_BL1: Tensor
    soft_B1: Tensor

    def cover(self, x_m_BN: Tensor, y_m_BN: Tensor) -> Tensor:
        """Opacity (B, N), 0 to 1, at positions x, y (B, N) [m] relative to the centre."""
        along_BN = (self.cosine_B1 * x_m_BN + self.sine_B1 * y_m_BN) / self.half_m_B21[:, 0]
        across_BN = (self.cosine_B1 * y_m_BN - self.sine_B1 * x_m_BN) / self.half_m_B21[:, 1]
        reach_BN = (along_BN.abs() ** self.power_B1 + across_BN.abs() ** self.power_B1) ** (1 / self.power_B1)
        lobes_L1 = constant(LOBES, torch.float32, reach_BN.device)[:, None]
        wave_BLN = (torch.atan2(across_BN, along_BN)[:, None] * lobes_L1 + self.phase_BL1).sin()
        edge_BN = 1 + (self.lobe_BL1 * wave_BLN).sum(1)
        return ((edge_BN - reach_BN) / self.soft_B1 + 0.5).clamp(0, 1)


def paste_ground_negatives(scene: Scene, wanted_B: Tensor, dirty_B: Tensor, generator: torch.Generator) -> None:
    """Paint dirt (where `dirty_B`) or a shadow on the ground of the frames `wanted_B`, if ground is in view."""
    spot_B3, free_B = free_spots(scene.views, generator)
    outline = _random_outline(spot_B3.norm(dim=1, keepdim=True), dirty_B, generator)
    gain_B31 = _random_gain(dirty_B, generator)
    H, W = scene.views.image_B3HW.shape[-2:]
    intrinsics_B4, size = scene.views.intrinsics_B4, window_size((H, W), LARGE_WINDOW)
    window = window_in_image(spot_B3 - scene.origin_B3, intrinsics_B4, size, (H, W))
    image_B3N, class_B1N, depth_B1N = torch.split(window.take(scene.pixels_BLP[:, :5]), [3, 1, 1], dim=1)
    depth_BN = depth_B1N[:, 0]
    aside_BN = aside_at_1_m(window, intrinsics_B4).repeat(1, size[0])
    from_spot_B3 = scene.origin_B3 - spot_B3
    cover_BN = outline.cover(from_spot_B3[:, :1] + depth_BN, torch.addcmul(from_spot_B3[:, 1:2], aside_BN, depth_BN))
    ground_BN = class_mask(class_B1N[:, 0], GROUND_CLASSES) & (wanted_B & free_B)[:, None]
    # Haze reduces its contrast as it does the ground's.
    strength_BN = torch.where(ground_BN, cover_BN, 0.0) * torch.exp(-scene.haze_density_B1 * depth_BN)
    changed_B3N = (image_B3N * (1 + strength_BN[:, None] * (gain_B31 - 1))).clamp_(0, 1)
    window.put_(scene.pixels_BLP[:, :3], changed_B3N)


def _random_outline(distance_m_B1: Tensor, dirty_B: Tensor, generator: torch.Generator) -> _Outline:
    B, device = len(dirty_B), dirty_B.device
    drawn_5B1 = torch.rand(5, B, 1, generator=generator, device=device)
    drawn_2BL1 = torch.rand(2, B, len(LOBES), 1, generator=generator, device=device)
    dirty_B1 = dirty_B[:, None]
    min_length_m_B1 = (MIN_LENGTH_BY_DISTANCE * distance_m_B1).clamp(MIN_LENGTH_M, MAX_LENGTH_M)
    half_m_B1 = min_length_m_B1 / 2 * (MAX_LENGTH_M / min_length_m_B1) ** drawn_5B1[0]
    half_width_m_B1 = half_m_B1 * torch.where(dirty_B1, MIN_DIRT_ASPECT, MIN_SHADOW_ASPECT) ** drawn_5B1[1]
    turn_B1 = 2 * torch.pi * drawn_5B1[2]
    return _Outline(
        half_m_B21=torch.stack([half_m_B1, half_width_m_B1], dim=1),
        cosine_B1=turn_B1.cos(),
        sine_B1=turn_B1.sin(),
        power_B1=torch.where(dirty_B1, 2.0, 1 + 7 * drawn_5B1[3] ** 2),
        lobe_BL1=0.25 * drawn_2BL1[0] * dirty_B1[..., None],
        phase_BL1=2 * torch.pi * drawn_2BL1[1],
        soft_B1=torch.where(dirty_B1, 0.1 + 0.6 * drawn_5B1[4], 0.05 + 0.25 * drawn_5B1[4]),
    )


def _random_gain(dirty_B: Tensor, generator: torch.Generator) -> Tensor:
    """Factors (B, 3, 1) for the ground's red, green and blue: shadows are slightly blue, dirt has a random tint."""
    B, device = len(dirty_B), dirty_B.device
    drawn_2B1 = torch.rand(2, B, 1, generator=generator, device=device)
    tint_B3 = 1 + 0.2 * (torch.rand(B, 3, generator=generator, device=device) - 0.5)
    bleached_B1 = drawn_2B1[1] < 0.3
    dirt_B1 = torch.where(bleached_B1, 1.1 + 0.3 * drawn_2B1[0], 0.45 + 0.45 * drawn_2B1[0])
    blue_3 = constant((0.97, 1.0, 1.06), torch.float32, device)
    shadow_B3 = (0.25 + 0.45 * drawn_2B1[0]) * blue_3
    return torch.where(dirty_B[:, None], dirt_B1 * tint_B3, shadow_B3)[..., None]
