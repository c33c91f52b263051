"""Augmentation of both sensors at once: mirrored streets, changed exposure and colour."""

from dataclasses import replace

import torch
from torch import Tensor

from lib.batches.pseudo_anomalies import Targets
from lib.batches.views import Views


def augment(views: Views, targets: Targets, generator: torch.Generator) -> tuple[Views, Targets]:
    """Mirror half of the frames left to right, and vary exposure, white balance and contrast of the images."""
    B, device = len(views.image_B3HW), views.image_B3HW.device
    mirrored_B = torch.rand(B, generator=generator, device=device) < 0.5

    def mirror(values: Tensor) -> Tensor:
        chosen = mirrored_B.view(B, *[1] * (values.dim() - 1))
        return torch.where(chosen, values.flip(-1), values)

    sign = torch.where(mirrored_B, -1.0, 1.0)
    y_sign = torch.stack([torch.ones_like(sign), sign, torch.ones_like(sign)], dim=1)
    fx, fy, cx, cy = views.intrinsics_B4.unbind(1)
    W = views.image_B3HW.shape[-1]
    gain = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.5)
    tint = torch.exp((torch.rand(B, 3, 1, 1, generator=generator, device=device) - 0.5) * 0.16)
    contrast = torch.exp((torch.rand(B, 1, 1, 1, generator=generator, device=device) - 0.5) * 0.4)
    image = mirror(views.image_B3HW)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    image = (((image - mean) * contrast + mean) * gain * tint).clamp(0, 1)
    views = replace(
        views,
        image_B3HW=image,
        depth_m_BHW=mirror(views.depth_m_BHW),
        pixel_class_BHW=mirror(views.pixel_class_BHW),
        xyz_B3RC=mirror(views.xyz_B3RC) * y_sign[:, :, None, None],
        range_m_BRC=mirror(views.range_m_BRC),
        intensity_BRC=mirror(views.intensity_BRC),
        point_class_BRC=mirror(views.point_class_BRC),
        intrinsics_B4=torch.stack([fx, fy, torch.where(mirrored_B, W - cx, cx), cy], dim=1),
        lidar_offset_m_B3=views.lidar_offset_m_B3 * y_sign,
    )
    return views, Targets(mirror(targets.pixel_BHW), mirror(targets.cell_BRC), mirror(targets.cell_object_BRC))
