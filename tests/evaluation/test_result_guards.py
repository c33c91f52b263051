import logging
from dataclasses import replace

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import score_scenario
from lib.evaluation.metrics_report import evaluate
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


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    one = write_scenario(folder, "Scenario_a", [Ball(6, 0, 0.5), None], Anomaly("Small"))
    return [one, write_scenario(folder, "Scenario_n", [None, None], None)]


def read(paths, **changes):
    def scores(path):
        predictions = made_up_scores(path)
        changed = {name: change(getattr(predictions, name)) for name, change in changes.items()}
        return score_scenario(read_shard(path), replace(predictions, **changed), PARAMS)

    return map(scores, paths)


@pytest.mark.parametrize(
    ("array", "level"), [("frame_score", "frame"), ("pixel_score", "pixel"), ("point_score", "point")]
)
def test_collapsed_scores_are_an_error(paths, array, level):
    with pytest.raises(DataError, match=f"all {level} scores of the test set are 3: the model has collapsed"):
        evaluate(read(paths, **{array: lambda scores: np.full_like(scores, 3.0)}), PARAMS)


def test_one_scenario_is_an_error(paths):
    with pytest.raises(DataError, match=r"the test set is one scenario \(Scenario_a\)"):
        evaluate(read(paths[:1]), PARAMS)


def test_few_scenarios_are_a_warning_with_their_number(paths, caplog):
    with caplog.at_level(logging.WARNING):
        evaluate(read(paths), PARAMS)
    said = [record.message for record in caplog.records]
    small = next(message for message in said if message.startswith("the test set is small"))
    assert "fewer than 10 scenarios" in small and "frame (1, 2), " in small and "point (1, 2)" in small
    assert any("its normal driving lasts 3 s, too short to hold one" in message for message in said)
