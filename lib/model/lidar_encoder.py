"""Range view of the cloud -> one feature vector per cell, from its 7 x 7 neighbourhood."""

import torch
from torch import Tensor, nn

from lib.common.ticks import HISTORY_TICKS, SINGLE_FRAME, TICK_S
from lib.model.blocks import ConvNorm, Residual
from lib.views.range_view import Motion, Views

INPUTS = 6
RANGE_SCALE_M = 40.0
TRACK_FEATURES = 16
TRACK_INPUTS = 4 * HISTORY_TICKS


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
    """How many inputs of a cell tell of its motion, with lags `window` (past_views.with_motion), without the track."""
    lags = len(window) - 1
    return 4 * lags + max(0, lags - 1)


class LidarEncoder(nn.Sequential):
    """Views -> features (B, channels, R, C); with a window of several lags, also of the motion and of the track."""

    def __init__(self, channels: int, window: tuple[int, ...] = SINGLE_FRAME) -> None:
        several = len(window) > 1
        inputs = INPUTS + (motion_inputs(window) + TRACK_FEATURES if several else 0)
        super().__init__(ConvNorm(inputs, channels), Residual(channels))
        self.track = TrackEncoder() if several else None

    def forward(self, views: Views) -> Tensor:
        """Encode."""
        inputs = range_view_inputs(views)
        if self.track is not None:
            motion = views.motion
            assert motion is not None, "a detector with a window needs views with motion"
            seen = torch.cat([motion.channels_BMRC, self.track(motion, views)], dim=1)
            inputs = torch.cat([inputs, seen * views.has_lidar_B[:, None, None, None]], dim=1)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        return torch.as_tensor(self[1](self[0](inputs)))


class TrackEncoder(nn.Module):
    """Where the vehicle ahead was in the last second -> features (B, TRACK_FEATURES, R, C) at its cells, else 0."""

    def __init__(self) -> None:
        super().__init__()
        hidden = 4 * TRACK_FEATURES
        self.layers = nn.Sequential(
            *(nn.Linear(TRACK_INPUTS, hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, TRACK_FEATURES),
        )

    def forward(self, motion: Motion, views: Views) -> Tensor:
        """Encode."""
        range_m_B = torch.where(motion.lead_BRC, views.range_m_BRC, torch.inf).amin((1, 2))
        with torch.autocast(range_m_B.device.type, enabled=False):  # bfloat16 would round 10 m to 4 cm
            features_BF: Tensor = self.layers(track_inputs(motion.places_m_BT, range_m_B))
        return features_BF[:, :, None, None] * motion.lead_BRC[:, None]


def track_inputs(places_m_BT: Tensor, range_m_B: Tensor) -> Tensor:
    """Inputs (B, 4 HISTORY_TICKS) of a track: speeds since each tick, whether it is known, changes of speed, range."""
    known = torch.isfinite(places_m_BT)[:, 1:]
    ago_s = TICK_S * torch.arange(1, HISTORY_TICKS + 1, device=places_m_BT.device)
    speed = torch.where(known, -places_m_BT[:, 1:] / ago_s, 0.0)
    both = known[:, 1:] & known[:, :-1]
    change = torch.where(both, 2 * (speed[:, :-1] - speed[:, 1:]) / TICK_S, 0.0)
    way = torch.where(known, -places_m_BT[:, 1:], 0.0)
    range_B1 = torch.where(torch.isfinite(range_m_B), range_m_B / RANGE_SCALE_M, 0.0)[:, None]
    return torch.cat([speed / 10, known.float(), change / 20, range_B1, way / 5], dim=1)
