import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lib.common.ranking import merged, rank
from lib.evaluation.operating_points import validation_threshold
from lib.evaluation.platt_scaling import Bins, CalibratedLevel, binned, calibrate_scores, fit_platt_scaling
from lib.evaluation.plot_tables import reliability_rows
from lib.shards.validation_scores import NORMAL
from tests.all_params import all_params
from tests.present import present
from tests.scored_sample import made_up_validation

PARAMS = all_params().evaluate


def drawn(count, share, skill=2.0, seed=0):
    generator = np.random.default_rng(seed)
    positive = generator.random(count) < share
    scores = (generator.normal(size=count) + skill * positive).astype(np.float32)
    return rank(scores[positive], scores[~positive])


def test_the_fit_is_platts():
    """Against the objective written out, and minimised by SciPy."""
    for ranking in (drawn(200, 0.3), drawn(40, 0.5, skill=9.0), drawn(60, 0.0)):
        positives, negatives = ranking.positives.sum(), ranking.negatives.sum()
        target = (positives + 1) / (positives + 2), 1 / (negatives + 2)

        def loss(weights, r=ranking, target=target):
            z = weights[0] * r.values.astype(float) + weights[1]
            parts = zip((r.positives, r.negatives), target, strict=True)
            return sum((count * (np.logaddexp(0, z) - t * z)).sum() for count, t in parts)

        found = fit_platt_scaling(ranking)
        expected = minimize(loss, [0.1, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}).x
        assert (found.slope, found.intercept) == pytest.approx(expected, abs=1e-5)
    # Two normal distributions, 2 apart: the truth is known.
    many = fit_platt_scaling(drawn(20_000, 0.3))
    assert many.slope == pytest.approx(2.0, abs=0.1)
    assert many.intercept == pytest.approx(np.log(0.3 / 0.7) - 2.0, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-65504, 65504, width=16), max_size=40),
    st.lists(st.floats(-9, 9, width=16), min_size=2, max_size=40),
)
def test_any_scores_give_finite_probabilities_in_their_order(positive, negative):
    ranking = rank(np.array(positive, dtype=np.float16), np.array(negative, dtype=np.float16))
    scaling = fit_platt_scaling(ranking)
    predicted = scaling.probability(ranking.values)
    assert np.isfinite([scaling.slope, scaling.intercept]).all()
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert (np.diff(predicted) * np.sign(scaling.slope) >= 0).all()


def test_what_is_calibrated_has_no_error_and_another_fraction_is_told_apart():
    scaling = fit_platt_scaling(drawn(200_000, 0.2))
    same = binned(scaling, drawn(200_000, 0.2, seed=1))
    assert same.error < 0.01 and same.share == pytest.approx(0.2, abs=0.01)
    more = binned(scaling, drawn(200_000, 0.6, seed=2))
    assert more.error > 0.1
    assert more.at_fraction(0.2).error < 0.02


def test_bins_add_up_and_hold_every_item():
    rankings = drawn(2_000, 0.3), drawn(3_000, 0.3, seed=1)
    scaling = fit_platt_scaling(rankings[0])
    total, whole = (binned(scaling, r) for r in rankings), binned(scaling, merged(rankings))
    first, second = total
    assert np.array_equal((first + second).items, whole.items)
    assert np.array_equal((first + second).positives, whole.positives)
    assert (first + second).predicted == pytest.approx(whole.predicted)
    assert whole.items.sum() == 5_000 and whole.positives.sum() == sum(r.positives.sum() for r in rankings)
    assert Bins(np.array([4]), np.array([1]), np.array([2.0])).error == 0.25


def test_validation_calibrates_frames_and_points_and_promises_by_the_other_half():
    found = calibrate_scores(made_up_validation(), PARAMS)
    assert found["frame"].scaling.slope == pytest.approx(2.0, abs=0.6)
    assert found["point"].scaling.slope == pytest.approx(2.0, abs=0.3)
    assert found["point"].promised.items.sum() == 240 * 40
    assert found["point"].promised.share == pytest.approx(1 / 16)
    assert found["point"].promised.error < 0.02
    test = rank(np.array([3.0], dtype=np.float16), np.array([-2.0], dtype=np.float16))
    bins: dict[CalibratedLevel, Bins] = {"point": binned(found["point"].scaling, test)}
    rows = reliability_rows(bins, found)
    assert [row["items"] for row in rows if row["split"] == "test"] == [1, 1]
    assert sum(int(row["items"]) for row in rows if row["split"] == "validation") == 240 * 40


def test_too_few_or_one_class_is_said(caplog):
    whole = made_up_validation()
    lonely = replace(whole, drives=(("only", ""),), drive=0 * whole.drive, pasted_drive=0 * whole.pasted_drive)
    none = replace(whole, point_label=np.full_like(whole.point_label, NORMAL))
    with caplog.at_level(logging.WARNING):
        assert calibrate_scores(lonely, PARAMS) == {}
        assert set(calibrate_scores(none, PARAMS)) == {"frame"}
    assert "calibration of point scores is left out" in caplog.text


def test_frames_with_too_little_of_it_calibrate_nothing():
    whole = made_up_validation()
    little = replace(
        whole, pasted_image_fraction=whole.pasted_image_fraction * 1e-3, pasted_points=whole.pasted_points // 20
    )
    assert "frame" not in calibrate_scores(little, PARAMS)


def test_validation_gives_the_threshold_of_one_false_alarm_a_minute(caplog):
    whole = made_up_validation(scenarios=40, frames=300, step_s=0.1)  # 20 minutes
    threshold, minutes = present(validation_threshold(whole))
    assert minutes == pytest.approx(20.0)
    assert 15 <= (whole.frame_score >= threshold).sum() <= 25
    assert not caplog.text
    assert validation_threshold(made_up_validation()) is not None
    assert "asked of 2.0 minutes of normal driving in validation; at least 10 would be better" in caplog.text
    assert validation_threshold(made_up_validation(step_s=0.1)) is None
    assert "from validation: its normal driving lasts 24 s, too short to hold one" in caplog.text
    assert validation_threshold(replace(whole, time_s=np.full_like(whole.time_s, np.nan))) is None
