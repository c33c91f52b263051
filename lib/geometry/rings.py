"""The rings of a LiDAR, found in a cloud: the elevation at which each of its channels looks."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.geometry.frame import Lidar

MIN_RINGS, MAX_RINGS = 3, 512
MIN_POINTS_PER_RING: Final = 10
GAPS_DEG: Final = (0.05, 0.02)
"""Elevations so far apart belong to different rings, where points of a ring are closer together than the rings."""
BACKWARD_DEG: Final = 5.0
"""A ring's azimuths may go back so far for a moment."""
MOST: Final = 0.9
PERCENTILES: Final = (0.1, 99.9)

Values = npt.NDArray[np.float64]


def find_lidar(points_m: npt.NDArray[np.floating], ring: npt.NDArray[Any] | None, range_m: float) -> Lidar:
    """The scan pattern that a cloud (N, 3 or more) [m, LiDAR frame] shows; `ring` (N,) as in `find_rings`.

    Where no rings can be told apart, it is even between the lowest and the highest points, with as many channels as
    give cells as high as wide.
    """
    elevations_deg = find_rings(points_m, ring)
    if elevations_deg is not None:
        return Lidar(len(elevations_deg), elevations_deg[0], elevations_deg[-1], range_m, elevations_deg=elevations_deg)
    azimuth_deg, elevation_deg = _angles_deg(points_m)
    lower_deg, upper_deg = (float(end) for end in np.percentile(elevation_deg, PERCENTILES))
    width_deg = len(np.unique(np.floor(azimuth_deg)))
    step_deg = np.sqrt(width_deg * max(upper_deg - lower_deg, 1.0) / max(len(elevation_deg), 1))
    channels = int(np.clip(np.rint((upper_deg - lower_deg) / step_deg), MIN_RINGS, MAX_RINGS))
    return Lidar(channels, upper_deg, lower_deg, range_m)


def find_rings(points_m: npt.NDArray[np.floating], ring: npt.NDArray[Any] | None = None) -> tuple[float, ...] | None:
    """Elevations [degrees] of the channels that hit anything, the highest first; None if rings cannot be told apart.

    points_m (N, 3 or more) [m, LiDAR frame]. From the number of each point's channel, `ring` (N,), if the file has it;
    else from gaps between the points' elevations; else from the order of the points, if it goes ring by ring.
    """
    _, elevation_deg = _angles_deg(points_m)
    if ring is not None:
        rings = [elevation_deg[ring == number] for number in np.unique(ring[np.isfinite(ring)])]
        if MIN_RINGS <= len(rings) <= MAX_RINGS:
            return _elevations(rings)
    if len(elevation_deg) < MIN_RINGS * MIN_POINTS_PER_RING:
        return None
    for parts, differ in (*((parts, _apart) for parts in _by_gaps(elevation_deg)), (_by_order(points_m), _in_order)):
        rings = [part for part in parts if len(part) >= MIN_POINTS_PER_RING]
        most = sum(map(len, rings)) >= MOST * len(elevation_deg)
        if MIN_RINGS <= len(rings) <= MAX_RINGS and most and differ(rings):
            return _elevations(rings)
    return None


def _elevations(rings: list[Values]) -> tuple[float, ...]:
    return tuple(sorted((round(float(np.median(ring)), 4) for ring in rings), reverse=True))


def _by_gaps(elevation_deg: Values) -> Iterator[list[Values]]:
    """The elevations, cut where two neighbours are apart."""
    ordered = np.sort(elevation_deg)
    for gap_deg in GAPS_DEG:
        yield np.split(ordered, np.flatnonzero(np.diff(ordered) > gap_deg) + 1)


def _by_order(points_m: npt.NDArray[np.floating]) -> list[Values]:
    """The elevations in their order, cut where the azimuth has come round, or jumps back in a partial sweep."""
    azimuth_deg, elevation_deg = _angles_deg(points_m)
    step_deg = (np.diff(azimuth_deg) + 180.0) % 360.0 - 180.0
    forward_deg = step_deg if np.median(step_deg) > 0 else -step_deg
    turned_deg = np.cumsum((forward_deg + BACKWARD_DEG) % 360.0 - BACKWARD_DEG)
    turn = np.maximum.accumulate(np.floor(turned_deg / 360.0))
    return np.split(elevation_deg, np.flatnonzero(np.diff(turn, prepend=0.0) > 0) + 1)


def _apart(rings: list[Values]) -> bool:
    """Whether most points are of rings that are lower than their distance from the next one."""
    steps = np.diff([np.median(ring) for ring in rings])
    nearest = np.minimum(np.append(steps, np.inf), np.append(np.inf, steps))
    sizes = np.array([len(ring) for ring in rings])
    low = np.array([np.ptp(ring) for ring in rings]) < nearest
    return bool(sizes[low].sum() >= MOST * sizes.sum())


def _in_order(rings: list[Values]) -> bool:
    """Whether most rings follow in order, and half of a ring's points spread less than four rings."""
    steps = np.diff([np.median(ring) for ring in rings])
    spread = np.median([np.subtract(*np.percentile(ring, (75, 25))) for ring in rings])
    return bool(max(np.mean(steps < 0), np.mean(steps > 0)) >= MOST and spread < 4 * np.median(np.abs(steps)))


def _angles_deg(points_m: npt.NDArray[np.floating]) -> tuple[Values, Values]:
    x, y, z = np.asarray(points_m, dtype=np.float64)[:, :3].T
    return np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arctan2(z, np.hypot(x, y)))
