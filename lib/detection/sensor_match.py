"""Inputs of other sensors than those of the training, so that objects look about as large as in training."""

from math import atan2, degrees, radians, tan
from typing import Final

import numpy as np

from lib.geometry.frame import Frame, Lidar
from lib.preprocessing.resize import resize_frame
from lib.sensors.scan_pattern import channel_elevations_deg, rays_per_turn
from lib.sensors.sensor_statistics import SensorStatistics
from lib.views.fitted_grid import fitted_grid
from lib.views.range_view import RangeGrid

SAME: Final = 1.1
"""Sizes that differ by a smaller factor than this count as the same."""
SAME_FOV_DEG: Final = 0.5
FINER: Final = 2.0
"""Measured (docs/detect.md): up to here scaling wins nothing; images 4 to 8 times as fine lose most without it."""
MIN_SIZE_PX: Final = 32
"""Narrower images have features of 1 or 2 pixels, for which torch's bfloat16 convolutions return random values."""
MIN_SHARED: Final = 0.9


def scaled_to_training(frame: Frame, trained: SensorStatistics) -> Frame:
    """Scale the image towards the training's, if a pixel of it covers much less.

    With the training's field of view, it becomes as large as the training's images. Otherwise it stays as it is up to
    FINER times the training's focal length [px], to which finer images are scaled.
    """
    camera = frame.camera
    sides = (
        (camera.width_px, camera.cx_px, camera.fx_px, trained.image_width_px, trained.horizontal_fov_deg),
        (camera.height_px, camera.cy_px, camera.fy_px, trained.image_height_px, trained.vertical_fov_deg),
    )
    if all(
        abs(degrees(atan2(center_px, focal_px) + atan2(size_px - center_px, focal_px)) - fov_deg) < SAME_FOV_DEG
        for size_px, center_px, focal_px, _, fov_deg in sides
    ):
        return resize_frame(frame, trained.image_height_px, trained.image_width_px)
    width, height = (
        max(round(size_px * min(1.0, FINER * trained_px / 2 / tan(radians(fov_deg) / 2) / focal_px)), MIN_SIZE_PX)
        for size_px, _, focal_px, trained_px, fov_deg in sides
    )
    return resize_frame(frame, height, width)


def range_view_of(frame: Frame, trained: SensorStatistics, trained_grid: RangeGrid) -> RangeGrid:
    """The layout of the range view for a recording with this frame: the training's, or one that fits the LiDAR.

    Merged clouds of several LiDARs have the training's.
    """
    if len(frame.lidars) > 1:
        return trained_grid
    lidar = frame.lidars[0]
    pattern = lidar.channels, lidar.upper_fov_deg, lidar.lower_fov_deg
    if not lidar.elevations_deg and np.allclose(
        pattern, (trained.channels, trained.upper_fov_deg, trained.lower_fov_deg), rtol=0, atol=1e-4
    ):
        return trained_grid
    rays = rays_per_turn(frame.points, lidar)
    if _fills_rows(lidar, trained_grid) and 1 / SAME < rays / trained.rays_per_turn < SAME:
        return trained_grid
    return fitted_grid(trained_grid, lidar, rays)


def _fills_rows(lidar: Lidar, grid: RangeGrid) -> bool:
    """Whether nearly every ring has a row of its own, and nearly every row between the outer rings has a ring."""
    spacing_deg = (grid.upper_fov_deg - grid.lower_fov_deg) / max(grid.rows - 1, 1)
    rows = np.rint((grid.upper_fov_deg - channel_elevations_deg(lidar)) / spacing_deg)
    if rows.min() < 0 or rows.max() > grid.rows - 1:
        return False
    taken = len(np.unique(rows))
    return bool(taken >= MIN_SHARED * max(len(rows), np.ptp(rows) + 1))
