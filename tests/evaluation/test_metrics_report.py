import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from lib.common.errors import DataError
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import LevelScores, score_scenario
from lib.evaluation.metrics_report import evaluate
from lib.geometry.frame import Anomaly, ScenarioType
from lib.shards.shard_reader import read_shard
from tests.scored_sample import Ball, made_up_scores, write_scenario

PARAMS = EvaluateParams(
    seed=1,
    min_anomaly_image_fraction=0.0012,
    min_anomaly_points=10,
    bootstrap_resamples=200,
    voxel_score="mean",
    hold_s=3.0,
)


def scores_of(path, params):
    return score_scenario(read_shard(path), made_up_scores(path), params)


def report_of(folder, scenarios, params=PARAMS):
    paths = [write_scenario(folder, f"Scenario_{i}", *scenario) for i, scenario in enumerate(scenarios)]
    return evaluate([scores_of(path, params) for path in paths], params)


def scored(folder, scenarios):
    paths = [folder / f"Scenario_{i}.h5" for i in range(len(scenarios))]
    return [score_scenario(read_shard(p), made_up_scores(p), PARAMS) for p in paths]


SCENARIOS = [
    ([Ball(6, 0, 0.5), Ball(11, 1, 0.5), None], Anomaly("Small", kind="both"), "CLEAR_NOON"),
    ([Ball(17, -2, 1.0), Ball(30, 0, 1.0)], Anomaly("BIG", kind="geometry"), "HARD_RAIN_NIGHT"),
    ([Ball(-9, 0, 0.5)], Anomaly("Tiny", kind="appearance")),
    ([None, None], None, "CLEAR_NOON"),
    ([None, None, None], None),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def report(folder):
    return report_of(folder, SCENARIOS)


def pooled(scores, level, keep=lambda groups: True):
    """Labels and scores of all scenarios, positives only of the frames whose groups are kept."""
    kept = [
        s.levels[level].positive[[keep(s.groups[f]) for f in s.levels[level].positive_frame.tolist()]]
        for s in scores
        if len(s.levels[level].positive)
    ]
    negatives = np.concatenate([s.levels[level].negative for s in scores])
    positives = np.concatenate(kept)
    labels = np.arange(len(positives) + len(negatives)) < len(positives)
    return labels, np.concatenate([positives, negatives])


@pytest.mark.parametrize("level", ["frame", "frame_any", "frame_within", "pixel", "point", "point_all", "voxel"])
def test_every_level_agrees_with_scikit_learn_on_all_scores(report, folder, level):
    labels, scores = pooled(scored(folder, SCENARIOS), level)
    block = report.metrics[level]
    assert block["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-8)
    assert block["ap"] == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-8)
    assert (block["positives"], block["negatives"]) == (labels.sum(), (~labels).sum())
    assert block["auroc_low"] <= block["auroc"] <= block["auroc_high"]
    assert block["ap_low"] <= block["ap_high"]


def test_breakdown_takes_positives_of_a_group_against_all_negatives(report, folder):
    every = scored(folder, SCENARIOS)
    rows = {(row["level"], row["group"], row["value"]): row for row in report.breakdown}
    assert ("frame", "size", "Tiny") not in rows  # behind the camera: no positive in view
    assert ("point", "class", "animal") in rows and ("frame", "light", "night") in rows
    assert list(dict.fromkeys(v for level, g, v in rows if (level, g) == ("point", "distance"))) == [
        "0-8 m", "8-14 m", "14-20 m", "20-40 m"
    ]  # fmt: skip
    for (level, group, value), row in rows.items():
        labels, scores = pooled(every, level, lambda groups, g=group, v=value: groups.get(g) == v)
        assert row["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-8)
        assert row["ap"] == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-8)
        assert (row["positives"], row["negatives"]) == (labels.sum(), (~labels).sum())


def test_counts_and_anovox_block(report, folder):
    found = report.metrics
    assert found["scenarios"] == {"NORMALITY": 2, "STATIC": 3}
    assert found["frames"] == {"total": 11, "positive": 4, "negative": 7, "left_out": 0}
    assert set(found["anovox"]["by_size"]) == {"Tiny", "Small", "Big"}
    names = {"auroc", "aupr", "fpr95", "fpr95_exact", "specificity", "f1_score", "ppv"}
    assert set(found["anovox"]["anomalies_only"]) == names
    assert found["anovox"]["true_voxels_covered"] == 1.0 == found["anovox"]["anomalous_voxels_covered"]
    voxels = [v for s in scored(folder, SCENARIOS) for v in s.voxels]
    labels = np.concatenate([v.is_anomaly for v in voxels])
    scores = 1 / (1 + np.exp(-np.concatenate([v.corner_score for v in voxels]).astype(np.float64)))
    expected = metrics.roc_auc_score(labels, scores)
    assert found["anovox"]["normality_included"]["auroc"] == pytest.approx(expected, abs=1e-8)
    assert len(labels) > found["voxel"]["positives"] + found["voxel"]["negatives"]  # the whole grid, not the view


def test_tables_hold_whole_curves_and_histograms(report, folder):
    for level in ("frame", "pixel", "point_all"):
        roc = [row for row in report.roc if row["level"] == level]
        ends = [(row["false_positive_rate"], row["true_positive_rate"]) for row in (roc[0], roc[-1])]
        assert ends == [(0, 0), (1, 1)] and 2 < len(roc) <= 200
        curve = [row for row in report.precision_recall if row["level"] == level]
        assert (curve[0]["recall"], curve[-1]["recall"]) == (0, 1) and len(curve) <= 200
    shares: dict[tuple[str, str], list[float]] = {}
    for row in report.scores:
        shares.setdefault((row["level"], row["group"]), []).append(row["share"])
    assert set(shares) == {(level, group) for level in ("frame", "point") for group in ("normal", "anomalous")}
    assert all(sum(share) == pytest.approx(1.0) for share in shares.values())
    for group, scores in (("normal", "negative"), ("anomalous", "positive")):
        found = np.concatenate([getattr(s.levels["point"], scores) for s in scored(folder, SCENARIOS)])
        rows = [row for row in report.scores if (row["level"], row["group"]) == ("point", group)]
        middles = np.array([row["score"] for row in rows])
        half = (middles[1] - middles[0]) / 2
        expected = [((found >= m - half) & (found < m + half)).mean() for m in middles[:-1]]
        np.testing.assert_allclose([row["share"] for row in rows][:-1], expected, atol=1.5 / len(found))


def test_seed_moves_intervals_only(report, folder):
    other = report_of(folder, SCENARIOS, PARAMS.model_copy(update={"seed": 2})).metrics["point"]
    same, moved = report.metrics["point"], {"auroc_low", "auroc_high", "ap_low", "ap_high"}
    assert {k: v for k, v in other.items() if k not in moved} == {k: v for k, v in same.items() if k not in moved}
    assert any(other[key] != same[key] for key in moved)
    assert report_of(folder, SCENARIOS) == report


def test_a_level_of_one_class_is_left_out_with_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found = report_of(tmp_path, [([Ball(-6, 0, 0.5)], Anomaly("Tiny")), ([None], None)])
    assert set(found.metrics) == {"point_all", "anovox", "scenarios", "frames"}
    assert [row["level"] for row in found.roc] == ["point_all"] * len(found.roc)
    assert found.breakdown == [] == found.scores
    left_out = [record.message.split()[1] for record in caplog.records if record.message.startswith("level")]
    assert left_out == ["frame", "frame_any", "pixel", "point", "voxel"]
    assert any(record.message.startswith("frame_within is left out") for record in caplog.records)
    json.dumps(found.metrics, allow_nan=False)


def test_nothing_but_normality_is_an_error(tmp_path):
    with pytest.raises(DataError, match="the 3 frames of the test scenarios hold no anomaly in any sensor"):
        report_of(tmp_path, [([None, None], None), ([None], None)])


def test_the_cameras_of_a_scenario_are_resampled_together(report, folder):
    """Scenarios that come in parts, one per camera, give the numbers and intervals of the whole."""

    def in_parts():
        for s in scored(folder, SCENARIOS):
            levels = {name: (level, level.negative) for name, level in s.levels.items()}
            one = {name: replace(level, negative=negative[::2]) for name, (level, negative) in levels.items()}
            nothing = np.zeros(0, dtype=np.float16)
            other = {
                name: LevelScores(nothing, np.zeros(0, dtype=np.int64), negative[1::2])
                for name, (_, negative) in levels.items()
            }
            yield replace(s, levels=one)
            nobody = np.zeros(0)
            yield replace(s, levels=other, truth=(), groups=(), voxels=(), points=(), time_s=nobody, frame_score=nobody)

    assert evaluate(in_parts(), PARAMS) == report


def test_levels_by_scenario_type_agree_with_scikit_learn(report, folder):
    """A type's own scenarios and those of normality; without a dynamic scenario there is nothing to divide."""
    assert report.by_type == {}
    types = ["STATIC", ScenarioType.DYNAMIC.value, "STATIC", "NORMALITY", "NORMALITY"]
    every = [replace(s, scenario_type=kind) for s, kind in zip(scored(folder, SCENARIOS), types, strict=True)]
    by_type = evaluate(every, PARAMS).by_type
    assert set(by_type) == {"STATIC", "DYNAMIC"}
    for name, places in (("STATIC", (0, 2, 3, 4)), ("DYNAMIC", (1, 3, 4))):
        some = [every[place] for place in places]
        for level, block in by_type[name].items():
            labels, scores = pooled(some, level)
            assert block["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12), (name, level)
            assert block["ap"] == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)
            assert (block["positives"], block["negatives"]) == (labels.sum(), (~labels).sum())
