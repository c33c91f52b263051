"""Augmentation of both sensors at once: mirrored streets, changed exposure and colour."""

from dataclasses import replace

import torch
from torch import Tensor

from lib.batches.mirror import mirrored
from lib.batches.pseudo_anomalies import Targets
from lib.batches.views import Views


def augment(views: Views, targets: Targets, generator: torch.Generator) -> tuple[Views, Targets]:
    """Mirror half of the frames left to right, and vary exposure, white balance and contrast of the images."""
    B, device = len(views.image_B3HW), views.image_B3HW.device
    turned_B = torch.rand(B, generator=generator, device=device) < 0.5

    def chosen(there: Tensor, here: Tensor) -> Tensor:
        return torch.where(turned_B.view(B, *[1] * (here.dim() - 1)), there, here)

    there = mirrored(views)
    views = Views(**{name: chosen(getattr(there, name), here) for name, here in vars(views).items()})
    targets = Targets(**{name: chosen(here.flip(-1), here) for name, here in vars(targets).items()})
    gain = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.5)
    tint = torch.exp((torch.rand(B, 3, 1, 1, generator=generator, device=device) - 0.5) * 0.16)
    contrast = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.4)
    mean = views.image_B3HW.mean(dim=(1, 2, 3), keepdim=True)
    image = (((views.image_B3HW - mean) * contrast + mean) * gain * tint).clamp(0, 1)
    return replace(views, image_B3HW=image), targets
