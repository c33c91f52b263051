"""How pasted things look: light, haze, camouflage and edges that fit the picture around them.

Shape letters: B frames; h, w: a window of the image; N = h w flattened.
"""

import torch
from torch import Tensor

from lib.batches.transplant import class_mask
from lib.batches.views import Views
from lib.labels import GROUND, ROAD, ROAD_LINE, SIDEWALK, TERRAIN

GROUND_CLASSES = (ROAD, SIDEWALK, TERRAIN, ROAD_LINE, GROUND)


def random_sun(B: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Directions (B, 3) to suns of 20 to 70 degrees height."""
    azimuth = torch.rand(B, generator=generator, device=device) * 2 * torch.pi
    height = (20 + 50 * torch.rand(B, generator=generator, device=device)) * torch.pi / 180
    return torch.stack([height.cos() * azimuth.cos(), height.cos() * azimuth.sin(), height.sin()], dim=1)


def shading(facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness of a surface by how it faces the sun, with a random contrast per frame."""
    contrast_B1 = 0.2 + 0.6 * torch.rand(len(facing_BN), 1, generator=generator, device=facing_BN.device)
    return 1 - contrast_B1 / 2 + contrast_B1 * facing_BN


def camouflage(image_B3N: Tensor, class_BN: Tensor, facing_BN: Tensor, generator: torch.Generator) -> Tensor:
    """Look like what is behind, or in the colour of the ground, with only slight shading."""
    B, device = len(image_B3N), image_B3N.device
    ground = class_mask(class_BN, GROUND_CLASSES)[:, None]
    mean_B31 = (image_B3N * ground).sum(2, keepdim=True) / ground.sum(2, keepdim=True).clamp(min=1)
    coin = torch.rand(B, 1, 1, generator=generator, device=device) < 0.35
    plain = coin & ground.any(2, keepdim=True)
    depth_of_shading = 0.25 * torch.rand(B, 1, 1, generator=generator, device=device)
    light = 1 + depth_of_shading * (facing_BN[:, None] - 0.5)
    return torch.where(plain, mean_B31, image_B3N) * light


def relief(image_B3N: Tensor, hit_BN: Tensor) -> Tensor:
    """Brightness of the pixels relative to their mean: the shading that a repainted surface keeps."""
    gray_BN = image_B3N.mean(1)
    return (gray_BN / _masked_mean(gray_BN, hit_BN)).clamp(0.5, 1.6)


def ground_brightness(image_B3N: Tensor, class_BN: Tensor, views: Views) -> Tensor:
    """Mean brightness (B, 1) of the ground in the window, or of the whole image where the window holds none."""
    ground = class_mask(class_BN, GROUND_CLASSES)
    mean_B1 = _masked_mean(image_B3N.mean(1), ground)
    whole_B1 = views.image_B3HW.mean(dim=(1, 2, 3))[:, None]
    return torch.where(ground.any(1, keepdim=True), mean_B1, whole_B1).clamp(0.03, 0.6)


def hazed(look_B3N: Tensor, depth_BN: Tensor, views: Views, generator: torch.Generator) -> Tensor:
    """Blend towards the colour of what is far, by a random density."""
    B, device = len(look_B3N), look_B3N.device
    far = (views.depth_m_BHW > 60)[:, None]
    color_B31 = ((views.image_B3HW * far).sum((2, 3)) / far.sum((2, 3)).clamp(min=1))[..., None]
    density_B1 = 0.02 * (torch.rand(B, 1, generator=generator, device=device) - 0.5).clamp(min=0) * 2
    veil_BN = 1 - torch.exp(-density_B1 * depth_BN.clamp(max=100.0))
    return look_B3N * (1 - veil_BN[:, None]) + color_B31 * veil_BN[:, None]


def blended(
    below_B3N: Tensor, look_B3N: Tensor, hit_BN: Tensor, height: int, width: int, generator: torch.Generator
) -> Tensor:
    """Lay the noisy look over a window of the image, height x width, with edges of a random softness."""
    B, device = len(hit_BN), hit_BN.device
    noise_B11 = 0.025 * torch.rand(B, 1, 1, generator=generator, device=device)
    soft_B111 = torch.rand(B, 1, 1, 1, generator=generator, device=device)
    noisy = look_B3N + torch.randn(look_B3N.shape, generator=generator, device=device) * noise_B11
    mask = hit_BN.float().view(B, 1, height, width)
    blurred = torch.nn.functional.avg_pool2d(mask, 3, 1, 1, count_include_pad=False)
    alpha_B1N = (mask * (1 - soft_B111 + soft_B111 * blurred)).flatten(2)
    return torch.lerp(below_B3N, noisy, alpha_B1N).clamp(0, 1)


def _masked_mean(values_BN: Tensor, mask_BN: Tensor) -> Tensor:
    total = (values_BN * mask_BN).sum(1, keepdim=True)
    return (total / mask_BN.sum(1, keepdim=True).clamp(min=1)).clamp(min=0.02)
