from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.errors import DataError
from lib.inference.threads import Threads
from lib.loading.dataset import FrameRef
from lib.model.detector import DetectorConfig, build_detector
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from lib.study.score_choice import ALTERNATIVES, DEFAULT, ScoredFrames, Trial, compare_scores, rate, table
from lib.training.recipe import TrainingSet
from tests.all_params import all_params
from tests.shard_data import write_street_shards

BETTER = ("energy", "cluster")


def judged(frames=60, scenarios=20):
    """Scores that are noise for all alternatives but one, which knows the truth."""
    generator = np.random.default_rng(0)
    truth = generator.random(frames) < 0.5
    points = generator.random(400) < 0.1
    return ScoredFrames(
        frames={
            a: (generator.normal(size=frames) + 4 * truth * (a == BETTER)).astype(np.float32) for a in ALTERNATIVES
        },
        points={score: (generator.normal(size=400) + points).astype(np.float32) for score, _ in ALTERNATIVES},
        frame_truth=truth,
        point_truth=points,
        scenario=np.arange(frames) % scenarios,
    )


def test_the_best_comes_first_and_its_interval_excludes_no_change():
    rows = rate(judged())
    assert len(rows) == len(ALTERNATIVES)
    best = rows[0]
    assert (best.score, best.frame_score) == BETTER
    assert best.frame_auroc > 0.95 and 0 < best.change_low < best.change < best.change_high
    base = next(row for row in rows if (row.score, row.frame_score) == DEFAULT)
    assert base.change == base.change_low == base.change_high == 0
    assert best.change == pytest.approx(best.frame_auroc - base.frame_auroc)
    assert table(rows).splitlines()[2].startswith("| energy | cluster | 1.000 | +0.4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_street_shards(folder, normality=3, static=0)
    shards = [read_shard(folder / entry.file) for entry in read_index(folder)]
    return TrainingSet(shards, [], [FrameRef(shard, index) for shard in range(3) for index in range(2)])


def trial(**changes):
    params = all_params()
    return replace(Trial(3, 2, params.predict, params.evaluate, torch.device("cpu"), "float32"), **changes)


def test_a_detector_is_rated_the_same_on_any_number_of_threads(data):
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("concat", 4, 4, 8, 32, 256, 15.0, -25.0)).eval()
    with Threads(1) as one, Threads(2) as two:
        rows = compare_scores(detector, data, trial(), one)
        assert compare_scores(detector, data, trial(), two) == rows
    assert {(row.score, row.frame_score) for row in rows} == set(ALTERNATIVES)
    assert all(0 <= value <= 1 for row in rows for value in (row.frame_auroc, row.point_auroc, row.point_ap))


def test_a_lost_sensor_is_lost_here_too(data):
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("concat", 4, 4, 8, 32, 256, 15.0, -25.0)).eval()
    params = {name: all_params().predict.model_copy(update={"blackout": name}) for name in ("none", "image", "lidar")}
    with Threads(1) as threads:
        rows = [compare_scores(detector, data, trial(predict=each), threads) for each in params.values()]
    assert rows[0] != rows[1] != rows[2] != rows[0]


def test_frames_of_one_kind_are_an_error(data):
    torch.manual_seed(0)
    detector = build_detector(DetectorConfig("lidar", 4, 4, 8, 32, 256, 15.0, -25.0)).eval()
    none_counts = all_params().evaluate.model_copy(
        update={"min_anomaly_image_fraction": 1.0, "min_anomaly_points": 10**6}
    )
    with Threads(1) as threads, pytest.raises(DataError, match=r"split\.validation_fraction"):
        compare_scores(detector, data, trial(evaluate=none_counts), threads)
