"""How pasted things look: light, haze, camouflage and edges that fit the picture around them.

Shape letters: B frames; h, w: a window of the image; N = h w flattened.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from lib.common.labels import GROUND, ROAD, ROAD_LINE, SIDEWALK, TERRAIN
from lib.synthesis.objects import class_mask
from lib.views.range_view import Views
from lib.views.tensors import blurred

GROUND_CLASSES = (ROAD, SIDEWALK, TERRAIN, ROAD_LINE, GROUND)
NEAR_M, MIDDLE_M = (4.0, 15.0), (25.0, 50.0)
STEP = 2  # every second row and column of a picture tells enough of its air and grain
ENOUGH_PIXELS = 12
MAX_DENSITY, MAX_GRAIN = 0.06, 0.06


def random_sun(B: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Directions (B, 3) to suns of 20 to 70 degrees height."""
    azimuth = torch.rand(B, generator=generator, device=device) * 2 * torch.pi
    height = (20 + 50 * torch.rand(B, generator=generator, device=device)) * torch.pi / 180
    return torch.stack([height.cos() * azimuth.cos(), height.cos() * azimuth.sin(), height.sin()], dim=1)


def shading(facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness of a surface by how it faces the sun, with a random contrast per frame."""
    contrast_B1 = 0.2 + 0.6 * torch.rand(len(facing_BN), 1, generator=generator, device=facing_BN.device)
    return 1 - contrast_B1 / 2 + contrast_B1 * facing_BN


def camouflage(image_B3N: Tensor, ground: "Ground", facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Look like what is behind, or in the colour of the ground, with only slight shading."""
    drawn_2B11 = torch.rand(2, len(image_B3N), 1, 1, generator=generator, device=image_B3N.device)
    plain_B11 = (drawn_2B11[0] < 0.35) & ground.present_B1[..., None]
    light_B1N = 1 + 0.25 * drawn_2B11[1] * (facing_BN[:, None] - 0.5)
    return torch.where(plain_B11, ground.color_B31, image_B3N) * light_B1N


def relief(image_B3N: Tensor, hit_BN: Tensor) -> Tensor:
    """Brightness of the pixels relative to their mean: the shading that a repainted surface keeps."""
    gray_BN = image_B3N.mean(1)
    mean_B1 = (gray_BN * hit_BN).sum(1, keepdim=True) / hit_BN.sum(1, keepdim=True).clamp(min=1)
    return (gray_BN / mean_B1.clamp(min=0.02)).clamp_(0.5, 1.6)


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground that a window shows: its mean colour_B31, and whether there is any (B, 1)."""

    color_B31: Tensor
    present_B1: Tensor

    def brightness(self, otherwise_B1: Tensor) -> Tensor:
        """Return its mean brightness (B, 1), or the given one where there is none."""
        return torch.where(self.present_B1, self.color_B31.mean(1), otherwise_B1).clamp(0.03, 0.6)


def ground_of(image_B3N: Tensor, is_ground_BN: Tensor) -> Ground:
    """Look at the ground; which pixels show it is given as 0 or 1."""
    count_B1 = is_ground_BN.sum(1, keepdim=True)
    total_B31 = image_B3N @ is_ground_BN[..., None]
    return Ground(total_B31 / count_B1[:, None].clamp(min=1), count_B1 > 0)


def far_color(views: Views) -> Tensor:
    """Mean colour (B, 3, 1) of what is farther than 60 m."""
    far_BP1 = (_sampled(views.depth_m_BHW) > 60).flatten(1)[..., None].float()
    total_B31 = _sampled(views.image_B3HW).flatten(2) @ far_BP1
    return total_B31 / far_BP1.sum(1, keepdim=True).clamp(min=1)


def air_density(views: Views, far_color_B31: Tensor) -> Tensor:
    """How fast what is farther away takes on the colour of what is far (B, 1) [1/m]: in fog, by night.

    From the contrast to that colour of what is near and of what is at a middle distance.
    """
    depth_m_BP = _sampled(views.depth_m_BHW).flatten(1)
    contrast_BP = (_sampled(views.image_B3HW).flatten(2) - far_color_B31).abs_().mean(1)
    bands = [(depth_m_BP > nearest_m) & (depth_m_BP < farthest_m) for nearest_m, farthest_m in (NEAR_M, MIDDLE_M)]
    chosen_B2P = torch.stack(bands, dim=1).float()
    count_B2 = chosen_B2P.sum(2)
    totals_B22 = torch.stack([contrast_BP, depth_m_BP], dim=1) @ chosen_B2P.transpose(1, 2)
    contrast_B2, depth_m_B2 = (totals_B22 / count_B2[:, None].clamp(min=1)).unbind(1)
    log_B2, between_m_B1 = contrast_B2.clamp(min=1e-3).log(), depth_m_B2.diff(dim=1).clamp(min=5.0)
    known_B1 = (count_B2 > ENOUGH_PIXELS).all(1, keepdim=True)
    return torch.where(known_B1, -log_B2.diff(dim=1) / between_m_B1, 0.0).clamp(0.0, MAX_DENSITY)


def grain(views: Views) -> Tensor:
    """Standard deviation (B, 1) of the image's noise, and of what is as fine, on the ground."""
    gray_B1HW = views.image_B3HW.mean(1, keepdim=True)
    rough_BP = _sampled(gray_B1HW - blurred(gray_B1HW)).flatten(1)
    on_ground_BP = class_mask(_sampled(views.pixel_class_BHW), GROUND_CLASSES).flatten(1).float()
    count_B1 = on_ground_BP.sum(1, keepdim=True)
    # Absolute values, as streaks and markings are few and strong; of three channels' mean, of which 8 / 9 is left.
    mean_B1 = (rough_BP.abs() * on_ground_BP).sum(1, keepdim=True) / count_B1.clamp(min=1)
    return (mean_B1 * (1.25 * sqrt(3 * 9 / 8))).clamp(max=MAX_GRAIN)


def _sampled(maps: Tensor) -> Tensor:
    return maps[..., ::STEP, ::STEP]


def hazed(
    look_B3N: Tensor, depth_BN: Tensor, far_color_B31: Tensor, density_B1: Tensor, generator: torch.Generator
) -> Tensor:
    """Blend towards the colour of what is far, by about the density of the air."""
    drawn_B1 = torch.rand(len(look_B3N), 1, generator=generator, device=look_B3N.device)
    veil_BN = 1 - torch.exp(-(0.6 + 0.6 * drawn_B1) * density_B1 * depth_BN.clamp(max=100.0))
    return torch.lerp(look_B3N, far_color_B31, veil_BN[:, None])


def blended(
    below_B3N: Tensor,
    look_B3N: Tensor,
    hit_BN: Tensor,
    grain_B1: Tensor,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:
    """Lay the look over a window of the image (height, width): blurred and noisy about as the image is, with edges of a
    random softness.
    """
    (height, width), B, device = size, len(hit_BN), hit_BN.device
    noise_B11 = grain_B1[..., None] * (0.6 + 0.6 * torch.rand(B, 1, 1, generator=generator, device=device))
    soft_B111 = torch.rand(B, 1, 1, 1, generator=generator, device=device)
    blur_B111 = 0.6 * torch.rand(B, 1, 1, 1, generator=generator, device=device)
    picture_B3hw = look_B3N.view(B, 3, height, width)
    look_B3N = torch.lerp(picture_B3hw, blurred(picture_B3hw), blur_B111).flatten(2)
    noisy = look_B3N + torch.randn(look_B3N.shape, generator=generator, device=device) * noise_B11
    mask = hit_BN.float().view(B, 1, height, width)
    alpha_B1N = (mask * (1 - soft_B111 + soft_B111 * blurred(mask))).flatten(2)
    return torch.lerp(below_B3N, noisy, alpha_B1N).clamp(0, 1)
