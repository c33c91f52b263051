"""Whether clouds and poses are of the same tick: what stands still must fit itself once the ego's motion is taken out.

A cloud that is one tick late has, at constant speed, the same motion between any two ticks as the poses. So the pairs
of ticks are compared between which speed or heading change most: there, the poses of the neighbouring ticks move the
first cloud to another place in the second. A drive without such a change stays undecided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from lib.common import labels
from lib.geometry.frame import Frame
from lib.geometry.rigid import apply, invert, vehicle_SE3_sensor
from lib.preprocessing.summed import Summed

STILL_IDS: Final = (
    *(labels.BUILDING, labels.WALL, labels.FENCE, labels.POLE, labels.TRAFFIC_LIGHT, labels.TRAFFIC_SIGN),
    *(labels.VEGETATION, labels.STATIC, labels.BRIDGE, labels.GUARD_RAIL),
)
"""Classes that stand still and upright. The ground is left out: it fits itself wherever the ego is."""
MAX_POINTS: Final = 6_000
MIN_POINTS: Final = 100
LAGS_S: Final = (0.5, 1.0)
PAIRS: Final = 4
"""Pairs of ticks that are compared, at most."""
APART_S: Final = 0.3
"""Between the first ticks of two pairs with the same lag."""
MIN_MOVED_M: Final = 0.05
"""By which the neighbouring ticks' poses must move the cloud: a change of speed by 0.5 m/s within the lag."""
LEVER_M: Final = 10.0
"""Distance at which a turn is counted as a move."""
NEIGHBOURS: Final = 10
REACH_M: Final = 1.5
FLAT_M: Final = 0.15
"""Maximum standard deviation of a surface's points across it."""
CLEARLY_M: Final = 0.05
TIME_TOLERANCE_S: Final = 0.02

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StillCloud:
    """What stands still in a frame: points_m (N, 3) float32 x, y, z [m, vehicle frame]; world_SE3_ego (4, 4)."""

    time_s: float
    world_SE3_ego: Matrix
    points_m: npt.NDArray[np.float32]


@dataclass(frozen=True)
class PoseTiming(Summed):
    """Points of the compared pairs of ticks that lie clearly nearer to the surface with some poses than with others.

    `pairs`: pairs of ticks; `own_over_before`, `before`: points that the poses of the own tick, and of the tick before,
    put nearer; `own_over_after`, `after`: the same for the tick after.
    """

    pairs: int = 0
    own_over_before: int = 0
    before: int = 0
    own_over_after: int = 0
    after: int = 0


def still_cloud(frame: Frame) -> StillCloud | None:
    """What stands still in a frame, by its labels; None without a pose or a time."""
    if frame.world_SE3_ego is None or frame.time_s is None:
        return None
    rows = np.flatnonzero(np.isin(frame.point_class, STILL_IDS))
    if len(rows) > MAX_POINTS:  # any choice does that is the same in each run, and of all channels
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_POINTS, replace=False))
    lidar = frame.lidars[0]
    vehicle_SE3_points = vehicle_SE3_sensor(lidar.location, lidar.rotation) if len(frame.lidars) == 1 else np.eye(4)
    points_m = apply(vehicle_SE3_points, frame.points[rows, :3]).astype(np.float32)
    return StillCloud(frame.time_s, frame.world_SE3_ego, points_m)


def compared_ticks(poses: Mapping[float, Matrix]) -> list[tuple[float, float]]:
    """The pairs of ticks (first, second) to compare, those with the largest change of speed or heading first.

    `poses`: world_SE3_ego (4, 4) by time [s]. Each tick of a pair has a neighbour one step before and one after.
    """
    times_s = sorted(poses)
    if len(times_s) < 3:
        return []
    step_s = float(np.median(np.diff(times_s)))
    inner = [
        middle
        for before, middle, after in zip(times_s, times_s[1:], times_s[2:], strict=False)
        if max(abs(middle - before - step_s), abs(after - middle - step_s)) <= TIME_TOLERANCE_S
    ]
    found = []
    for lag in sorted({max(1, round(lag_s / step_s)) for lag_s in LAGS_S}):
        for first in inner:
            second = _nearest(inner, first + lag * step_s)
            if second is not None and second > first:
                own, before, after = (_motion(poses, times_s, first, second, shift) for shift in (0, -1, 1))
                found.append((min(_moved_m(own, before), _moved_m(own, after)), lag, first, second))
    chosen: list[tuple[int, float, float]] = []
    for moved_m, lag, first, second in sorted(found, key=lambda pair: (-pair[0], *pair[1:])):
        apart = all(lag != other or abs(first - time_s) >= APART_S for other, time_s, _ in chosen)
        if moved_m >= MIN_MOVED_M and apart and len(chosen) < PAIRS:
            chosen.append((lag, first, second))
    return [(first, second) for _, first, second in chosen]


def pose_timing(clouds: Sequence[StillCloud], poses: Mapping[float, Matrix]) -> PoseTiming:
    """Compare the pairs of `compared_ticks` whose clouds are given, at their own poses and at the neighbours'."""
    by_time, times_s, total = {cloud.time_s: cloud for cloud in clouds}, sorted(poses), PoseTiming()
    for first, second in compared_ticks(poses):
        if first in by_time and second in by_time:
            motions = [_motion(poses, times_s, first, second, shift) for shift in (0, -1, 1)]
            total += _compared(by_time[first].points_m, by_time[second].points_m, motions)
    return total


def _nearest(times_s: Sequence[float], time_s: float) -> float | None:
    """The time within the tolerance of another; None without one."""
    place = int(np.searchsorted(times_s, time_s - TIME_TOLERANCE_S))
    return times_s[place] if place < len(times_s) and times_s[place] <= time_s + TIME_TOLERANCE_S else None


def _motion(poses: Mapping[float, Matrix], times_s: Sequence[float], first: float, second: float, shift: int) -> Matrix:
    """Transform (4, 4) from the first tick's vehicle frame to the second's, by the poses `shift` ticks later."""
    start, end = (poses[times_s[int(np.searchsorted(times_s, time_s)) + shift]] for time_s in (first, second))
    return invert(end) @ start


def _moved_m(motion: Matrix, other: Matrix) -> float:
    between = invert(motion) @ other
    cosine = float(np.clip((np.trace(between[:3, :3]) - 1) / 2, -1, 1))
    return float(np.linalg.norm(between[:3, 3])) + LEVER_M * float(np.arccos(cosine))


def _compared(
    source_m: npt.NDArray[np.float32], target_m: npt.NDArray[np.float32], motions: Sequence[Matrix]
) -> PoseTiming:
    """Compare one pair; `motions`: by the poses of the own tick, of the one before and of the one after."""
    if min(len(source_m), len(target_m)) < MIN_POINTS:
        return PoseTiming()
    tree = cKDTree(target_m)
    _, near = tree.query(target_m, NEIGHBOURS)
    around = target_m[near].astype(np.float64)
    middle = around.mean(axis=1)
    spread = around - middle[:, None]
    variances, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread) / NEIGHBOURS)
    flat = (variances[:, 0] < FLAT_M**2) & (variances[:, 1] > 4 * variances[:, 0])
    own, before, after = (
        _distances_m(apply(motion, source_m), tree, middle, axes[:, :, 0], flat) for motion in motions
    )
    return PoseTiming(
        pairs=1,
        own_over_before=_count(own < before - CLEARLY_M),
        before=_count(before < own - CLEARLY_M),
        own_over_after=_count(own < after - CLEARLY_M),
        after=_count(after < own - CLEARLY_M),
    )


def _distances_m(
    points_m: Matrix, tree: cKDTree, middle: Matrix, normal: Matrix, flat: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Distances (N,) [m] of points (N, 3) from the surface that is next to them; nan where there is no flat one."""
    apart_m, near = tree.query(points_m, distance_upper_bound=REACH_M)
    found = np.isfinite(apart_m)
    near = np.where(found, near, 0)
    across_m = np.abs(np.einsum("ni,ni->n", normal[near], points_m - middle[near]))
    return np.where(found & flat[near], across_m, np.nan)


def _count(chosen: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(chosen))
