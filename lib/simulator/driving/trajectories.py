"""The vehicles of the ego's lane along the street, moment by moment."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import TICKS_PER_SECOND
from lib.simulator.driving.controllers import HARDEST_MPS2, Idm, follower_pedals, pedal_acceleration, pedals_for
from lib.simulator.driving.drive_plan import SETTLED_S, SLOWEST_AT_ONSET_MPS, WARM_UP_S, Braking, DrivePlan

Floats = npt.NDArray[np.float64]
MARGIN_TICKS: Final = 12
"""Ticks known before the first frame and after the last one, for sensors that record earlier or later."""
_STEPS_PER_TICK: Final = 5
_STEP_S: Final = 1 / (TICKS_PER_SECOND * _STEPS_PER_TICK)
_RISE_S: Final = 0.12
"""Time constant with which brakes and engine take hold."""
_TOUCHING_M: Final = 0.02
_CUT_IN_ROOM_M: Final = 4.0
_CUT_IN_HEADWAY_S: Final = 3.0
"""Time gap that the ego keeps where somebody is about to cut in."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One vehicle, at each tick from MARGIN_TICKS before the first frame on: way_m (T,), of its middle along the lane;
    speed_mps and acceleration_mps2 (T,).
    """

    way_m: Floats
    speed_mps: Floats
    acceleration_mps2: Floats


@dataclass(frozen=True, eq=False)
class Lane:
    """The vehicles of the ego's lane; `first` drives ahead of the lead, if anybody does. pedals (T, 2): the ego's
    throttle and brake. touching (T,): the ego touches the lead. cut_in_s: when the lead begins to steer into
    the lane; -inf if it has always been there, inf if it stays beside.
    """

    ego: Trajectory
    lead: Trajectory
    first: Trajectory | None
    pedals: Floats
    touching: npt.NDArray[np.bool_]
    cut_in_s: float


@dataclass(frozen=True)
class Lengths:
    """Lengths of the vehicles [m]."""

    ego: float
    lead: float
    first: float


@dataclass
class _Vehicle:
    way_m: float
    speed_mps: float
    acceleration_mps2: float = 0.0

    @property
    def state(self) -> tuple[float, float, float]:
        return self.way_m, self.speed_mps, self.acceleration_mps2

    def advance(self, wish_mps2: float) -> None:
        self.acceleration_mps2 += (wish_mps2 - self.acceleration_mps2) * min(1.0, _STEP_S / _RISE_S)
        speed = max(0.0, self.speed_mps + self.acceleration_mps2 * _STEP_S)
        self.way_m += (self.speed_mps + speed) / 2 * _STEP_S
        if speed == 0.0:
            self.acceleration_mps2 = max(self.acceleration_mps2, 0.0)
        self.speed_mps = speed


def drive(plan: DrivePlan, lengths: Lengths, frames: int) -> Lane:
    """Let the vehicles of a plan drive; the ego's middle is at way 0 in the first frame.

    An ego that does not react drives as it would if the lead did not brake, until it touches it.
    """
    if plan.onset_tick is None or plan.ego_reacts:
        return _drive(plan, lengths, frames)[0]
    _, pedals = _drive(replace(plan, lead_brakes=plan.lead_brakes[:-1]), lengths, frames)
    return _drive(plan, lengths, frames, pedals)[0]


def fits(plan: DrivePlan, lane: Lane) -> bool:
    """Whether the lead of a drive with an onset still moves then, and is in the ego's lane since a while."""
    if plan.onset_tick is None:
        return True
    onset_s = plan.onset_tick / TICKS_PER_SECOND
    moves = lane.lead.speed_mps[MARGIN_TICKS + plan.onset_tick] >= SLOWEST_AT_ONSET_MPS
    return bool(moves) and lane.cut_in_s + plan.cut_in_takes_s + SETTLED_S <= onset_s + 1e-6


def _drive(
    plan: DrivePlan, lengths: Lengths, frames: int, script: Sequence[tuple[float, float]] = ()
) -> tuple[Lane, list[tuple[float, float]]]:
    """The drive, and the ego's pedals in each step; `script`: pedals of another run, taken as they are."""
    warm_up = round(WARM_UP_S * TICKS_PER_SECOND)
    ticks = range(-warm_up, frames + MARGIN_TICKS)
    speed = 0.8 * plan.first.desired_mps
    ego = _Vehicle(0.0, speed)
    lead = _Vehicle(plan.gap_m + (lengths.ego + lengths.lead) / 2, speed)
    first = None
    if plan.gap_ahead_m is not None:
        first = _Vehicle(lead.way_m + plan.gap_ahead_m + (lengths.lead + lengths.first) / 2, speed)
        if plan.cut_in_s is not None:  # the lead is in the lane beside, the ego follows `first` farther off
            first.way_m += lengths.lead + 8.0
    cut_in_s = -math.inf if plan.cut_in_s is None else math.inf
    rows, used = list[tuple[float, ...]](), list[tuple[float, float]]()
    pedals = 0.0, 0.0
    for tick in ticks:
        if tick >= -MARGIN_TICKS:
            states = (state for vehicle in (ego, lead, first or lead) for state in vehicle.state)
            rows.append((*states, *pedals, float(_gap(ego, lead, lengths) <= 2 * _TOUCHING_M)))
        for step in range(_STEPS_PER_TICK):
            time_s = tick / TICKS_PER_SECOND + step * _STEP_S
            lead_wish = _own_wish(plan.first if first is None else plan.lead_driver, lead, first, lengths)
            if first is None:
                lead_wish = _with_braking(lead_wish, plan.first_brakes, lead, time_s)
            lead_wish = _with_braking(lead_wish, plan.lead_brakes, lead, time_s)
            if time_s >= (plan.cut_in_s or 0.0) and _gap(ego, lead, lengths) > _CUT_IN_ROOM_M:
                cut_in_s = min(cut_in_s, time_s)
            beside = first if time_s < cut_in_s else None
            pedals = script[len(used)] if script else _ego_pedals(plan, ego, lead, beside, lengths, time_s)
            used.append(pedals)
            ego_wish = pedal_acceleration(*pedals, ego.speed_mps)
            if first is not None:
                first.advance(_with_braking(plan.first.acceleration(first.speed_mps), plan.first_brakes, first, time_s))
            lead.advance(lead_wish)
            ego.advance(ego_wish)
            if time_s >= cut_in_s + plan.cut_in_takes_s / 2 and _gap(ego, lead, lengths) < _TOUCHING_M:
                ego.way_m = lead.way_m - (lengths.ego + lengths.lead) / 2 - _TOUCHING_M
                ego.speed_mps = min(ego.speed_mps, lead.speed_mps)
    return _lane(np.array(rows), first is not None, frames, cut_in_s), used


def _lane(rows: Floats, with_first: bool, frames: int, cut_in_s: float) -> Lane:
    assert len(rows) == frames + 2 * MARGIN_TICKS
    origin_m = rows[MARGIN_TICKS, 0]
    ego, lead, first = (Trajectory(rows[:, k] - origin_m, rows[:, k + 1], rows[:, k + 2]) for k in (0, 3, 6))
    return Lane(ego, lead, first if with_first else None, rows[:, 9:11], rows[:, 11] > 0, cut_in_s)


def _gap(behind: _Vehicle, ahead: _Vehicle, lengths: Lengths) -> float:
    """Gap between ego and lead, bumper to bumper [m]."""
    return ahead.way_m - behind.way_m - (lengths.ego + lengths.lead) / 2


def _own_wish(driver: Idm, lead: _Vehicle, first: _Vehicle | None, lengths: Lengths) -> float:
    """What the lead would do by itself: drive freely, or follow the first vehicle."""
    if first is None:
        return driver.acceleration(lead.speed_mps)
    gap_m = first.way_m - lead.way_m - (lengths.first + lengths.lead) / 2
    return driver.acceleration(lead.speed_mps, gap_m, first.speed_mps)


def _with_braking(wish_mps2: float, brakings: Sequence[Braking], vehicle: _Vehicle, time_s: float) -> float:
    """The wish, or the braking of this moment, if that is harder; standing, the brake keeps the vehicle there."""
    for braking in brakings:
        if braking.start_s - 1e-9 <= time_s < braking.end_s - 1e-9:
            if vehicle.speed_mps > braking.down_to_mps or braking.down_to_mps == 0.0:
                return min(wish_mps2, -braking.deceleration_mps2)
            return min(wish_mps2, 0.0)
    return wish_mps2


def _ego_pedals(
    plan: DrivePlan, ego: _Vehicle, lead: _Vehicle, first: _Vehicle | None, lengths: Lengths, time_s: float
) -> tuple[float, float]:
    """Throttle and brake of the ego: behind the lead, or behind `first` while the lead is beside."""
    ahead, length_m, driver = lead, lengths.lead, plan.ego_driver
    if first is not None:
        ahead, length_m, driver = first, lengths.first, replace(driver, headway_s=_CUT_IN_HEADWAY_S)
    distance_m = ahead.way_m - ego.way_m
    if plan.ego == "follower":
        throttle, brake = follower_pedals(ego.speed_mps, distance_m, ahead.speed_mps)
    else:
        gap_m = distance_m - (lengths.ego + length_m) / 2
        throttle, brake = pedals_for(driver.acceleration(ego.speed_mps, gap_m, ahead.speed_mps), ego.speed_mps)
    for each in plan.ego_brakes:
        if each.start_s <= time_s < each.end_s and ego.speed_mps > each.down_to_mps:
            throttle, brake = 0.0, max(brake, each.deceleration_mps2 / HARDEST_MPS2)
    return throttle, brake
