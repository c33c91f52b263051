"""How hard a followed vehicle brakes: its rear registered over a few moments, and its motion fitted.

A rear leans, and the LiDAR's rows move over it while it comes nearer. So the rear's profile over its height is found
together with its place at each moment, by weighted least squares; what cannot be told apart widens the uncertainty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import HISTORY_TICKS, TICKS_PER_SECOND

Values = npt.NDArray[np.float64]

_KNOT_M: Final = 0.15
_KNOTS_M: Final = np.arange(0.3, 2.51, _KNOT_M)
_PROFILE_STEP_M: Final = 0.2
"""How much the profile usually changes from one knot to the next."""
_PROFILE_REACH_M: Final = 3.0
_TURN: Final = 0.2
"""How much a rear is usually turned against its direction of motion."""
_EXTRA_SIGMA_M: Final = 0.01
"""Error of a moment's place that all its points share: rays on edges, the ground's fit, the pose."""
_LEAST_SIGMA_M: Final = 0.02
_DEGREES: Final = 4.0
"""Degrees of freedom of Student's t: points that belong to something else pull little."""
_WINDOWS: Final = (0.4, 0.5, 0.6)
"""Lengths of the windows that parabolas are fitted to, as shares of the time over which the rear is registered. Longer
ones are less noisy, but see a brake later, and long after its end.
"""
_FEWEST: Final = 4
"""Moments that a parabola is fitted to: one more than it has coefficients."""
TIME_TOLERANCE_S: Final = 0.05
_TICK_TOLERANCE_S: Final = 0.02
"""A moment so near to a tick is of that tick."""
_HARDEST_MPS2: Final = 12.0
"""What tyres hold, and a little more."""
_PASSES: Final = (0.3, 0.15, 0.0, 0.0)
"""The residuals' scale [m] in each pass; 0: measured."""


@dataclass(frozen=True, eq=False)
class Moment:
    """Points of a rear at one moment: xy_m (M, 2) float64 [m, world], height_m (M,) [m, above the ground]."""

    time_s: float
    xy_m: Values
    height_m: Values


@dataclass(frozen=True, eq=False)
class Registered:
    """Places of one rear along a direction: time_s (J,) relative to the last, position_m (J,), and information (J, J).

    The information [1/m^2] is the inverse covariance of the positions; what all share is unknown.
    """

    time_s: Values
    position_m: Values
    information: Values


@dataclass(frozen=True)
class Braking:
    """Speed [m/s] and acceleration [m/s^2] of a vehicle at the last moment, along the direction that was registered.

    score [m/s^2]: its deceleration, the largest of several windows.
    """

    speed_mps: float
    acceleration_mps2: float
    score: float


def register(moments: Sequence[Moment], direction: Values) -> Registered:
    """Places of one rear at J moments along a direction (2,), a unit vector of the world frame; from moments[-1]."""
    counts = [len(moment.xy_m) for moment in moments]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    moment_of = np.repeat(np.arange(len(moments)), counts)
    xy_m = np.concatenate([moment.xy_m for moment in moments]) - moments[-1].xy_m.mean(axis=0)
    along = xy_m @ direction
    beside = xy_m @ np.array([-direction[1], direction[0]])
    beside -= (np.add.reduceat(beside, starts) / counts)[moment_of]
    shape = np.column_stack([_hats(np.concatenate([moment.height_m for moment in moments])), beside])
    place = np.array([np.quantile(along[moment_of == j], 0.3) for j in range(len(moments))])
    profile, prior = np.zeros(shape.shape[1]), _prior()
    for scale_m in _PASSES:
        residual = along - place[moment_of] - shape @ profile
        sigma_m = scale_m or max(_LEAST_SIGMA_M, 1.4826 * float(np.median(np.abs(residual))))
        weight = (_DEGREES + 1) / (_DEGREES + (residual / sigma_m) ** 2) / sigma_m**2
        weighted = shape * weight[:, None]
        own, shared = np.add.reduceat(weight, starts), np.add.reduceat(weighted, starts)
        total = shape.T @ weighted + prior
        seen = np.add.reduceat(weight * along, starts)
        reduced = total - shared.T @ (shared / own[:, None])
        profile = np.linalg.solve(reduced, weighted.T @ along - shared.T @ (seen / own))
        place = (seen - shared @ profile) / own
    information = np.diag(own) - shared @ np.linalg.solve(total, shared.T)
    loose = np.linalg.solve(information + np.eye(len(moments)) / _EXTRA_SIGMA_M**2, information)
    time_s = np.array([moment.time_s for moment in moments]) - moments[-1].time_s
    return Registered(time_s, place, information - information @ loose)


def _hats(height_m: Values) -> Values:
    """Weights (N, K) of the profile's knots at some heights (N,): linear between two knots."""
    return np.asarray(np.clip(1 - np.abs(height_m[:, None] - _KNOTS_M) / _KNOT_M, 0, None), dtype=np.float64)


def _prior() -> Values:
    """Information of the profile's knots, and of the turn, before any point is seen."""
    knots = len(_KNOTS_M)
    steps = np.diff(np.eye(knots), axis=0) / _PROFILE_STEP_M
    prior = np.zeros((knots + 1, knots + 1))
    prior[:knots, :knots] = steps.T @ steps + np.eye(knots) / _PROFILE_REACH_M**2
    prior[knots, knots] = 1 / _TURN**2
    return prior


def places_by_tick(registered: Registered) -> Values:
    """Places (HISTORY_TICKS + 1,) [m] of a rear 0, 1, ... ticks before its last moment, relative to the place there.

    nan: no moment is of that tick.
    """
    lag = -registered.time_s * TICKS_PER_SECOND
    tick = np.rint(lag).astype(np.int64)
    kept = (tick <= HISTORY_TICKS) & (np.abs(lag - tick) < _TICK_TOLERANCE_S * TICKS_PER_SECOND)
    places_m = np.full(HISTORY_TICKS + 1, np.nan)
    places_m[tick[kept]] = registered.position_m[kept] - registered.position_m[-1]
    return places_m


def braking(registered: Registered, seconds: float, usual_mps2: float) -> Braking | None:
    """How hard a vehicle brakes, from places registered over `seconds`; None where too few moments are known.

    A parabola is fitted to windows of several lengths, and the hardest braking counts. Drivers usually accelerate and
    brake with up to `usual_mps2`; the less certain a fit is, the more that counts against it. Fits beyond what tyres
    hold are of two different things, and do not count. Speed and acceleration are those of the longest window.
    """
    fits = [_parabola(registered, share * seconds, usual_mps2) for share in _WINDOWS]
    known = [fit for fit in fits if fit is not None and abs(fit[1]) < _HARDEST_MPS2]
    if not known:
        return None
    speed_mps, acceleration_mps2 = known[-1]
    return Braking(speed_mps, acceleration_mps2, max(-fit[1] for fit in known))


def _parabola(registered: Registered, window_s: float, usual_mps2: float) -> tuple[float, float] | None:
    """Speed and acceleration at the last moment; None where fewer than _FEWEST moments are in the window."""
    inside = registered.time_s > -window_s - TIME_TOLERANCE_S
    if np.count_nonzero(inside) < _FEWEST:
        return None
    time_s, place_m = registered.time_s[inside], registered.position_m[inside]
    information = _marginal(registered.information, inside)
    terms = np.column_stack([np.ones_like(time_s), time_s, time_s**2 / 2])
    weighted = information @ terms
    # The information lacks where the whole stands: a little is added, so that the matrix can be inverted.
    covariance = np.linalg.inv(terms.T @ weighted + 1e-6 * np.eye(3))
    solution = covariance @ (weighted.T @ place_m)
    residual = place_m - terms @ solution
    excess = float(residual @ information @ residual) / max(1, len(time_s) - 3)
    sigma_mps2 = float(np.sqrt(covariance[2, 2] * max(1.0, excess)))
    trust = usual_mps2**2 / (usual_mps2**2 + sigma_mps2**2)
    return float(solution[1]), trust * float(solution[2])


def _marginal(information: Values, inside: npt.NDArray[np.bool_]) -> Values:
    """Information of some of the positions, whatever the others are."""
    if inside.all():
        return information
    kept, shared = information[np.ix_(inside, inside)], information[np.ix_(inside, ~inside)]
    return np.asarray(
        kept - shared @ np.linalg.solve(information[np.ix_(~inside, ~inside)], shared.T), dtype=np.float64
    )
