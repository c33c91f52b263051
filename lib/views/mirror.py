"""Horizontal flip of both sensors at once."""

from dataclasses import replace

import torch

from lib.views.range_view import Views
from lib.views.tensors import constant


def mirrored(views: Views) -> Views:
    """Flip image and range view horizontally and negate y, so that cells still project to their pixels."""
    fx, fy, cx, cy = views.intrinsics_B4.unbind(1)
    turned = constant((1.0, -1.0, 1.0), torch.float32, views.lidar_offset_m_B3.device)
    return replace(
        views,
        image_B3HW=views.image_B3HW.flip(-1),
        depth_m_BHW=views.depth_m_BHW.flip(-1),
        pixel_class_BHW=views.pixel_class_BHW.flip(-1),
        xyz_B3RC=views.xyz_B3RC.flip(-1) * turned[:, None, None],
        range_m_BRC=views.range_m_BRC.flip(-1),
        intensity_BRC=views.intensity_BRC.flip(-1),
        point_class_BRC=views.point_class_BRC.flip(-1),
        intrinsics_B4=torch.stack([fx, fy, views.image_B3HW.shape[-1] - cx, cy], dim=1),
        lidar_offset_m_B3=views.lidar_offset_m_B3 * turned,
        level_R_camera_B33=views.level_R_camera_B33 * turned * turned[:, None],
        motion=views.motion.flipped() if views.motion else None,
    )
