"""The benchmark of braking drives: a handful of short drives, judged and put on a page."""

from dataclasses import asdict

import numpy as np
import pytest

from benchmarks.braking import Params, Setting, _load, _save, judged, page, simulate
from benchmarks.braking_drives import FollowedDrive
from benchmarks.braking_picture import real_drives, write_ranges
from lib.common.params import load_params
from lib.simulator.driving.drive_scene import plan_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.simulate_params import SimulateParams

SETTING = Setting(channels=16, rays=128, drives=2, minutes=0.6, hard_stops_per_minute=0.3, seed=3)


@pytest.fixture(scope="module")
def drives() -> list[FollowedDrive]:
    return simulate(SETTING, load_params(Params), workers=2)


def test_each_ego_has_its_drives_and_half_of_the_minutes(drives):
    for ego in ("follower", "idm"):
        chosen = [each for each in drives if each.ego == ego]
        assert sum(each.scores.is_dynamic for each in chosen) == 2
        assert sum(not each.scores.is_dynamic for each in chosen) == 2
        assert all((each.twin is not None) == each.scores.is_dynamic for each in chosen)


def test_a_twin_is_its_original_until_the_label_and_its_ego_does_not_react(drives):
    for each in drives:
        if each.twin is None:
            continue
        onset = int(np.argmax(each.scores.labelled))
        assert len(each.twin.time_s) == min(onset + 12, 90)
        for method, scores in each.twin.scores.items():
            assert np.array_equal(scores[:onset], each.scores.scores[method][:onset])
        braked = each.scores.scores["pedal"][onset + 4 : onset + 12].max() > 0
        if braked and each.ego == "idm":
            assert each.twin.scores["pedal"][onset + 4 : onset + 12].max() <= each.scores.scores["pedal"][onset:].max()


def test_the_truth_is_that_of_the_plan(drives):
    base = load_params(Params).simulate.model_dump()
    changes = {"seed": 4, "follower_fraction": 0.0, "dynamic_scenarios": 2, "normality_scenarios": 2}
    size = {"anomaly_scenarios": 0, "frames_per_scenario": 90, "seconds_between_frames": 0.1}
    params = SimulateParams.model_validate(base | changes | size)
    found = {each.scores.name: each for each in drives if each.ego == "idm"}
    for plan in plan_scenarios(params):
        lane = plan_drive(plan, params).lane
        closing = (lane.lead.speed_mps - lane.ego.speed_mps)[MARGIN_TICKS:-MARGIN_TICKS]
        assert np.array_equal(found[plan.name].closing_mps, closing)


def test_the_page_has_a_row_for_each_method(drives):
    blocks = judged(drives) | {"setting": asdict(SETTING)}
    text = page({SETTING.name: blocks})
    for method in ("tracker", "middle of drive", "nearness", "ego deceleration", "pedal"):
        assert text.count(f"| {method} |") == 2
    assert "16 x 128, 0.3 hard stops a minute" in text


def test_saved_drives_give_the_same_numbers(tmp_path, drives):
    _save(tmp_path / "drives.npz", drives)
    found, expected = judged(_load(tmp_path / "drives.npz", tracker_ms=1.0)), judged(drives)
    for ego in ("follower", "idm"):
        for method in ("tracker", "pedal"):
            assert found[ego][method]["onset"]["auroc"] == expected[ego][method]["onset"]["auroc"]
            assert found[ego]["twins"][method]["auroc"] == expected[ego]["twins"][method]["auroc"]


def test_boxes_become_ranges(tmp_path, drives):
    rows = [f"1,{index},{384 - 384 / (10 + index)},{384 + 384 / (10 + index)}" for index in range(20)]
    (tmp_path / "boxes.csv").write_text("\n".join(["drive,index,left_px,right_px", *rows, "1,20,,"]), encoding="utf-8")
    real = real_drives(tmp_path / "boxes.csv")
    assert real.range_m == pytest.approx(np.arange(10.0, 30.0))
    assert real.closing_mps == pytest.approx(np.full(15, 10.0))
    assert real.nearest_m == pytest.approx([10.0])
    write_ranges(tmp_path / "ranges.png", drives, real)
    assert (tmp_path / "ranges.png").stat().st_size > 10_000
