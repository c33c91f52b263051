import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from lib.common.ranking import auroc, merged, rank
from lib.metrics.curves import average_precision, fpr95, precision_recall_curve, roc_curve

# Few distinct scores, so that ties within and between the classes are the rule.
few_scores = st.lists(st.integers(-4, 4), min_size=1, max_size=60)
any_scores = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=60)
either = st.one_of(few_scores, any_scores)


def pooled(positive, negative):
    labels = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    return labels, np.concatenate([positive, negative])


def arrays(positive, negative):
    return np.array(positive, dtype=np.float32), np.array(negative, dtype=np.float32)


@given(either, either)
def test_agrees_with_scikit_learn(positive, negative):
    positive, negative = arrays(positive, negative)
    labels, scores = pooled(positive, negative)
    ranking = rank(positive, negative)
    assert auroc(ranking) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(ranking) == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)
    rates = metrics.roc_curve(labels, scores, drop_intermediate=False)
    reaches = np.flatnonzero(100 * np.rint(rates[1] * len(positive)) >= 95 * len(positive))
    assert fpr95(ranking) == pytest.approx(rates[0][reaches[0]], abs=1e-12)


@given(either, either)
def test_area_under_the_full_curve_is_the_auroc(positive, negative):
    ranking = rank(*arrays(positive, negative))
    false_positive_rate, true_positive_rate = roc_curve(ranking, max_rows=1000)
    assert np.trapezoid(true_positive_rate, false_positive_rate) == pytest.approx(auroc(ranking), abs=1e-12)


@given(either, either, st.integers(2, 12))
def test_thinned_curves_keep_their_ends_and_stay_on_the_curve(positive, negative, max_rows):
    ranking = rank(*arrays(positive, negative))
    for curve in (roc_curve, precision_recall_curve):
        full, thin = np.stack(curve(ranking, 10_000), axis=1), np.stack(curve(ranking, max_rows), axis=1)
        assert len(thin) <= max_rows
        np.testing.assert_array_equal(thin[[0, -1]], full[[0, -1]])
        assert {tuple(row) for row in thin} <= {tuple(row) for row in full}


@given(either, either)
def test_curves_run_from_end_to_end(positive, negative):
    ranking = rank(*arrays(positive, negative))
    false_positive_rate, true_positive_rate = roc_curve(ranking, 200)
    assert (false_positive_rate[0], true_positive_rate[0]) == (0.0, 0.0)
    assert (false_positive_rate[-1], true_positive_rate[-1]) == (1.0, 1.0)
    assert (np.diff(false_positive_rate) >= 0).all() and (np.diff(true_positive_rate) >= 0).all()
    recall, precision = precision_recall_curve(ranking, 200)
    assert recall[0] == 0.0 and recall[-1] == 1.0 and (np.diff(recall) >= 0).all()
    assert ((precision > 0) & (precision <= 1)).all()


@given(either, either, st.integers(1, 5))
def test_rankings_of_parts_merge_to_that_of_all(positive, negative, parts):
    positive, negative = arrays(positive, negative)
    whole = rank(positive, negative)
    found = merged([rank(positive[n::parts], negative[n::parts]) for n in range(parts)])
    for name in ("values", "positives", "negatives"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_a_threshold_at_the_score_counts_as_reached():
    # With `>` instead of `>=` the 95 % would only be reached one score lower, and this would be 0.645.
    positive = np.array([5.0] * 10, dtype=np.float32)
    negative = np.array([5.0] * 27 + [4.0] * 73, dtype=np.float32)
    assert fpr95(rank(positive, negative)) == 0.27


def test_perfect_reversed_and_constant_scores():
    low, high = np.zeros(7, dtype=np.float32), np.ones(3, dtype=np.float32)
    assert (auroc(rank(high, low)), average_precision(rank(high, low)), fpr95(rank(high, low))) == (1.0, 1.0, 0.0)
    assert (auroc(rank(low, high)), fpr95(rank(low, high))) == (0.0, 1.0)
    assert (auroc(rank(low, low)), average_precision(rank(low, low))) == (0.5, 0.5)
