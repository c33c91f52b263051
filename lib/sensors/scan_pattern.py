"""The scan pattern of a LiDAR: what is known of its channels, and what its cloud shows."""

import numpy as np
import numpy.typing as npt

from lib.geometry.frame import Lidar

MIN_RAYS, MAX_RAYS = 32, 4096


def channel_elevations_deg(lidar: Lidar) -> npt.NDArray[np.float64]:
    """Elevation (K,) of each channel [degrees], the highest first."""
    if lidar.elevations_deg:
        return np.array(lidar.elevations_deg)
    return np.linspace(lidar.upper_fov_deg, lidar.lower_fov_deg, lidar.channels)


def rays_per_turn(points_m: npt.NDArray[np.floating], lidar: Lidar) -> int:
    """Estimate the number of rays per channel and turn from the most common spacing in azimuth.

    `points_m` (N, 3 or more): a cloud in the LiDAR's frame. Range noise leaves azimuths alone: between neighbouring
    rays it is exact.
    """
    x, y, z = np.asarray(points_m[:, :3], dtype=np.float64).T
    elevation_deg = np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    channels_deg = channel_elevations_deg(lidar)[::-1]
    channel = np.searchsorted((channels_deg[1:] + channels_deg[:-1]) / 2, elevation_deg)
    fullest = channel == np.argmax(np.bincount(channel, minlength=1))
    spacing_rad = np.diff(np.sort(np.arctan2(y[fullest], x[fullest])))
    spacing_rad = spacing_rad[spacing_rad > 2 * np.pi / (2 * MAX_RAYS)]
    if len(spacing_rad) == 0:
        return MIN_RAYS
    return int(np.clip(np.rint(2 * np.pi / np.median(spacing_rad)), MIN_RAYS, MAX_RAYS))
