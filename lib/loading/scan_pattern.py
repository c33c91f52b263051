"""The LiDAR's scan pattern as its clouds show it."""

import numpy as np
import numpy.typing as npt

from lib.geometry.frame import Lidar

MIN_COLUMNS, MAX_COLUMNS = 32, 4096


def rays_per_turn(points_m: npt.NDArray[np.floating], lidar: Lidar) -> int:
    """Estimate the number of rays per channel and turn from the most common spacing in azimuth.

    `points_m` (N, 3 or more) [m, LiDAR frame]: a cloud of the LiDAR. Range noise leaves azimuths alone: between
    neighbouring rays it is exact.
    """
    points = np.asarray(points_m[:, :3], dtype=np.float64)
    elevation = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    if lidar.elevations_deg:
        rings = np.deg2rad(lidar.elevations_deg)
        row = np.abs(elevation[:, None] - rings).argmin(1)
    else:
        step = np.deg2rad(lidar.upper_fov_deg - lidar.lower_fov_deg) / max(lidar.channels - 1, 1)
        row = np.rint((np.deg2rad(lidar.upper_fov_deg) - elevation) / step).astype(np.int64)
    fullest = row == np.argmax(np.bincount(row.clip(0, lidar.channels - 1)))
    spacing_rad = np.diff(np.sort(np.arctan2(points[fullest, 1], points[fullest, 0])))
    spacing_rad = spacing_rad[spacing_rad > 2 * np.pi / (2 * MAX_COLUMNS)]
    if len(spacing_rad) == 0:
        return MIN_COLUMNS
    return int(np.clip(np.rint(2 * np.pi / np.median(spacing_rad)), MIN_COLUMNS, MAX_COLUMNS))
