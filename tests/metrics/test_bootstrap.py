import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from lib.metrics.bootstrap import bootstrap, cells_of, interval, resample_scenarios


def scenarios(generator, count, step):
    """Per scenario, tied positive and negative scores; some scenarios hold no positive."""
    drawn = []
    for number in range(count):
        positives = generator.normal(1.0, 1.0, size=0 if number % 3 == 0 else int(generator.integers(1, 40)))
        negatives = generator.normal(0.0, 1.0, size=int(generator.integers(5, 200)))
        drawn.append((np.round(positives / step) * step, np.round(negatives / step) * step))
    return drawn


def tables(drawn):
    """Positives and negatives (S, C) in cells."""
    values = np.unique(np.concatenate([scores for pair in drawn for scores in pair]))
    counts = np.array([[(s[:, None] == values).sum(axis=0) for s in pair] for pair in drawn])
    cell = cells_of(counts[:, 0].sum(axis=0))
    return counts.transpose(1, 0, 2) @ (cell[:, None] == np.arange(cell[-1] + 1)).astype(float)


def written_out(drawn, weights):
    """AUROC and AP of one resample, by scikit-learn on the repeated scores."""
    parts = [pair for pair, times in zip(drawn, weights, strict=True) for _ in range(int(times))]
    positives, negatives = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    labels = np.arange(len(positives) + len(negatives)) < len(positives)
    scores = np.concatenate([positives, negatives])
    return metrics.roc_auc_score(labels, scores), metrics.average_precision_score(labels, scores)


@pytest.mark.parametrize(("step", "limit", "ap_error"), [(0.25, 1000, 1e-12), (1e-6, 1000, 1e-12), (1e-6, 60, 6e-3)])
def test_resamples_match_scikit_learn_on_repeated_scores(step, limit, ap_error):
    generator = np.random.default_rng(3)
    drawn = scenarios(generator, 12, step)
    weights = resample_scenarios(["a"] * 5 + ["b"] * 7, 110, generator)
    positives, negatives = tables(drawn)
    aurocs, aps = bootstrap(weights, positives, negatives, limit)
    for row in range(0, 110, 9):
        expected_auroc, expected_ap = written_out(drawn, weights[row])
        assert aurocs[row] == pytest.approx(expected_auroc, abs=1e-12)
        assert aps[row] == pytest.approx(expected_ap, abs=ap_error)


def test_strata_keep_their_sizes_and_the_seed_decides():
    strata = ["NORMALITY", "STATIC", "NORMALITY", "STATIC", "STATIC"]
    weights = resample_scenarios(strata, 500, np.random.default_rng(1))
    assert (weights[:, [0, 2]].sum(axis=1) == 2).all() and (weights[:, [1, 3, 4]].sum(axis=1) == 3).all()
    np.testing.assert_array_equal(weights, resample_scenarios(strata, 500, np.random.default_rng(1)))
    assert (weights != resample_scenarios(strata, 500, np.random.default_rng(2))).any()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.15)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_each_value_with_positives_is_a_cell_and_what_lies_between_two_is_one(positives):
    cell = cells_of(np.array(positives))
    assert cell[0] == 0 and set(np.diff(cell)) <= {0, 1}
    for left, right, same in zip(positives, positives[1:], np.diff(cell) == 0, strict=False):
        assert same == (left == right == 0)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    truth, covered = 0.76025, 0  # P(N(1, 1) > N(0, 1))
    for seed in range(60):
        generator = np.random.default_rng(seed)
        drawn = [(generator.normal(1, 1, 6), generator.normal(0, 1, 12)) for _ in range(25)]
        weights = resample_scenarios(["a"] * 25, 300, generator)
        (low, high), _ = interval(bootstrap(weights, *tables(drawn)))
        covered += low <= truth <= high
    assert 50 <= covered <= 60


def test_resamples_without_a_class_are_left_out():
    positives, negatives = np.array([[0, 2.0, 0], [0, 0, 0]]), np.array([[0, 0, 0], [4.0, 0, 1]])
    weights = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    found = bootstrap(weights, positives, negatives)
    np.testing.assert_array_equal(found[0], [np.nan, np.nan, 0.8])
    assert interval(found)[0].tolist() == [0.8, 0.8]
