"""What tells of braking without looking for it: baselines beside each method. None looks at a label.

Where one of these does well, the recordings give the answer away by how they were made.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import TICKS_PER_SECOND
from lib.shards.sequences import NO_FRAME, window_of

Floats = npt.NDArray[np.float64]

MIDDLE_FRACTION: Final = 0.695
"""AnoVox's window lies around index 139 of 200 in every drive."""
LANE_HALF_WIDTH_M: Final = 1.2
HEIGHTS_M: Final = (0.3, 2.5)
"""Above the ground."""
EGO_FRONT_M: Final = 2.5
"""What is nearer along x may be the ego itself."""
VEHICLE_LENGTH_M: Final = 5.0
_GROUND_RADIUS_M, _GROUND_QUANTILE = 15.0, 0.05
_MIN_POINTS, _WITHIN_M = 5, 1.0
_LAGS: Final = (0, 1, 2, 3, 4, 5)
_FIT: Final = np.array([5.0, -1.0, -4.0, -4.0, -1.0, 5.0]) * (TICKS_PER_SECOND**2 / 28)
"""Second derivative, per s^2, of the parabola that fits six values a tick apart best."""


def middle_of_drive(frames: int) -> Floats:
    """How near a frame lies (F,) to where AnoVox's window does: 0 there, and -1 for each frame away from it."""
    return np.asarray(-np.abs(np.arange(frames) - MIDDLE_FRACTION * frames))


def ego_deceleration_mps2(world_SE3_ego: Floats, ticks: npt.NDArray[np.int64]) -> Floats:
    """How hard the ego brakes (F,), along its heading, by its poses (F, 4, 4) of the last 0.5 s.

    ticks (F,): lib.shards.sequences.ticks_of. 0 where a pose or a tick is missing.
    """
    rows = window_of(ticks, _LAGS)
    position_m = world_SE3_ego[rows, :3, 3]  # (F, 6, 3)
    moved_m = ((position_m - position_m[:, :1]) * world_SE3_ego[:, None, :3, 0]).sum(axis=2)
    known = (rows != NO_FRAME).all(axis=1) & np.isfinite(moved_m).all(axis=1)
    found: Floats = np.zeros(len(ticks))
    found[known] = -(moved_m[known] * _FIT).sum(axis=1)
    return found


def vehicle_ahead(points_m: Floats) -> tuple[float | None, npt.NDArray[np.intp]]:
    """The nearest thing above the ground in the ego's own lane: its range along x [m], and its points' rows (M,).

    points (N, 3) [m, vehicle frame]. The lane goes straight on; the ground is as high everywhere as near the ego. The
    thing begins where 5 points lie within 1 m, and is as long as a car. None, and no row, where there is none.
    """
    if len(points_m) == 0:
        return None, np.zeros(0, dtype=np.intp)
    x_m, y_m, z_m = points_m.T
    near = x_m**2 + y_m**2 < _GROUND_RADIUS_M**2
    height_m = z_m - np.quantile(z_m[near] if near.any() else z_m, _GROUND_QUANTILE)
    in_lane = (x_m > EGO_FRONT_M) & (np.abs(y_m) < LANE_HALF_WIDTH_M)
    rows = np.flatnonzero(in_lane & (height_m > HEIGHTS_M[0]) & (height_m < HEIGHTS_M[1]))
    rows = rows[np.argsort(x_m[rows], kind="stable")]
    spans_m = x_m[rows[_MIN_POINTS - 1 :]] - x_m[rows[: max(0, len(rows) - _MIN_POINTS + 1)]]
    begins = np.flatnonzero(spans_m <= _WITHIN_M)
    if len(begins) == 0:
        return None, np.zeros(0, dtype=np.intp)
    first_m = float(x_m[rows[begins[0]]])
    return first_m, rows[(x_m[rows] >= first_m) & (x_m[rows] <= first_m + VEHICLE_LENGTH_M)]
