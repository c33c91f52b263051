"""Appearance of pasted objects: shading, haze, camouflage, noise and edges that fit the surrounding image.

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
SUBSAMPLING = 2  # every second row and column is enough to estimate haze and noise
MIN_PIXELS_PER_BAND = 12
MAX_HAZE_DENSITY, MAX_NOISE_STD = 0.06, 0.06


def random_sun(B: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Unit vectors (B, 3) towards the sun, 20 to 70 degrees above the horizon."""
    azimuth = torch.rand(B, generator=generator, device=device) * 2 * torch.pi
    height = (20 + 50 * torch.rand(B, generator=generator, device=device)) * torch.pi / 180
    return torch.stack([height.cos() * azimuth.cos(), height.cos() * azimuth.sin(), height.sin()], dim=1)


def shading(facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness (B, N) of a surface, given the cosine to the sun (B, N), with a random contrast per frame."""
    contrast_B1 = 0.2 + 0.6 * torch.rand(len(facing_BN), 1, generator=generator, device=facing_BN.device)
    return 1 - contrast_B1 / 2 + contrast_B1 * facing_BN


def camouflage(image_B3N: Tensor, ground: "Ground", facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Colours (B, 3, N) of a camouflaged object: the background's, or the mean of the ground, slightly shaded."""
    drawn_2B11 = torch.rand(2, len(image_B3N), 1, 1, generator=generator, device=image_B3N.device)
    plain_B11 = (drawn_2B11[0] < 0.35) & ground.present_B1[..., None]
    light_B1N = 1 + 0.25 * drawn_2B11[1] * (facing_BN[:, None] - 0.5)
    return torch.where(plain_B11, ground.color_B31, image_B3N) * light_B1N


def relief(image_B3N: Tensor, hit_BN: Tensor) -> Tensor:
    """Brightness (B, N) relative to the mean over `hit_BN`: the shading that a repainted surface keeps."""
    gray_BN = image_B3N.mean(1)
    mean_B1 = (gray_BN * hit_BN).sum(1, keepdim=True) / hit_BN.sum(1, keepdim=True).clamp(min=1)
    return (gray_BN / mean_B1.clamp(min=0.02)).clamp_(0.5, 1.6)


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground within a window: its mean colour color_B31, and present_B1, whether any ground is visible."""

    color_B31: Tensor
    present_B1: Tensor

    def brightness(self, otherwise_B1: Tensor) -> Tensor:
        """Return the mean brightness (B, 1) of the ground, or `otherwise_B1` where none is visible."""
        return torch.where(self.present_B1, self.color_B31.mean(1), otherwise_B1).clamp(0.03, 0.6)


def ground_of(image_B3N: Tensor, is_ground_BN: Tensor) -> Ground:
    """Mean colour of the ground; `is_ground_BN` is 1 for pixels of the ground, else 0."""
    count_B1 = is_ground_BN.sum(1, keepdim=True)
    total_B31 = image_B3N @ is_ground_BN[..., None]
    return Ground(total_B31 / count_B1[:, None].clamp(min=1), count_B1 > 0)


def far_color(views: Views) -> Tensor:
    """Mean colour (B, 3, 1) of pixels farther than 60 m, an estimate of the haze's colour."""
    far_BP1 = (_sampled(views.depth_m_BHW) > 60).flatten(1)[..., None].float()
    total_B31 = _sampled(views.image_B3HW).flatten(2) @ far_BP1
    return total_B31 / far_BP1.sum(1, keepdim=True).clamp(min=1)


def haze_density(views: Views, far_color_B31: Tensor) -> Tensor:
    """Extinction coefficient (B, 1) [1/m]: how fast colours approach the far colour with distance.

    Estimated from how much less contrast to the far colour the middle distance has than the foreground.
    """
    depth_m_BP = _sampled(views.depth_m_BHW).flatten(1)
    contrast_BP = (_sampled(views.image_B3HW).flatten(2) - far_color_B31).abs_().mean(1)
    bands = [(depth_m_BP > nearest_m) & (depth_m_BP < farthest_m) for nearest_m, farthest_m in (NEAR_M, MIDDLE_M)]
    chosen_B2P = torch.stack(bands, dim=1).float()
    count_B2 = chosen_B2P.sum(2)
    totals_B22 = torch.stack([contrast_BP, depth_m_BP], dim=1) @ chosen_B2P.transpose(1, 2)
    contrast_B2, depth_m_B2 = (totals_B22 / count_B2[:, None].clamp(min=1)).unbind(1)
    log_B2, between_m_B1 = contrast_B2.clamp(min=1e-3).log(), depth_m_B2.diff(dim=1).clamp(min=5.0)
    known_B1 = (count_B2 > MIN_PIXELS_PER_BAND).all(1, keepdim=True)
    return torch.where(known_B1, -log_B2.diff(dim=1) / between_m_B1, 0.0).clamp(0.0, MAX_HAZE_DENSITY)


def image_noise(views: Views) -> Tensor:
    """Standard deviation (B, 1) of the image's noise, estimated on the ground; includes equally fine texture."""
    gray_B1HW = views.image_B3HW.mean(1, keepdim=True)
    rough_BP = _sampled(gray_B1HW - blurred(gray_B1HW)).flatten(1)
    on_ground_BP = class_mask(_sampled(views.pixel_class_BHW), GROUND_CLASSES).flatten(1).float()
    count_B1 = on_ground_BP.sum(1, keepdim=True)
    # The mean absolute deviation is robust to markings and streaks; 1.25 times it is the standard deviation of a
    # Gaussian. The mean of 3 channels has 1 / 3 of the variance, and subtracting the 3 x 3 mean leaves 8 / 9 of that.
    mean_B1 = (rough_BP.abs() * on_ground_BP).sum(1, keepdim=True) / count_B1.clamp(min=1)
    return (mean_B1 * (1.25 * sqrt(3 * 9 / 8))).clamp(max=MAX_NOISE_STD)


def _sampled(maps: Tensor) -> Tensor:
    return maps[..., ::SUBSAMPLING, ::SUBSAMPLING]


def hazed(
    color_B3N: Tensor, depth_BN: Tensor, far_color_B31: Tensor, density_B1: Tensor, generator: torch.Generator
) -> Tensor:
    """Blend colours (B, 3, N) towards the far colour with depth [m], by 0.6 to 1.2 times the estimated haze density."""
    drawn_B1 = torch.rand(len(color_B3N), 1, generator=generator, device=color_B3N.device)
    veil_BN = 1 - torch.exp(-(0.6 + 0.6 * drawn_B1) * density_B1 * depth_BN.clamp(max=100.0))
    return torch.lerp(color_B3N, far_color_B31, veil_BN[:, None])


def blended(
    below_B3N: Tensor,
    color_B3N: Tensor,
    hit_BN: Tensor,
    noise_std_B1: Tensor,
    size: tuple[int, int],
    generator: torch.Generator,
) -> Tensor:
    """Alpha-blend an object's colours onto a window of the image, where `hit_BN`.

    The colours get about the blur and noise of the image, and the outline a random softness. `size`: height and width.
    """
    (height, width), B, device = size, len(hit_BN), hit_BN.device
    noise_B11 = noise_std_B1[..., None] * (0.6 + 0.6 * torch.rand(B, 1, 1, generator=generator, device=device))
    soft_B111 = torch.rand(B, 1, 1, 1, generator=generator, device=device)
    blur_B111 = 0.6 * torch.rand(B, 1, 1, 1, generator=generator, device=device)
    picture_B3hw = color_B3N.view(B, 3, height, width)
    color_B3N = torch.lerp(picture_B3hw, blurred(picture_B3hw), blur_B111).flatten(2)
    noisy = color_B3N + torch.randn(color_B3N.shape, generator=generator, device=device) * noise_B11
    mask = hit_BN.float().view(B, 1, height, width)
    alpha_B1N = (mask * (1 - soft_B111 + soft_B111 * blurred(mask))).flatten(2)
    return torch.lerp(below_B3N, noisy, alpha_B1N).clamp(0, 1)
