import logging

import numpy as np
import pytest

from lib.evaluation.levels import score_scenario
from lib.evaluation.metrics_report import evaluate
from lib.shards.shard_reader import read_shard
from tests.all_params import all_params
from tests.scored_sample import Ball, made_up_scores, made_up_validation, write_scenario

PARAMS = all_params().evaluate.model_copy(update={"bootstrap_resamples": 200})


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    balls: list[list[Ball | None]] = [[Ball(20.0 - 3 * i, 0.0, 0.3 + 0.1 * n) for i in range(4)] for n in range(8)]
    made = [write_scenario(folder, f"Scenario_a{n}", frames, None) for n, frames in enumerate(balls)]
    return made + [write_scenario(folder, f"Scenario_n{n}", [None] * 8, None) for n in range(8)]


def scores_of(path):
    return score_scenario(read_shard(path), made_up_scores(path), PARAMS)


def report(paths, validation=None):
    return evaluate(map(scores_of, paths), PARAMS, validation)


def test_the_curve_rises_and_passes_through_the_blocks_point(paths):
    found = report(paths)
    rows = found.events
    for name in ("false_alarms_per_minute", "detection_rate"):
        assert np.all(np.diff([row[name] for row in rows]) >= 0), name
    assert all(row["detection_rate_low"] <= row["detection_rate"] <= row["detection_rate_high"] for row in rows)
    block = found.metrics["events"]
    allowed = [row for row in rows if row["false_alarms_per_minute"] <= 1]
    assert allowed[-1]["detection_rate"] >= block["detection_rate"] > 0
    assert block["detection_rate"] in [pytest.approx(row["detection_rate"]) for row in allowed]


def test_nothing_is_found_farther_away_than_it_is_seen(paths):
    rows = report(paths, made_up_validation()).first_detections
    assert {row["threshold"] for row in rows} == {"the test's own", "from validation"}
    assert all(row["detection_rate"] <= row["in_view_fraction"] for row in rows)
    for name in ("the test's own", "from validation"):
        part = [row for row in rows if row["threshold"] == name]
        assert part[0]["distance_m"] == 0 and part[0]["in_view_fraction"] == 1
        assert np.all(np.diff([row["detection_rate"] for row in part]) <= 0)


def test_validation_adds_its_threshold_and_changes_no_other_number(paths):
    alone, with_it = report(paths).metrics, report(paths, made_up_validation()).metrics
    at = with_it["events"].pop("at_validation_threshold")
    assert at["threshold"] != alone["events"]["threshold"] and at["validation_minutes"] == pytest.approx(2.0)
    assert with_it.pop("outside_shift") == -0.5
    calibration = with_it.pop("calibration")
    assert set(calibration) == {"frame", "point"}
    assert all(0 <= block[name] <= 1 for block in calibration.values() for name in ("test_error", "validation_error"))
    assert with_it == alone


def test_too_little_normal_driving_leaves_the_threshold_out_and_says_how_long_it_lasts(paths, caplog):
    anomalous, normal = paths[:8], paths[8:15]
    with caplog.at_level(logging.WARNING):
        found = report(anomalous + normal, made_up_validation(step_s=0.1))
    assert found.metrics["events"] == {"objects": 8, "normal_minutes": pytest.approx(56 / 60)}
    assert found.first_detections == []
    rates = sorted({row["false_alarms_per_minute"] for row in found.events})
    assert rates[0] == 0 and rates[1] >= 60 / 56  # what was counted: none in 56 s, or one and more
    said = [record.message for record in caplog.records if record.message.startswith("events: ")]
    for message, words in zip(said, ("from the test set", "from validation"), strict=True):
        assert message.startswith(f"events: no threshold of one false alarm a minute {words}: ")
    assert "lasts 56 s, too short to hold one; " in said[0] and "lasts 24 s, too short to hold one; " in said[1]


def test_validation_may_last_long_enough_where_the_test_does_not(paths):
    found = report(paths[:15], made_up_validation())
    assert set(found.metrics["events"]) == {"objects", "normal_minutes", "at_validation_threshold"}
    assert {row["threshold"] for row in found.first_detections} == {"from validation"}
