"""Range view of the cloud -> one feature vector per cell, from its 7 x 7 neighbourhood."""

import torch
from torch import Tensor, nn

from lib.common.ticks import SINGLE_FRAME
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


def motion_inputs(window: tuple[int, ...]) -> int:
    """How many inputs of a cell tell of its motion, with lags `window` (past_views.with_motion)."""
    lags = len(window) - 1
    return 4 * lags + max(0, lags - 1)


class LidarEncoder(nn.Sequential):
    """Views -> features (B, channels, R, C); with a window of several lags, also of the motion."""

    def __init__(self, channels: int, window: tuple[int, ...] = SINGLE_FRAME) -> None:
        self.sees_motion = len(window) > 1
        inputs = INPUTS + (motion_inputs(window) if self.sees_motion else 0)
        super().__init__(ConvNorm(inputs, channels), Residual(channels))

    def forward(self, views: Views) -> Tensor:
        """Encode."""
        inputs = range_view_inputs(views)
        if self.sees_motion:
            assert views.motion is not None, "a detector with a window needs views with motion"
            inputs = torch.cat([inputs, views.motion.channels_BMRC * views.has_lidar_B[:, None, None, None]], dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        return torch.as_tensor(self[1](self[0](inputs)))
