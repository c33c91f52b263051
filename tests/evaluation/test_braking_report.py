"""Drives read from real shards: their truth, shortcuts and points, and what is wrong with some of them."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from lib.common.errors import DataError
from lib.evaluation.braking_report import BrakingCounter
from lib.evaluation.braking_shortcuts import ego_deceleration_mps2, middle_of_drive, vehicle_ahead
from lib.evaluation.braking_truth import is_judged, lead_speed_mps
from lib.evaluation.levels import score_in_parts
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import yaw_transform
from lib.shards.shard_reader import read_shard
from lib.shards.tracks import write_tracks
from tests.all_params import all_params
from tests.braking_sample import AGENT, BRAKING, Drive, braking_drive, change_tracks, made_up_tracks, write_drive
from tests.present import present
from tests.scored_sample import LIDAR, made_up_scores

PARAMS = all_params().evaluate.model_copy(update={"bootstrap_resamples": 200})
NORMAL = Drive(None, (None,) * 40)


def counted(folder, paths):
    """The report of shards whose tracks are written where there are none yet."""
    counter = BrakingCounter(folder / "tracks", PARAMS)
    for path in paths:
        shard, predictions = read_shard(path), made_up_scores(path)
        if not (folder / "tracks" / path.name).exists():
            write_tracks(folder / "tracks" / path.name, made_up_tracks(shard))
        for part in score_in_parts(shard, predictions, PARAMS):
            counter.add(shard, predictions, part)
    return counter.finish()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def paths(folder):
    drives = {"Scenario_a": braking_drive(), "Scenario_b": braking_drive(start=25), "Scenario_c": NORMAL}
    return [write_drive(folder, name, drive) for name, drive in drives.items()]


@pytest.fixture(scope="module")
def report(folder, paths):
    return present(counted(folder, paths))


def test_truth_of_a_drive(report):
    rows = [row for row in report.drives if row["drive"] == "Scenario_a"]
    assert len(rows) == 60 and {row["drive"] for row in report.drives} == {"Scenario_a", "Scenario_b"}
    assert [i for i, row in enumerate(rows) if row["labelled"]] == list(range(30, 60))
    assert [row["time_s"] for row in rows[:3]] == [0.0, 0.1, 0.2]
    range_m = np.array([row["range_m"] for row in rows])
    assert range_m[:30] == pytest.approx(np.full(30, 19.2), abs=0.25)  # the ball's near side
    assert [row["speed_mps"] for row in rows[5:25]] == pytest.approx([10.0] * 20, abs=1.0)
    assert rows[45]["speed_mps"] == pytest.approx(10.0 - 8.0 * 1.5, abs=1.0)
    touches = [row["contact"] for row in rows]
    first = touches.index(1)
    assert touches == [0] * first + [1] * (60 - first)
    assert 20.0 - 0.04 * (first - 30) ** 2 - 0.9 < 3.0 < 20.0 - 0.04 * (first - 31) ** 2 - 0.9 + 0.1


def test_ranges_are_of_the_vehicles_frame(tmp_path):
    """A LiDAR 2 m ahead of the ego's middle sees the same cloud 2 m farther away."""
    ahead = replace(LIDAR, location=(2.0, 0.0, 1.8))
    path = write_drive(tmp_path, "Scenario_a", braking_drive(), lambda i, f: replace(f, lidars=(ahead,)))
    rows = present(counted(tmp_path, [path])).drives
    assert np.array([row["range_m"] for row in rows[:30]]) == pytest.approx(np.full(30, 21.2), abs=0.25)
    assert not any(row["contact"] for row in rows)


def test_points_agree_with_scikit_learn(report, paths):
    """With the agent's points of other ticks as negatives, and without them."""
    cases = defaultdict[tuple[str, str], list[np.ndarray]](list)
    for path in paths:
        shard, predictions, tracks = read_shard(path), made_up_scores(path), made_up_tracks(read_shard(path))
        for i, count in enumerate(shard.num_points.tolist()):
            classes = shard.point_class[i, :count]
            in_view = np.zeros(count, dtype=bool)
            in_view[shard.calibration.pixels_of(shard.points[i, :count, :3].T.astype(np.float64))[0]] = True
            tracked = np.full(count, -60000.0)
            tracked[tracks.points(i)] = tracks.frame_score[i]
            scores = {"detector": predictions.point_score[i, :count].astype(np.float64), "tracker": tracked}
            for name, kept in (("point", in_view), ("point_anovox_rule", in_view & (classes != AGENT))):
                for method, of_points in scores.items():
                    cases[method, name].append(np.stack([classes[kept] == BRAKING, of_points[kept]]))
    for (method, name), parts in cases.items():
        block, (labels, of_points) = report.block[method][name], np.concatenate(parts, axis=1)
        assert block["ap"] == pytest.approx(metrics.average_precision_score(labels, of_points), abs=1e-9), method
        assert block["auroc"] == pytest.approx(metrics.roc_auc_score(labels, of_points), abs=1e-9)
        assert block["ap_low"] <= block["ap_high"]
    always = report.block["lead_always"]
    assert always["point_anovox_rule"]["ap"] > 0.8 > 0.6 > always["point"]["ap"], "marking the car always costs"


def test_a_row_for_each_method_and_empty_cells_for_what_is_not_known(report):
    names = ["detector", "tracker", "middle_of_drive", "nearness", "ego_deceleration", "lead_always"]
    assert [row["method"] for row in report.methods] == names
    tracker, nearness = report.methods[1], report.methods[3]
    assert tracker["onset"] == report.block["tracker"]["onset"]["auroc"] > 0.6
    assert tracker["threshold"] == "", "80 frames are no minute"
    assert "point" not in report.block["nearness"] and nearness["point_ap"] == ""
    assert nearness["label"] > 0.9


def test_one_drive_after_another_whatever_the_parts(report, folder, paths, monkeypatch):
    monkeypatch.setattr("lib.evaluation.levels.FRAMES_AT_ONCE", 7)
    assert counted(folder, paths) == report


def test_without_a_dynamic_drive_there_is_no_report(tmp_path, paths, caplog):
    assert counted(tmp_path, [paths[2]]) is None
    slow = write_drive(tmp_path, "Scenario_s", braking_drive(), lambda i, f: replace(f, time_s=0.5 * i))
    assert not caplog.records
    assert counted(tmp_path, [paths[2], slow]) is None
    [record] = caplog.records
    assert "Scenario_s: not at 10 Hz" in record.getMessage()


@pytest.mark.parametrize(
    ("change", "judged"),
    [
        (lambda i, frame: replace(frame, time_s=0.05 * i), False),
        (lambda i, frame: replace(frame, time_s=0.2 * i), False),
        (lambda i, frame: replace(frame, time_s=None if i == 7 else 0.1 * i), False),
        (lambda i, frame: replace(frame, time_s=0.1 * i + 0.005 * (i % 2)), True),
        (lambda i, frame: replace(frame, time_s=0.1 * i + (1.0 if i > 20 else 0.0)), True),
        (lambda i, frame: replace(frame, scenario_type=ScenarioType.STATIC), False),
    ],
)
def test_a_drive_is_at_10_hz(tmp_path, change, judged):
    assert is_judged(read_shard(write_drive(tmp_path, "Scenario_x", braking_drive(), change))) is judged


def test_a_drive_at_another_rate_beside_others_is_named(tmp_path, paths, caplog):
    slow = write_drive(tmp_path, "Scenario_s", braking_drive(), lambda i, f: replace(f, time_s=0.05 * i))
    found = present(counted(tmp_path, [*paths, slow]))
    assert found.block["drives"] == 2 and "Scenario_s: not at 10 Hz" in caplog.text


def test_times_that_go_back_are_named(tmp_path, paths):
    back = write_drive(tmp_path, "Scenario_s", braking_drive(), lambda i, f: replace(f, time_s=0.1 * (i - (i == 30))))
    with pytest.raises(DataError, match=r"Scenario_s\.h5: the time of frame 130 is not after .*then run `dvc repro`"):
        counted(tmp_path, [*paths, back])


def test_a_drive_without_a_vehicle_ahead_is_named_and_left_out(tmp_path, paths, caplog):
    empty = write_drive(tmp_path, "Scenario_e", Drive((30, 61), (None,) * 60))
    found = present(counted(tmp_path, [*paths, empty]))
    assert (found.block["drives"], found.block["drives_without_onset"]) == (3, 1)
    assert "1 of 3 drives have no onset (Scenario_e)" in caplog.text
    assert "Scenario_e: no LiDAR point of the vehicle ahead" in caplog.text
    assert found.block["detector"]["onset"]["positives"] == 20
    last = [row for row in found.drives if row["drive"] == "Scenario_e"]
    assert {(row["range_m"], row["speed_mps"], row["contact"]) for row in last} == {("", "", 0)}


def test_tracks_that_are_missing_of_another_shard_or_not_finite(tmp_path, paths):
    counter = BrakingCounter(tmp_path / "tracks", PARAMS)
    shard, predictions = read_shard(paths[0]), made_up_scores(paths[0])
    first = next(score_in_parts(shard, predictions, PARAMS))
    file = tmp_path / "tracks" / paths[0].name
    with pytest.raises(DataError, match=r"Scenario_a\.h5: there is no such track file; run `dvc repro track`"):
        counter.add(shard, predictions, first)
    for change, problem in (
        ({"shard_fingerprint": "0" * 32}, "was made from another shard"),
        ({"frame_id": shard.frame_id + 1}, "was made from another shard"),
        ({"frame_score": np.full(60, np.inf, dtype=np.float16)}, "scores that are not finite"),
    ):
        write_tracks(file, made_up_tracks(shard))
        change_tracks(file, **change)
        with pytest.raises(DataError, match=rf"tracks/Scenario_a\.h5: .*{problem}.*run `dvc repro .*track`"):
            counter.add(shard, predictions, first)


def test_the_middle_of_anovoxs_drives_is_index_139():
    assert middle_of_drive(200).tolist() == (-np.abs(np.arange(200) - 139.0)).tolist()
    assert int(middle_of_drive(60).argmax()) == 42


def test_ego_deceleration_by_its_poses():
    time_s = 0.1 * np.arange(40)
    travelled_m = 12.0 * time_s - 1.5 * time_s**2  # braking by 3 m/s^2
    poses = np.stack([yaw_transform(0.7, (s * np.cos(0.7), s * np.sin(0.7), 0.0)) for s in travelled_m.tolist()])
    ticks = np.arange(40)
    found = ego_deceleration_mps2(poses, ticks)
    assert found[5:] == pytest.approx(np.full(35, 3.0)) and not found[:5].any()
    poses[20] = np.nan
    found = ego_deceleration_mps2(poses, ticks)
    assert not found[20:26].any() and found[26:] == pytest.approx(np.full(14, 3.0))
    late = ego_deceleration_mps2(poses, np.where(ticks < 10, ticks, ticks + 1))
    assert not late[10:15].any() and late[15] == pytest.approx(3.0)


def street(*things):
    """Points (N, 3) [m] on the ground, and of things (x, y, z)."""
    generator = np.random.default_rng(2)
    ground = np.column_stack([generator.uniform(-40, 60, 4000), generator.uniform(-15, 15, 4000), np.zeros(4000)])
    boxes = [np.array(thing) + generator.uniform(-0.4, 0.4, (30, 3)) for thing in things]
    return np.concatenate([ground, *boxes])


def test_the_nearest_thing_in_the_own_lane():
    points = street((30.0, 0.0, 1.0), (12.0, 0.3, 1.0), (8.0, 3.0, 1.0), (10.0, 0.0, 6.0), (-5.0, 0.0, 1.0))
    range_m, rows = vehicle_ahead(points)
    assert present(range_m) == pytest.approx(11.6, abs=0.1)
    assert set(rows.tolist()) == set(range(4030, 4060))
    assert vehicle_ahead(points - [0, 0, 1.8])[0] == pytest.approx(present(range_m)), "wherever the ground is"
    for nothing in (np.zeros((0, 3)), street(), points[:4003]):
        assert vehicle_ahead(nothing)[0] is None and len(vehicle_ahead(nothing)[1]) == 0


def test_speed_of_the_vehicle_ahead_over_ground():
    time_s = 0.1 * np.arange(20)
    found = lead_speed_mps(30.0 - 2.0 * time_s, np.full(20, 9.0), time_s)
    assert found == pytest.approx(np.full(20, 7.0))
    assert np.isnan(lead_speed_mps(np.full(20, np.nan), np.full(20, 9.0), time_s)).all()
