import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lib.evaluation.bootstrap import (
    bootstrap,
    choose_pivots,
    interval,
    merge_cells,
    resample_negatives,
    resample_scenarios,
)
from lib.evaluation.curves import count_cells
from sklearn import metrics


def scenarios(generator, count, step):
    """Per scenario, tied positive and negative scores; some scenarios hold no positive."""
    drawn = []
    for number in range(count):
        positives = generator.normal(1.0, 1.0, size=0 if number % 3 == 0 else int(generator.integers(1, 40)))
        negatives = generator.normal(0.0, 1.0, size=int(generator.integers(5, 200)))
        drawn.append((np.round(positives / step) * step, np.round(negatives / step) * step))
    return drawn


def tables(drawn, pivots):
    values = np.unique(np.concatenate([positives for positives, _ in drawn]))
    chosen = choose_pivots(values, np.ones(len(values), dtype=np.int64), pivots)
    rows = [[merge_cells(count_cells(values, np.sort(scores)), chosen) for scores in pair] for pair in drawn]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def resampled(weights, counts):
    """AUROC and AP of every resample; scenarios without a positive are not handed over, as in pools."""
    positives, negatives = counts
    rows = np.flatnonzero(positives.any(axis=1))
    return bootstrap(weights, positives[rows], rows, resample_negatives(weights, negatives))


def written_out(drawn, weights):
    """AUROC and AP of one resample, by scikit-learn on the repeated scores."""
    parts = [pair for pair, times in zip(drawn, weights, strict=True) for _ in range(int(times))]
    positives, negatives = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    labels = np.arange(len(positives) + len(negatives)) < len(positives)
    scores = np.concatenate([positives, negatives])
    return metrics.roc_auc_score(labels, scores), metrics.average_precision_score(labels, scores)


@pytest.mark.parametrize(("step", "pivots", "tolerance"), [(0.25, 1000, 1e-12), (1e-6, 1000, 1e-12), (1e-6, 30, 0.006)])
def test_resamples_match_scikit_learn_on_repeated_scores(step, pivots, tolerance):
    generator = np.random.default_rng(3)
    drawn = scenarios(generator, 12, step)
    weights = resample_scenarios(["a"] * 5 + ["b"] * 7, 110, generator)
    aurocs, aps = resampled(weights, tables(drawn, pivots))
    for row in range(0, 110, 9):
        expected_auroc, expected_ap = written_out(drawn, weights[row])
        assert aurocs[row] == pytest.approx(expected_auroc, abs=tolerance)
        assert aps[row] == pytest.approx(expected_ap, abs=tolerance)


def test_strata_keep_their_sizes_and_the_seed_decides():
    strata = ["NORMALITY", "STATIC", "NORMALITY", "STATIC", "STATIC"]
    weights = resample_scenarios(strata, 500, np.random.default_rng(1))
    assert (weights[:, [0, 2]].sum(axis=1) == 2).all() and (weights[:, [1, 3, 4]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(weights, resample_scenarios(strata, 500, np.random.default_rng(1)))
    assert (weights != resample_scenarios(strata, 500, np.random.default_rng(2))).any()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.15)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=80), st.integers(1, 40))
def test_pivots_cut_the_positives_into_equal_shares(counts, limit):
    values, counts = np.arange(len(counts), dtype=np.float32), np.array(counts)
    pivots = choose_pivots(values, counts, limit)
    assert len(pivots) <= max(limit, 1) and (np.diff(pivots) > 0).all()
    cells = np.zeros(2 * len(values) + 1, dtype=np.int64)
    cells[1::2] = counts
    merged = merge_cells(cells, pivots)
    assert len(merged) == 2 * len(pivots) + 1 and merged.sum() == counts.sum()
    assert merged[0::2].max() <= counts.sum() / limit
    np.testing.assert_array_equal(merged[1::2], counts[pivots])


def test_interval_covers_the_truth_about_as_often_as_it_says():
    truth, covered = 0.76025, 0  # P(N(1, 1) > N(0, 1))
    for seed in range(60):
        generator = np.random.default_rng(seed)
        drawn = [(generator.normal(1, 1, 6), generator.normal(0, 1, 12)) for _ in range(25)]
        weights = resample_scenarios(["a"] * 25, 300, generator)
        found = interval(resampled(weights, tables(drawn, 1000)))
        covered += found.auroc_low <= truth <= found.auroc_high
    assert 50 <= covered <= 60


def test_resamples_without_a_class_are_left_out():
    positives, negatives = np.array([[0, 2, 0], [0, 0, 0]]), np.array([[0, 0, 0], [4, 0, 1]])
    weights = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    aurocs, _ = resampled(weights, (positives, negatives))
    np.testing.assert_array_equal(aurocs, [np.nan, np.nan, 0.8])
    found = interval(resampled(weights, (positives, negatives)))
    assert (found.auroc_low, found.auroc_high) == (0.8, 0.8)
