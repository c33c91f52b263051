"""Augmentation of both sensors at once: mirrored streets, changed exposure and colour."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from lib.synthesis.targets import Targets
from lib.views.mirror import mirrored
from lib.views.range_view import Motion, Views, by_field
from lib.views.tensors import blurred


def augment(views: Views, targets: Targets, fog_fraction: float, generator: torch.Generator) -> tuple[Views, Targets]:
    """Mirror half of the frames left to right, vary exposure, white balance and contrast of the images, fog some."""
    B, device = len(views.image_B3HW), views.image_B3HW.device
    turned_B = torch.rand(B, generator=generator, device=device) < 0.5

    def chosen(there: Tensor, here: Tensor) -> Tensor:
        return torch.where(turned_B.view(B, *[1] * (here.dim() - 1)), there, here)

    motion = views.motion
    if motion is not None:
        there = motion.flipped()
        motion = Motion(*(chosen(getattr(there, each.name), getattr(motion, each.name)) for each in fields(Motion)))
    views = replace(views, motion=None)
    views = by_field(chosen, mirrored(views), views)
    targets = Targets(**{name: chosen(here.flip(-1), here) for name, here in vars(targets).items()})
    gain = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.5)
    tint = torch.exp((torch.rand(B, 3, 1, 1, generator=generator, device=device) - 0.5) * 0.16)
    contrast = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.4)
    mean = views.image_B3HW.mean(dim=(1, 2, 3), keepdim=True)
    light = gain * tint
    offset, gain = mean * (1 - contrast) * light, contrast * light
    if motion is not None:
        lags = motion.exists_BL.shape[1]
        images = torch.addcmul(offset.repeat(1, lags, 1, 1), motion.images_BLhw, gain.repeat(1, lags, 1, 1))
        motion = replace(motion, images_BLhw=images.clamp_(0, 1))
    image = torch.addcmul(offset, views.image_B3HW, gain)
    image = _fogged(image, views.depth_m_BHW, fog_fraction, generator)
    return replace(views, image_B3HW=_worn(image, generator), motion=motion), targets


def _fogged(image_B3HW: Tensor, depth_m_BHW: Tensor, fog_fraction: float, generator: torch.Generator) -> Tensor:
    """Lay fog of a random colour and density over some images, over what was pasted as over all else."""
    drawn_4B = torch.rand(4, len(image_B3HW), generator=generator, device=image_B3HW.device)
    density_B = torch.where(drawn_4B[0] < fog_fraction, 0.005 + 0.04 * drawn_4B[1], 0.0)
    color_B = 0.3 + 0.5 * drawn_4B[2]
    color_B3 = torch.stack([color_B + 0.06 * (drawn_4B[3] - 0.5), color_B, color_B - 0.06 * (drawn_4B[3] - 0.5)], dim=1)
    veil_BHW = 1 - torch.exp(-density_B[:, None, None] * depth_m_BHW.clamp(max=200.0))
    return torch.lerp(image_B3HW, color_B3[..., None, None], veil_BHW[:, None])


def _worn(image_B3HW: Tensor, generator: torch.Generator) -> Tensor:
    """Blur some images a little and make some noisy, as a whole, so that neither tells what was pasted."""
    B, device = len(image_B3HW), image_B3HW.device
    blur_B, noise_B = (torch.rand(2, B, generator=generator, device=device) - 0.4).clamp_(min=0).mul_(1 / 0.6)
    image = torch.lerp(image_B3HW, blurred(image_B3HW), 0.7 * blur_B[:, None, None, None])
    noise = torch.randn(image.shape, generator=generator, device=device)
    return torch.addcmul(image, noise, 0.03 * noise_B[:, None, None, None]).clamp_(0, 1)
