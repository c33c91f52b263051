import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from lib.evaluation.counting import ScoreCounter, coarsen, distinct, merge_counts
from lib.evaluation.curves import auroc, average_precision, error_bounds, fpr95, rank

LIMIT = 1 << 13
dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


def scores_of(seed, count, dtype=np.float32):
    generator = np.random.default_rng(seed)
    return (generator.normal(size=count) * 10.0 ** generator.integers(-3, 3)).astype(dtype)


@given(st.lists(st.floats(-(2.0**90), 2.0**90, width=32), max_size=50))
def test_distinct_is_numpys_unique(scores):
    values, counts = distinct(np.array(scores, dtype=np.float32))
    expected = np.unique(np.array(scores, dtype=np.float32), return_counts=True)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(counts, expected[1])


@given(seeds, st.integers(0, 20), dtypes)
def test_coarsening_keeps_the_order_and_moves_scores_little(seed, bits, dtype):
    scores = np.sort(scores_of(seed, 500, dtype))
    coarse = coarsen(scores, bits)
    assert coarse.dtype == dtype and (np.diff(coarse) >= 0).all()
    mantissa = 23 if dtype is np.float32 else 52
    assert (np.abs(coarse - scores) <= np.abs(scores) * 2.0 ** (bits - mantissa)).all()
    np.testing.assert_array_equal(coarsen(coarse, bits), coarse)


@given(seeds, st.integers(1, 9))
def test_columns_are_counted_exactly_however_they_come(seed, parts):
    normal, anomalous = scores_of(seed, 300).round(1), scores_of(seed + 1, 40).round(1)
    counter = ScoreCounter(columns=2)
    for part in np.array_split(normal, parts):
        counter.add(part, 0)
    for part in np.array_split(anomalous, parts):
        counter.add(part, 1)
    found = counter.finish()
    np.testing.assert_array_equal(found.values, np.unique(np.concatenate([normal, anomalous])))
    for column, scores in enumerate((normal, anomalous)):
        np.testing.assert_array_equal(found.counts[:, column], [(scores == value).sum() for value in found.values])
    assert found.dropped_bits == 0


@pytest.mark.parametrize("parts", [1, 3, 40])
def test_too_many_scores_are_coarsened_alike_in_any_parts(parts):
    scores = scores_of(1, 40_000)
    counter = ScoreCounter(limit=LIMIT)
    for part in np.array_split(scores, parts):
        counter.add(part)
    found = counter.finish()
    bits = next(b for b in range(24) if len(np.unique(coarsen(scores, b))) <= LIMIT)
    assert found.dropped_bits == bits > 0 and found.counts.sum() == len(scores)
    np.testing.assert_array_equal(found.values, np.unique(coarsen(scores, bits)))


def test_tables_of_different_coarseness_merge_to_the_coarser():
    fine, coarse = ScoreCounter(), ScoreCounter(limit=LIMIT)
    fine.add(scores_of(1, 100))
    coarse.add(scores_of(2, 30_000))
    parts = [fine.finish(), coarse.finish()]
    merged = merge_counts(parts)
    assert merged.dropped_bits == parts[1].dropped_bits > 0 == parts[0].dropped_bits
    every = np.concatenate([scores_of(1, 100), scores_of(2, 30_000)])
    np.testing.assert_array_equal(merged.values, np.unique(coarsen(every, merged.dropped_bits)))


@pytest.mark.parametrize("seed", range(6))
def test_the_error_of_coarse_metrics_is_within_the_stated_bounds(seed):
    """Against scikit-learn on the scores as they were; crowded scores, so that coarsening costs something."""
    generator = np.random.default_rng(seed)
    positives = (1.0 + generator.normal(0.3, 0.4, 30_000) * 10.0 ** -(seed % 3)).astype(np.float32)
    negatives = (1.0 + generator.normal(0.0, 0.4, 60_000) * 10.0 ** -(seed % 3)).astype(np.float32)
    ranking = rank(positives, negatives, limit=LIMIT)
    bounds = error_bounds(ranking)
    labels = np.arange(90_000) < 30_000
    scores = np.concatenate([positives, negatives])
    rates = metrics.roc_curve(labels, scores, drop_intermediate=False)
    exact_fpr95 = rates[0][np.flatnonzero(rates[1] >= 0.95)[0]]
    assert not ranking.exact and 0 < bounds[0] < 1e-3
    assert abs(auroc(ranking) - metrics.roc_auc_score(labels, scores)) <= bounds[0] + 1e-12
    assert abs(average_precision(ranking) - metrics.average_precision_score(labels, scores)) <= bounds[1] + 1e-12
    assert abs(fpr95(ranking) - exact_fpr95) <= bounds[2] + 1e-12


def test_exact_metrics_have_no_error():
    assert error_bounds(rank(scores_of(1, 50), scores_of(2, 50))) == (0.0, 0.0, 0.0)
