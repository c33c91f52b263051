import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lib.common.ranking import Ranking, rank
from lib.evaluation.anovox_protocol import Way, anovox_metrics, scores_of_voxels, shared_voxels, sigmoid
from lib.geometry.voxels import grid_cells, nearest_to_corner, points_to_grid, voxel_keys

GOLDEN = Path(__file__).parents[1] / "golden" / "benchmark"


@pytest.fixture(scope="module")
def golden_frames():
    frames = json.loads((GOLDEN / "frames.json").read_text())
    return [(frame, *golden_frame(int(number))) for number, frame in frames.items()]


def golden_frame(number):
    predicted = np.load(GOLDEN / "preds" / f"pred_{number}.npy")
    truth = np.load(GOLDEN / "gts" / f"gt_{number:06d}.npy")
    rows_predicted, rows_truth = shared_voxels(voxel_keys(predicted[:, :3].astype(np.int64)), voxel_keys(truth))
    return predicted[rows_predicted, 3], truth[rows_truth, 3] == 33


def ranked(scores, labels) -> Ranking:
    return rank(scores[labels], scores[~labels])


def of(frames):
    return anovox_metrics(ranked(np.concatenate([f[1] for f in frames]), np.concatenate([f[2] for f in frames])))


def test_every_number_of_anovox_own_script_comes_out(golden_frames):
    expected = json.loads((GOLDEN / "expected.json").read_text())
    seen = [f for f in golden_frames if f[0]["anomaly_in_view"] and f[2].any()]
    ours = {"all": of(golden_frames), "seen": of(seen)}
    theirs = {"all": expected["Normality_Included"], "seen": expected["Anomalies_Only"]}
    for size, numbers in expected["Detection_Results_by_Anomaly_Size"].items():
        ours[size], theirs[size] = of([f for f in seen if f[0]["size"] == size]), numbers
    assert set(ours) == {"all", "seen", "Tiny", "Small", "Medium", "Big"}
    for group, numbers in theirs.items():
        assert vars(ours[group]) == pytest.approx(numbers, abs=1e-9), group


unit = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(unit, unit)
def test_agrees_with_the_definitions_written_out(positive, negative):
    scores = np.array(positive + negative)
    labels = np.arange(len(scores)) < len(positive)
    ours = anovox_metrics(ranked(scores, labels))
    thresholds = np.arange(0.25, 0.75, 0.05)
    f1 = [metrics.f1_score(labels, scores > t, zero_division=0) for t in thresholds]
    ppv = [metrics.precision_score(labels, scores > t, zero_division=0) for t in thresholds]
    first = next(t for t in np.arange(1, -0.01, -0.01) if (scores > t)[labels].mean() >= 0.95)
    precision, recall, cuts = metrics.precision_recall_curve(labels, scores)
    meeting = cuts[np.argmin(np.abs(precision - recall)[:-1])]
    assert ours.fpr95 == pytest.approx((scores > first)[~labels].mean(), abs=1e-12)
    assert ours.specificity == pytest.approx((scores <= meeting)[~labels].mean(), abs=1e-12)
    assert (ours.f1_score, ours.ppv) == pytest.approx((np.mean(f1), np.mean(ppv)), abs=1e-12)
    assert ours.auroc == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert ours.aupr == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_scores_of_voxels_match_a_loop_over_voxels(seed, count):
    generator = np.random.default_rng(seed)
    points = generator.uniform(-1.5, 1.5, size=(count, 3)).astype(np.float32)
    points[: count // 10] += 1e4  # outside the grid
    scores = generator.integers(0, 50, count).astype(np.float32)
    grid_m = points_to_grid(points)
    voxels = grid_cells(grid_m)
    keys = voxel_keys(voxels)
    found, centers = nearest_to_corner(grid_m, keys)
    corner = voxels * 0.5 - [250.0, 250.0, 14.2]
    distance = np.linalg.norm(points - corner, axis=1)
    expected: dict[Way, Callable] = {
        "centerpoint": lambda rows: scores[rows[np.argmin(distance[rows])]],
        "mean": lambda rows: scores[rows].mean(dtype=np.float64),
        "median": lambda rows: np.median(scores[rows]),
    }
    occupied = sorted(set(keys[keys >= 0].tolist()))
    assert found.tolist() == occupied
    for way, of_rows in expected.items():
        values = scores_of_voxels(keys, found, centers, scores, way)
        np.testing.assert_allclose(values, [of_rows(np.flatnonzero(keys == key)) for key in occupied], atol=1e-12)


def test_shared_voxels_pair_the_same_voxel_in_any_order():
    first, second = np.array([7, 3, 9, 1]), np.array([9, 2, 7])
    rows_first, rows_second = shared_voxels(first, second)
    assert sorted(first[rows_first].tolist()) == [7, 9]
    np.testing.assert_array_equal(first[rows_first], second[rows_second])


def test_sigmoid_keeps_large_scores_apart_and_never_overflows():
    scores = sigmoid(np.array([-1e4, -20.0, 0.0, 20.0, 30.0, 1e4], dtype=np.float32))
    assert scores.dtype == np.float64
    assert scores[0] == 0.0 and scores[2] == 0.5 and scores[-1] == 1.0
    assert scores[3] < scores[4] < 1.0
    assert scores[1] == pytest.approx(1.0 / (1.0 + np.exp(20.0)), rel=1e-12)
