from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from lib.common.errors import DataError
from lib.evaluation.comparison import compare, share_above
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import score_scenario
from lib.evaluation.pooling import pool_test_set
from lib.evaluation.pools import level_metrics
from lib.geometry.frame import Anomaly
from lib.shards.shard_reader import read_shard
from tests.scored_sample import Ball, made_up_scores, write_scenario

PARAMS = EvaluateParams(
    seed=1,
    min_anomaly_image_fraction=0.0012,
    min_anomaly_points=10,
    bootstrap_resamples=200,
    voxel_score="centerpoint",
    hold_s=3.0,
)
SCENARIOS: list[tuple[list[Ball | None], Anomaly | None]] = [
    ([Ball(6 + i, 0, 0.5), None], Anomaly("Small", kind=("both", "geometry")[i % 2])) for i in range(6)
]
SCENARIOS += [([None, None], None)] * 4


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return [write_scenario(folder, f"Scenario_{i}", *scenario) for i, scenario in enumerate(SCENARIOS)]


def scored(paths, skill):
    return [score_scenario(read_shard(p), made_up_scores(p, skill), PARAMS) for p in paths]


def pooled(paths, skill):
    return pool_test_set(scored(paths, skill), PARAMS, ("frame", "point"))


def by_name(differences):
    return {(d.level, d.group, d.number): d for d in differences}


def test_a_better_model_is_found_better_and_the_other_way_round(paths):
    worse, better = pooled(paths, 1.0), pooled(paths, 2.0)
    there, back = by_name(compare(worse, better)), by_name(compare(better, worse))
    d = there["point", "", "auroc"]
    assert 0 < d.low <= d.difference <= d.high and d.above == 1.0
    for name, difference in there.items():
        assert back[name].difference == -difference.difference
        assert (back[name].low, back[name].high) == pytest.approx((-difference.high, -difference.low))
        assert back[name].above == pytest.approx(1 - difference.above)
    assert {group for _, group, _ in there} == {"", "kind both", "kind geometry"}


def test_numbers_are_scikit_learns(paths):
    found = by_name(compare(pooled(paths, 1.0), pooled(paths, 2.0)))
    for skill, which in ((1.0, "first"), (2.0, "second")):
        levels = [s.levels["pixel"] for s in scored(paths, skill)]
        positives = np.concatenate([level.positive for level in levels])
        negatives = np.concatenate([level.negative for level in levels])
        labels = np.arange(len(positives) + len(negatives)) < len(positives)
        scores = np.concatenate([positives, negatives])
        expected = {
            "auroc": metrics.roc_auc_score(labels, scores),
            "ap": metrics.average_precision_score(labels, scores),
        }
        for number, value in expected.items():
            assert getattr(found["pixel", "", number], which) == pytest.approx(value, abs=1e-9)


def test_a_model_against_itself_differs_by_nothing(paths):
    same = pooled(paths, 2.0)
    for d in compare(same, same):
        assert (d.difference, d.low, d.high, d.above) == (0.0, 0.0, 0.0, 0.5)


def test_pairing_narrows_the_interval(paths):
    """The models rank alike up to a monotone change within scenarios: their errors are the same ones."""
    one = pooled(paths, 1.0)
    levels = [s.levels["point"] for s in scored(paths, 1.0)]
    generator = np.random.default_rng(1)
    shaken = [
        replace(level, **{f: getattr(level, f) + generator.normal(0, 0.01, len(getattr(level, f))).astype(np.float16)})
        for level in levels
        for f in ("negative",)
    ]
    parts = [
        replace(s, levels={**s.levels, "point": level}) for s, level in zip(scored(paths, 1.0), shaken, strict=True)
    ]
    other = pool_test_set(parts, PARAMS, ("frame", "point"))
    d = by_name(compare(one, other))["point", "", "auroc"]
    alone = level_metrics(one.pools["point"])
    assert d.high - d.low < 0.1 * (alone["auroc_high"] - alone["auroc_low"])


def test_different_tests_are_refused(paths):
    with pytest.raises(DataError, match="not tested on the same scenarios"):
        compare(pooled(paths, 1.0), pooled(paths[1:], 1.0))


def test_fraction_above_counts_ties_half():
    assert share_above(np.array([-1.0, 0.0, 2.0, 3.0])) == 0.625
