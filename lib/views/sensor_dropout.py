"""Frames that lose a sensor: by chance in training, so that the detector can do without; in prediction, to see if so.

Shape letters as in range_view.py.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lib.views.range_view import Views


def without_image(views: Views, lost_B: Tensor) -> Views:
    """Turn the images of some frames (B,) bool black, and let nobody look at them."""
    return replace(
        views,
        image_B3HW=torch.where(lost_B[:, None, None, None], 0.0, views.image_B3HW),
        image_works_B=views.image_works_B & ~lost_B,
    )


def without_lidar(views: Views, lost_B: Tensor) -> Views:
    """Take from some frames (B,) bool all that the LiDAR tells, but where its points are."""
    return replace(views, lidar_works_B=views.lidar_works_B & ~lost_B)


def drop_modality(views: Views, fraction: float, generator: torch.Generator) -> Views:
    """Take one sensor, either with the same chance, from a random `fraction` of the frames."""
    if fraction == 0:
        return views
    B, device = len(views.image_B3HW), views.image_B3HW.device
    drawn_B = torch.rand(B, generator=generator, device=device)
    views = without_image(views, drawn_B < fraction / 2)
    return without_lidar(views, (drawn_B >= fraction / 2) & (drawn_B < fraction))
