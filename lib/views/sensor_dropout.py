"""Frames without one sensor: at random in training (modality dropout), for all test frames in prediction (blackout).

Shape letters as in range_view.py.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lib.views.range_view import Views


def without_image(views: Views, lost_B: Tensor) -> Views:
    """Make the images of the frames `lost_B` (B,) bool black, and mark them as missing."""
    lost_B111, motion = lost_B[:, None, None, None], views.motion
    return replace(
        views,
        image_B3HW=torch.where(lost_B111, 0.0, views.image_B3HW),
        has_image_B=views.has_image_B & ~lost_B,
        motion=motion and replace(motion, images_BLhw=torch.where(lost_B111, 0.0, motion.images_BLhw)),
    )


def without_lidar(views: Views, lost_B: Tensor) -> Views:
    """Mark the LiDAR of the frames `lost_B` (B,) bool as missing. Its points stay, as the places to predict for."""
    return replace(views, has_lidar_B=views.has_lidar_B & ~lost_B)


def drop_modality(views: Views, fraction: float, generator: torch.Generator) -> Views:
    """Remove one sensor, image or LiDAR with equal probability, from a random `fraction` of the frames."""
    if fraction == 0:
        return views
    B, device = len(views.image_B3HW), views.image_B3HW.device
    drawn_B = torch.rand(B, generator=generator, device=device)
    views = without_image(views, drawn_B < fraction / 2)
    return without_lidar(views, (drawn_B >= fraction / 2) & (drawn_B < fraction))
