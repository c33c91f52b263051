from dataclasses import replace

import numpy as np
import pytest

from lib.geometry.frame import ScenarioType
from lib.simulator.driving.controllers import MIN_GAP_M
from lib.simulator.driving.drive_plan import LABELLED_TICKS, draw_drive
from lib.simulator.driving.drive_scene import plan_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS, Lengths, drive, fits
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.simulate_params import SimulateParams
from tests.all_params import all_params
from tests.present import present

FRAMES = slice(MARGIN_TICKS, -MARGIN_TICKS)
LENGTHS = Lengths(4.9, 4.5, 4.5)


def drive_params(**changes: object) -> SimulateParams:
    drives = {"dynamic_scenarios": 6, "normality_scenarios": 6, "anomaly_scenarios": 0}
    rate = {"frames_per_scenario": 90, "seconds_between_frames": 0.1}
    return all_params().simulate.model_copy(update=drives | rate | changes)


def draw(seed: int, dynamic: bool = True, **changes: object):
    plan = draw_drive(drive_params(**changes), np.random.default_rng(seed), dynamic=dynamic, may_cut_in=False)
    return plan, drive(plan, LENGTHS, 90)


@pytest.mark.parametrize("seed", range(8))
def test_positions_follow_from_speeds_and_speeds_from_accelerations(seed):
    _, lane = draw(seed)
    for vehicle in (lane.ego, lane.lead):
        moved_m = np.diff(vehicle.way_m)
        free = ~(lane.touching[1:] | lane.touching[:-1])  # a push moves the ego at once
        between = (vehicle.speed_mps[1:] + vehicle.speed_mps[:-1]) / 2 * 0.1
        assert np.abs(moved_m - between)[free].max() < 0.03
        assert (moved_m >= -1e-9)[free].all()
        assert vehicle.speed_mps.min() >= 0


@pytest.mark.parametrize("seed", range(8))
def test_the_lead_brakes_from_the_tick_after_the_first_labelled_one(seed):
    plan, lane = draw(seed)
    if not fits(plan, lane):
        pytest.skip("redrawn by plan_drive")
    assert plan.onset_tick is not None
    onset = MARGIN_TICKS + plan.onset_tick
    calm = drive(replace(plan, lead_brakes=()), LENGTHS, 90)
    assert np.array_equal(lane.lead.way_m[: onset + 1], calm.lead.way_m[: onset + 1])
    assert lane.lead.way_m[onset + 1] < calm.lead.way_m[onset + 1]
    assert lane.lead.acceleration_mps2[onset + 4] < -0.8 * plan.lead_brakes[-1].deceleration_mps2
    stopped = lane.lead.speed_mps[onset + 22 : min(onset + 30, 90 + MARGIN_TICKS)]
    assert (stopped == 0).all()


@pytest.mark.parametrize("seed", range(12))
def test_an_ego_that_does_not_react_drives_as_if_nothing_happened_until_it_touches(seed):
    plan, lane = draw(seed)
    twin = drive(replace(plan, ego_reacts=False), LENGTHS, 90)
    calm = drive(replace(plan, lead_brakes=plan.lead_brakes[:-1]), LENGTHS, 90)
    assert np.array_equal(twin.lead.way_m, lane.lead.way_m)
    free = ~np.logical_or.accumulate(twin.touching)
    assert np.allclose(twin.ego.way_m[free], calm.ego.way_m[free], atol=1e-9)
    assert ((twin.lead.way_m - twin.ego.way_m) > (LENGTHS.ego + LENGTHS.lead) / 2 - 1e-6).all()


def test_only_the_follower_drives_into_the_lead():
    touched: dict[str, list[bool]] = {"follower": [], "idm": []}
    for seed in range(60):
        plan, lane = draw(seed, ego_brakes_per_minute=0.0, follower_fraction=float(seed % 2))
        touched[plan.ego].append(bool(lane.touching[FRAMES].any()))
    assert np.mean(touched["follower"]) > 0.5
    assert not any(touched["idm"])


def test_hard_stops_come_as_often_as_asked_and_only_in_normality():
    counted = dict.fromkeys((True, False), 0)
    for dynamic in counted:
        for seed in range(200):
            plan = draw_drive(
                drive_params(hard_stops_per_minute=2.0), np.random.default_rng(seed), dynamic=dynamic, may_cut_in=False
            )
            counted[dynamic] += len(plan.lead_brakes)
    minutes = 200 * (9.0 + 14.0) / 60
    assert counted[True] == 200  # the anomaly alone
    assert counted[False] / minutes == pytest.approx(2.0, rel=0.2)


def test_vehicles_queue_two_metres_apart():
    gaps = []
    for seed in range(80):
        _, lane = draw(seed, dynamic=False, traffic_events_per_minute=10.0, hard_stops_per_minute=0.0)
        if lane.first is not None:
            still = (lane.lead.speed_mps < 0.05) & (lane.first.speed_mps < 0.05)
            gaps += (lane.first.way_m - lane.lead.way_m)[still].tolist()
    assert np.median(gaps) - LENGTHS.lead == pytest.approx(MIN_GAP_M, abs=0.6)


def test_planned_drives_are_the_same_for_twins_and_leads_move_in_their_lane_at_the_onset():
    params = drive_params(cut_in_fraction=1.0, follower_fraction=0.0, dynamic_scenarios=12)
    cut_in = 0
    for scenario in plan_scenarios(params):
        planned = plan_drive(scenario, params)
        if scenario.type is not ScenarioType.DYNAMIC:
            assert planned.plan.onset_tick is None
            continue
        twin = plan_drive(scenario, params.model_copy(update={"ego_reacts": False}))
        assert np.array_equal(
            planned.lane.lead.way_m - planned.lane.lead.way_m[0], twin.lane.lead.way_m - twin.lane.lead.way_m[0]
        )
        onset = present(planned.plan.onset_tick)
        assert onset == twin.plan.onset_tick
        assert 15 <= onset <= 90 - 12
        assert planned.lane.lead.speed_mps[MARGIN_TICKS + onset] >= 4.0
        if planned.plan.cut_in_s is not None:
            cut_in += 1
            assert planned.lane_beside is not None
            assert planned.lane.cut_in_s + planned.plan.cut_in_takes_s + 1.5 <= onset / 10 + 1e-6
    assert cut_in
    assert LABELLED_TICKS == 31


def test_the_onset_says_nothing_about_the_index():
    onsets = []
    for seed in range(300):
        plan = draw_drive(drive_params(), np.random.default_rng(seed), dynamic=True, may_cut_in=False)
        onsets.append(present(plan.onset_tick))
    assert np.histogram(onsets, bins=4, range=(15, 79))[0].min() > 50
