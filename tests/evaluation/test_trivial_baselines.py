import logging
from typing import Any

import numpy as np
import pytest

from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import score_in_parts, score_scenario
from lib.evaluation.metrics_report import evaluate
from lib.evaluation.trivial_baselines import gives_away, with_baselines
from lib.geometry.frame import Anomaly
from lib.shards.shard_reader import read_shard
from tests.scored_sample import Ball, made_up_scores, write_scenario

PARAMS = EvaluateParams(
    seed=1,
    min_anomaly_image_fraction=0.0012,
    min_anomaly_points=10,
    bootstrap_resamples=100,
    voxel_score="centerpoint",
    hold_s=3.0,
)
SCENARIOS: list[tuple[list[Ball | None], Anomaly | None]] = [
    ([None, None, Ball(6, 0, 0.5), Ball(7, 1, 0.5)], Anomaly("Small")),
    ([None, Ball(9, -1, 0.7), Ball(8, -1, 0.7)], Anomaly("Big")),
    ([None, None], None),
]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return [write_scenario(folder, f"Scenario_{i}", *scenario) for i, scenario in enumerate(SCENARIOS)]


def scored(path):
    shard = read_shard(path)
    return shard, with_baselines(shard, score_scenario(shard, made_up_scores(path), PARAMS), PARAMS)


def test_each_has_the_items_of_its_level(paths):
    _, scores = scored(paths[0])
    assert {name.split(".")[1] for name in scores.baselines if name.startswith("frame.")} == {
        "random", "range", "height", "intensity", "brightness", "frame_index", "clutter"
    }  # fmt: skip
    for name, baseline in scores.baselines.items():
        level = scores.levels[name.split(".")[0]]
        assert len(baseline.negative) == len(level.negative), name
        np.testing.assert_array_equal(baseline.positive_frame, level.positive_frame)


def test_they_are_what_their_names_say(paths):
    shard, scores = scored(paths[0])
    anomalous = scores.points[2].classes == 30
    points_m = scores.points[2].points_m[anomalous & scores.points[2].in_view]
    first = scores.baselines["point.range"].positive_frame == 2
    of = {name: level.positive[first] for name, level in scores.baselines.items() if name.startswith("point.")}
    np.testing.assert_allclose(of["point.range"], np.linalg.norm(points_m[:, :3], axis=1), rtol=1e-3)
    np.testing.assert_array_equal(of["point.height"], points_m[:, 2].astype(np.float16))
    np.testing.assert_array_equal(of["point.intensity"], points_m[:, 3].astype(np.float16))
    on_ball = shard.image[2][shard.pixel_class[2] == 30].mean(axis=1)
    assert on_ball.min() - 1 <= np.median(of["point.brightness"]) <= on_ball.max() + 1
    assert scores.baselines["frame.frame_index"].positive.tolist() == [2.0, 3.0]


def test_parts_of_a_scenario_have_the_same_scores(paths, monkeypatch):
    monkeypatch.setattr("lib.evaluation.levels.FRAMES_AT_ONCE", 3)
    shard, whole = scored(paths[0])
    parts = [with_baselines(shard, s, PARAMS) for s in score_in_parts(shard, made_up_scores(paths[0]), PARAMS)]
    assert [len(part.truth) for part in parts] == [3, 1]
    for name in (*whole.levels, *whole.baselines):
        every = [(part.levels | part.baselines)[name] for part in parts]
        expected = {**whole.levels, **whole.baselines}[name]
        np.testing.assert_array_equal(np.concatenate([p.positive for p in every]), expected.positive)
        np.testing.assert_array_equal(np.concatenate([p.negative for p in every]), expected.negative)


def test_a_score_that_gives_the_labels_away_is_named(paths, caplog):
    """Here the anomaly comes late in its scenario: the frame's number tells more than the model should have to."""

    with caplog.at_level(logging.WARNING):
        metrics: Any = evaluate([scored(path)[1] for path in paths], PARAMS).metrics
    block = metrics["baselines"]["frame"]["frame_index"]
    assert block["auroc"] > 0.9 and (block["positives"], block["negatives"]) == (4, 5)
    assert any(record.message.startswith("baseline frame_index: frame AUROC") for record in caplog.records)
    assert metrics["frame_within"]["negatives"] == 3 < metrics["frame"]["negatives"] == 5


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("range", (0.70, 0.60, 0.80), True),
        ("range", (0.30, 0.20, 0.40), True),  # the other way round gives as much away
        ("range", (0.70, 0.45, 0.95), False),  # a small test set: chance reaches that, too
        ("range", (0.30, 0.05, 0.55), False),
        ("range", (0.60, 0.55, 0.64), False),
        ("random", (0.70, 0.60, 0.80), False),
    ],
)
def test_only_what_chance_does_not_explain_gives_away(name, numbers, expected):
    assert gives_away(name, dict(zip(("auroc", "auroc_low", "auroc_high"), numbers, strict=True))) == expected
