"""From params and the data's sensors to the detector's configuration, the view it trains on, and the processes."""

import math
from collections.abc import Sequence

import torch

from lib.common.workers import available_cores
from lib.model.detector import DetectorConfig
from lib.model.model_params import ModelParams
from lib.sensors.scan_pattern import rays_per_turn
from lib.shards.shard_reader import Shard
from lib.training.train_params import TrainParams
from lib.views.range_view import RangeGrid

VIEW_MARGIN = 1.1


def detector_config(params: ModelParams, shards: Sequence[Shard]) -> DetectorConfig:
    """Complete the model's params with the scan pattern of the data."""
    lidars = [lidar for shard in shards for lidar in shard.lidars]
    return DetectorConfig(
        fusion=params.fusion,
        image_channels=params.image_channels,
        lidar_channels=_width(params, params.lidar_channels),
        fusion_channels=_width(params, params.fusion_channels),
        range_view_rows=params.range_view_rows or max(lidar.channels for lidar in lidars),
        range_view_columns=params.range_view_columns or _rays_per_turn(shards[0]),
        upper_fov_deg=max(lidar.upper_fov_deg for lidar in lidars),
        lower_fov_deg=min(lidar.lower_fov_deg for lidar in lidars),
        positional_encoding=params.positional_encoding,
        window=params.window,
    )


def _rays_per_turn(shard: Shard) -> int:
    """Rays per turn of the first LiDAR, in its first cloud."""
    return rays_per_turn(shard.lidar_points(0)[0], shard.lidars[0])


def _width(params: ModelParams, channels: int) -> int:
    """The LiDAR alone is wider by an eighth: about as many parameters as with an image encoder."""
    return round(channels * 9 / 8) if params.fusion == "lidar" else channels


def range_grid(config: DetectorConfig, shard: Shard) -> RangeGrid:
    """The part of the range view that training looks at: the camera's view and a margin, an even number of columns."""
    half_view_rad = math.atan(shard.camera.width_px / 2 / shard.camera.fx_px) * VIEW_MARGIN
    columns = math.ceil(half_view_rad / math.pi * config.range_view_columns / 16) * 16
    return config.grid(min(columns, config.range_view_columns))


def process_count(params: TrainParams, wanted: int, device: torch.device) -> int:
    """Return how many processes train together: `wanted`; if that is 0, one per GPU, or one per core on the CPU.

    Never more than a batch has micro-batches.
    """
    available = torch.cuda.device_count() if device.type == "cuda" else available_cores()
    return min(wanted or available, math.ceil(params.batch_size / params.micro_batch))
