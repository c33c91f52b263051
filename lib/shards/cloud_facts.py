"""What a LiDAR's clouds show without any label: the range of intensities, and how far round the LiDAR looked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lib.anovox.reader import LidarClouds

SECTORS: Final = 36
MIN_POINTS: Final = 10 * SECTORS
"""A cloud with fewer points may leave sectors empty by chance."""


@dataclass(frozen=True)
class CloudFacts:
    """Facts about some clouds.

    `clouds`: those with at least MIN_POINTS points; `sectors`: of their SECTORS sectors of 10 degrees around the LiDAR,
    the ones with a point, summed. `lowest_intensity`, `highest_intensity`: of all points.
    """

    clouds: int = 0
    sectors: int = 0
    lowest_intensity: float = 0.0
    highest_intensity: float = 0.0

    def __add__(self, other: "CloudFacts") -> "CloudFacts":
        return CloudFacts(
            self.clouds + other.clouds,
            self.sectors + other.sectors,
            min(self.lowest_intensity, other.lowest_intensity),
            max(self.highest_intensity, other.highest_intensity),
        )


def cloud_facts(clouds: Iterable[LidarClouds]) -> CloudFacts:
    """Facts about the LIDAR clouds of a tick."""
    total = CloudFacts()
    for cloud in clouds:
        x_m, y_m, intensity = cloud.points[:, 0], cloud.points[:, 1], cloud.points[:, 3]
        many = len(cloud.points) >= MIN_POINTS
        sector = ((np.arctan2(y_m, x_m) / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS
        occupied = int(np.count_nonzero(np.bincount(sector, minlength=SECTORS)))
        lowest, highest = float(intensity.min()), float(intensity.max())
        total += CloudFacts(int(many), occupied if many else 0, min(0.0, lowest), highest)
    return total
