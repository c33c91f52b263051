"""The vehicle ahead in one cloud: the nearest thing in the ego's way, or what is where a followed one is expected."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LOWEST_M, HIGHEST_M = 0.3, 2.5
"""Heights above the ground between which a vehicle is looked for."""
MIN_POINTS: Final = 3
_BLIND_M: Final = 2.0
"""So near to the vehicle's origin, points are its own."""
_DEPTH_M: Final = 0.7
"""A rear is found where so much of the way holds enough points."""
_NARROWEST_M: Final = 0.4
REAR_AHEAD_M, REAR_BEHIND_M = 1.5, 0.8
"""Points so far ahead of and behind the place where a rear is expected are taken as its own."""
REAR_HALF_WIDTH_M: Final = 1.15
_EARLY_M, _LATE_M = 0.5, 0.7
"""A followed rear that is so much nearer, or farther away, than expected is another thing's."""
_EDGE_SHARE: Final = 0.15
"""Of the points of a rear, so many lie before what counts as its edge: they are noise."""
_BODY_STEP_M: Final = 0.8
"""Points of one body follow each other along the way within this distance."""
_LONGEST_M: Final = 14.0
_BODY_HALF_WIDTH_M, _BODY_LOWEST_M, _BODY_HIGHEST_M = 1.35, 0.15, 4.5


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points near the ego's way: place_m (N, 3) float64 [m, vehicle frame], height_m (N,) [m, above the ground]."""

    place_m: Values
    height_m: Values


@dataclass(frozen=True)
class Expected:
    """Where the rear of a vehicle is expected: x, y [m] and its direction [rad, from x to the left], vehicle frame."""

    x_m: float
    y_m: float
    yaw_rad: float

    def along_and_beside(self, place_m: Values) -> tuple[Values, Values]:
        """Distances (N,) [m] of points (N, 2 or more) along the direction and to its left, from the expected place."""
        cosine, sine = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        x, y = place_m[:, 0] - self.x_m, place_m[:, 1] - self.y_m
        return cosine * x + sine * y, cosine * y - sine * x


@dataclass(frozen=True, eq=False)
class Rear:
    """A rear that was found: its points as rows (M,) of the cloud, its edge x, y [m], and its middle's y [m]."""

    rows: Rows
    edge_m: float
    beside_m: float


def beside_path(place_m: Values, curvature_1pm: float) -> Values:
    """Distances (N,) [m] of points (N, 2 or more) [m, vehicle frame] to the left of a circular way from the origin."""
    x, y = place_m[:, 0], place_m[:, 1]
    return np.asarray(y - curvature_1pm * (x * x + y * y) / 2, dtype=np.float64)


def nearest_in_path(cloud: Cloud, curvature_1pm: float, half_width_m: float, max_range_m: float) -> Expected | None:
    """The nearest thing in the ego's way that may be a vehicle: the middle of its edge; None where there is none."""
    x, beside = cloud.place_m[:, 0], beside_path(cloud.place_m, curvature_1pm)
    upright = (cloud.height_m > LOWEST_M) & (cloud.height_m < HIGHEST_M)
    inside = np.flatnonzero(upright & (np.abs(beside) < half_width_m) & (x > _BLIND_M) & (x < max_range_m))
    inside = inside[np.argsort(x[inside], kind="stable")]
    ahead = x[inside]
    ends = np.searchsorted(ahead, ahead + _DEPTH_M)
    for first in np.flatnonzero(ends - np.arange(len(ahead)) >= MIN_POINTS).tolist():
        rows = inside[first : ends[first]]
        y = cloud.place_m[rows, 1]
        if np.ptp(y) >= _NARROWEST_M:
            edge_x_m = float(np.quantile(x[rows], _EDGE_SHARE))
            yaw_rad = float(np.arcsin(np.clip(curvature_1pm * edge_x_m, -0.9, 0.9)))
            return Expected(edge_x_m, float((y.min() + y.max()) / 2), yaw_rad)
    return None


def rear_at(cloud: Cloud, expected: Expected, least_points: int = MIN_POINTS, slack_m: float = 0.0) -> Rear | None:
    """The rear at the place where one is expected; None where there are too few points, or it is another thing's.

    slack_m: how much farther than usual it may be from where it is expected.
    """
    along, beside = expected.along_and_beside(cloud.place_m)
    upright = (cloud.height_m > LOWEST_M) & (cloud.height_m < HIGHEST_M)
    within = (along > -REAR_BEHIND_M - slack_m) & (along < REAR_AHEAD_M + slack_m)
    rows = np.flatnonzero(upright & within & (np.abs(beside) < REAR_HALF_WIDTH_M))
    if len(rows) < least_points:
        return None
    edge_m = float(np.quantile(along[rows], _EDGE_SHARE))
    if not -_EARLY_M - slack_m < edge_m < _LATE_M + slack_m:
        return None
    at_edge = rows[along[rows] < edge_m + _DEPTH_M]
    return Rear(rows, edge_m, float((beside[at_edge].min() + beside[at_edge].max()) / 2))


def body_of(cloud: Cloud, expected: Expected) -> Rows:
    """Rows (M,), ascending, of the points of the vehicle whose rear is at the expected place."""
    along, beside = expected.along_and_beside(cloud.place_m)
    upright = (cloud.height_m > _BODY_LOWEST_M) & (cloud.height_m < _BODY_HIGHEST_M)
    within = upright & (np.abs(beside) < _BODY_HALF_WIDTH_M) & (along > -REAR_BEHIND_M / 2) & (along < _LONGEST_M)
    rows = np.flatnonzero(within)
    rows = rows[np.argsort(along[rows], kind="stable")]
    gaps = np.flatnonzero(np.diff(along[rows]) > _BODY_STEP_M)
    return np.sort(rows[: gaps[0] + 1] if len(gaps) else rows)
