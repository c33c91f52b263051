"""Range view of the cloud -> one feature vector per cell, from its 7 x 7 neighbourhood."""

import torch
from torch import Tensor, nn

from lib.model.blocks import ConvNorm, Residual
from lib.views.range_view import Views

INPUTS = 6
RANGE_SCALE_M = 40.0


def range_view_inputs(views: Views) -> Tensor:
    """Network inputs (B, 6, R, C): log range, |x|, y, z [scaled, range view's axes], intensity, whether any returned.

    Training frames cover only the directions ahead; with |x|, points behind the vehicle look like points ahead. All
    inputs are 0 without the LiDAR.
    """
    returned = views.has_return_BRC.float()
    log_range = torch.log1p(views.range_m_BRC) / 4.6
    x, y, z = (views.level_xyz_B3RC / RANGE_SCALE_M).unbind(1)
    inputs = torch.stack([log_range, x.abs(), y, z * 10, views.intensity_BRC, returned], dim=1)
    return inputs * (returned * views.has_lidar_B[:, None, None])[:, None]


class LidarEncoder(nn.Sequential):
    """Range view (B, 6, R, C) -> features (B, channels, R, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__(ConvNorm(INPUTS, channels), Residual(channels))
