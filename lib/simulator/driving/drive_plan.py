"""What happens in a drive: who drives ahead, and when somebody stops, slows down, cuts in or brakes."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lib.common.ticks import TICKS_PER_SECOND
from lib.simulator.driving.controllers import Idm
from lib.simulator.simulate_params import SimulateParams

Ego = Literal["follower", "idm"]
"""The ego's driver: AnoVox's, which follows closely and drives into a lead that stops, or one who keeps a distance."""
WARM_UP_S: Final = 14.0
"""Driven before the first frame, so that a drive begins in any state of traffic."""
LABELLED_TICKS: Final = 31
"""So many ticks AnoVox labels the lead as an anomaly; it brakes from the second of them on."""
BEFORE_ONSET_TICKS: Final = 15
FROM_ONSET_TICKS: Final = 12
"""At least so many frames before the label, and from it on."""
SLOWEST_AT_ONSET_MPS: Final = 4.0
SETTLED_S: Final = 1.5
"""So long before the label, the lead is in the ego's lane."""
_STEERING_S: Final = (2.0, 3.5)


@dataclass(frozen=True)
class Braking:
    """A driver brakes from start_s to end_s with so much [m/s2], whatever is ahead, but not below `down_to_mps`."""

    start_s: float
    end_s: float
    deceleration_mps2: float
    down_to_mps: float = 0.0


@dataclass(frozen=True)
class Sway:
    """How a driver keeps to the lane's middle: offset to the left, amplitude and period of the swaying."""

    offset_m: float = 0.0
    amplitude_m: float = 0.0
    period_s: float = 8.0


@dataclass(frozen=True)
class DrivePlan:
    """Times are in seconds from the first frame.

    first: driver of the first vehicle of the queue, which is the lead where `gap_ahead_m` is None; gap_ahead_m: of the
    lead behind that vehicle, at the start; gap_m: of the ego behind the lead. first_brakes, lead_brakes, ego_brakes:
    what they do of their own. onset_tick: the first labelled frame, None in normality. cut_in_s: the lead comes from
    the lane beside; it begins to steer then, or when there is room, and takes cut_in_takes_s.
    """

    ego: Ego
    ego_driver: Idm
    first: Idm
    lead_driver: Idm
    gap_m: float
    gap_ahead_m: float | None
    first_brakes: tuple[Braking, ...] = ()
    lead_brakes: tuple[Braking, ...] = ()
    ego_brakes: tuple[Braking, ...] = ()
    onset_tick: int | None = None
    ego_reacts: bool = True
    cut_in_s: float | None = None
    cut_in_takes_s: float = 3.0
    ego_sway: Sway = Sway()
    lead_sway: Sway = Sway()


def draw_drive(params: SimulateParams, rng: np.random.Generator, *, dynamic: bool, may_cut_in: bool) -> DrivePlan:
    """Draw a drive; `dynamic`: the lead brakes without a cause. `may_cut_in`: there is a lane beside.

    All but the last braking of the lead is drawn alike in both kinds; only in normality are there stops as hard.
    """
    length_s = params.frames_per_scenario / TICKS_PER_SECOND
    ego: Ego = "follower" if rng.random() < params.follower_fraction else "idm"
    cruise = float(rng.uniform(5.0, 11.0))
    cut_in = may_cut_in and rng.random() < params.cut_in_fraction and ego == "idm"
    queue = cut_in or rng.random() < 0.6
    first = Idm(cruise, headway_s=1.2, acceleration_mps2=float(rng.uniform(1.2, 2.5)))
    lead = Idm(cruise * float(rng.uniform(1.0, 1.2)), float(rng.uniform(0.8, 1.6)), float(rng.uniform(1.4, 2.5)))
    driver = Idm(
        desired_mps=cruise * float(rng.uniform(1.02, 1.3)),
        headway_s=float(rng.uniform(0.8, 2.6)),
        acceleration_mps2=float(rng.uniform(1.2, 2.2)),
        comfortable_mps2=float(rng.uniform(1.6, 3.0)),
        gap_m=float(rng.uniform(2.0, 3.0)),
    )
    gap = float(rng.uniform(2.5, 7.0)) if ego == "follower" else float(rng.uniform(8.0, 40.0))
    gap_ahead = float(rng.uniform(8.0, 30.0)) if queue else None
    cut_in_s = float(rng.uniform(-1.0, max(length_s - 4.0, 0.0))) if cut_in else None
    sways = [Sway(*(float(rng.uniform(*ends)) for ends in ((-0.2, 0.2), (0.0, 0.12), (5.0, 12.0)))) for _ in range(2)]
    takes_s = float(rng.uniform(*_STEERING_S))
    first_brakes = _everyday_stops(params, rng, length_s)
    hard = () if dynamic else _hard_stops(params, rng, length_s)
    ego_brakes = _ego_brakes(params, rng, length_s)
    onset: int | None = None
    brake: tuple[Braking, ...] = ()
    if dynamic:
        onset = int(rng.integers(BEFORE_ONSET_TICKS, params.frames_per_scenario - FROM_ONSET_TICKS + 1))
        acts_s = onset / TICKS_PER_SECOND
        last_s = acts_s + (LABELLED_TICKS - 1) / TICKS_PER_SECOND
        brake = (Braking(acts_s, last_s, float(rng.uniform(7.5, 9.0))),)
        quiet_s = acts_s - float(rng.uniform(2.0, 6.0))
        # What is ahead of the lead is no cause: nobody stops right before it, and the lead has settled in its lane.
        first_brakes = tuple(each for each in first_brakes if each.end_s < quiet_s)
        if cut_in_s is not None:
            cut_in_s = min(cut_in_s, acts_s - takes_s - SETTLED_S)
    return DrivePlan(
        ego,
        driver,
        first,
        lead,
        gap,
        gap_ahead,
        first_brakes,
        (*hard, *brake),
        ego_brakes,
        onset,
        params.ego_reacts,
        cut_in_s,
        takes_s,
        *sways,
    )


def _everyday_stops(params: SimulateParams, rng: np.random.Generator, length_s: float) -> tuple[Braking, ...]:
    """Stops at lights and slowing down, gently, as often as `traffic_events_per_minute` says."""
    events = list[Braking]()
    for start_s in _times(rng, params.traffic_events_per_minute, length_s):
        stop = rng.random() < 0.6
        strength = float(rng.uniform(1.0, 3.2))
        lasts_s = float(rng.uniform(3.0, 8.0)) if stop else float(rng.uniform(1.0, 3.0))
        if not events or start_s > events[-1].end_s + 1.0:
            down_to = 0.0 if stop else float(rng.uniform(2.0, 5.0))
            events.append(Braking(start_s, start_s + lasts_s, strength, down_to))
    return tuple(events)


def _hard_stops(params: SimulateParams, rng: np.random.Generator, length_s: float) -> tuple[Braking, ...]:
    """Stops of the lead as hard as the anomaly, with a cause: AnoVox's traffic brakes so at red lights."""
    times = _times(rng, params.hard_stops_per_minute, length_s)
    return tuple(Braking(s, s + float(rng.uniform(2.0, 4.0)), float(rng.uniform(7.5, 9.0))) for s in times)


def _ego_brakes(params: SimulateParams, rng: np.random.Generator, length_s: float) -> tuple[Braking, ...]:
    """The ego brakes without a cause."""
    times = _times(rng, params.ego_brakes_per_minute, length_s)
    return tuple(Braking(s, s + float(rng.uniform(0.6, 1.5)), float(rng.uniform(2.0, 7.0)), 0.5) for s in times)


def _times(rng: np.random.Generator, per_minute: float, length_s: float) -> list[float]:
    """Random times, ascending, from the warm-up's start on."""
    count = int(rng.poisson(per_minute * (length_s + WARM_UP_S) / 60))
    return sorted(rng.uniform(-WARM_UP_S, length_s, count).tolist())
