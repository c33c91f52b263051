"""Plausibility of a LiDAR's clouds: intensities, coverage of azimuth and elevation, height of the road."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from lib.common.labels import ROAD, ROAD_LINE, SKY
from lib.geometry.frame import Lidar
from lib.preprocessing.summed import Summed
from lib.reading.recorded_frames import LidarClouds

SECTORS: Final = 36
MIN_POINTS: Final = 10 * SECTORS
"""A cloud with fewer points may have empty sectors by chance."""
BANDS: Final = 5
"""Bands of elevation between a LiDAR's lowest ray and HORIZON_DEG, where rays hit the ground."""
MIN_POINTS_IN_CELLS: Final = 20 * SECTORS * BANDS
HORIZON_DEG: Final = -6.0
MIN_ROAD_POINTS: Final = 20
ROAD_RANGE_M: Final = 12.0
ROAD_TOLERANCE_M: Final = 0.75
"""Tolerated difference between the road's height and the LiDAR's stated height, for hills and noise."""


@dataclass(frozen=True)
class CloudFacts(Summed):
    """Counts over some clouds.

    `clouds`: clouds with at least MIN_POINTS points; summed over these: `sectors`, the 10-degree sectors around the
    LiDAR that have a point; `one_intensity`, clouds whose points all have the same intensity. `cells`, `filled`: over
    clouds with at least MIN_POINTS_IN_CELLS points, cells (SECTORS x BANDS below the horizon) and those with a point.
    `lowest_intensity`, `highest_intensity`: of all points. `points`, `sky_points`: all points, and those labelled as
    sky. `roads`: clouds with road or road lines near the LiDAR; `level_roads`: those of them whose road is at the
    height that the LiDAR's pose implies.
    """

    clouds: int = 0
    sectors: int = 0
    cells: int = 0
    filled: int = 0
    one_intensity: int = 0
    lowest_intensity: float = 0.0
    highest_intensity: float = 0.0
    points: int = 0
    sky_points: int = 0
    roads: int = 0
    level_roads: int = 0

    def __add__(self, other: Self) -> Self:
        lowest = min(self.lowest_intensity, other.lowest_intensity)
        highest = max(self.highest_intensity, other.highest_intensity)
        return replace(super().__add__(other), lowest_intensity=lowest, highest_intensity=highest)


def cloud_facts(
    clouds: Sequence[LidarClouds], lidars: Sequence[Lidar], class_ids: Iterable[npt.NDArray[np.uint8]]
) -> CloudFacts:
    """Facts about the LIDAR clouds of a tick, the LiDARs that recorded them and the classes (N,) of their points."""
    parts = zip(clouds, lidars, class_ids, strict=True)
    return sum((_facts(cloud.points, lidar, classes) for cloud, lidar, classes in parts), CloudFacts())


def _facts(points: npt.NDArray[np.float32], lidar: Lidar, class_ids: npt.NDArray[np.uint8]) -> CloudFacts:
    x_m, y_m, z_m, intensity = np.ascontiguousarray(points.T)  # contiguous columns are faster
    ground_range_m = np.sqrt(x_m * x_m + y_m * y_m)
    many = len(points) >= MIN_POINTS
    sector = ((np.arctan2(y_m, x_m) / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
    filled = _filled(sector, np.rad2deg(np.arctan2(z_m, ground_range_m)), lidar)
    lowest, highest = float(intensity.min()), float(intensity.max())
    near = ((class_ids == ROAD) | (class_ids == ROAD_LINE)) & (ground_range_m < ROAD_RANGE_M)
    road = np.count_nonzero(near) >= MIN_ROAD_POINTS
    level = road and abs(float(np.median(z_m[near])) + lidar.location[2]) < ROAD_TOLERANCE_M
    return CloudFacts(
        clouds=int(many),
        sectors=_different(sector, SECTORS) if many else 0,
        cells=0 if filled is None else SECTORS * BANDS,
        filled=filled or 0,
        one_intensity=int(many and lowest == highest),
        lowest_intensity=min(0.0, lowest),
        highest_intensity=highest,
        points=len(points),
        sky_points=int(np.count_nonzero(class_ids == SKY)),
        roads=int(road),
        level_roads=int(level),
    )


def _filled(sector: npt.NDArray[np.int64], elevation_deg: npt.NDArray[np.float32], lidar: Lidar) -> int | None:
    """Number of cells (sector and band) with points; None if there are few points or a band without rays."""
    step_deg = (HORIZON_DEG - lidar.lower_fov_deg) / BANDS
    rays_deg = np.linspace(lidar.lower_fov_deg, lidar.upper_fov_deg, lidar.channels)
    edges_deg = lidar.lower_fov_deg - 1e-6 + step_deg * np.arange(BANDS + 1)
    if len(sector) < MIN_POINTS_IN_CELLS or step_deg <= 0 or not np.histogram(rays_deg, edges_deg)[0].all():
        return None
    band = np.searchsorted(edges_deg, elevation_deg, side="right") - 1
    below = (band >= 0) & (band < BANDS)
    return _different(sector[below] * BANDS + band[below], SECTORS * BANDS)


def _different(numbers: npt.NDArray[np.int64], below: int) -> int:
    return int(np.count_nonzero(np.bincount(numbers, minlength=below)))
