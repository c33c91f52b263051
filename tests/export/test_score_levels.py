from dataclasses import replace

import numpy as np
import pytest

from lib.evaluation.platt_scaling import PlattScaling
from lib.export.score_levels import RATES, counted, level_of, score_levels
from lib.shards.validation_scores import NORMAL
from tests.scored_sample import made_up_validation

FITS = {"calibration": {"frame": {"slope": 2.0, "intercept": -1.0, "test_error": 0.1}}}


def drawn(count, seed=0, decimals=None):
    scores = np.random.default_rng(seed).normal(size=count)
    return (scores if decimals is None else scores.round(decimals)).astype(np.float16)


@pytest.mark.parametrize(
    "normal", [drawn(5_000), drawn(5_000, decimals=1), drawn(3_000, 3), np.ones(4_000, np.float16)]
)
def test_a_threshold_is_the_lowest_that_so_few_normal_scores_reach(normal):
    found = level_of(counted(normal)).thresholds
    assert tuple(t.false_alarm_rate for t in found) == RATES
    for threshold in found:
        alarms = (normal >= threshold.score).sum()
        lower = np.nextafter(np.float16(threshold.score), np.float16(-np.inf))
        assert alarms <= threshold.false_alarm_rate * len(normal) < (normal >= lower).sum()


@pytest.mark.parametrize(("count", "rates"), [(0, 0), (29, 0), (30, 1), (60, 2), (300, 3), (3_000, 4)])
def test_a_threshold_needs_three_alarms(count, rates):
    assert len(level_of(counted(drawn(count))).thresholds) == rates


def test_levels_come_from_normal_frames_and_the_normal_points_of_validation():
    validation = made_up_validation()
    levels = score_levels(validation, FITS)
    normal = validation.point_score[validation.point_label == NORMAL]
    assert (levels["frame"].normal_items, levels["point"].normal_items) == (240, len(normal))
    assert [t.false_alarm_rate for t in levels["frame"].thresholds] == [0.1, 0.05]
    assert (normal >= levels["point"].thresholds[2].score).mean() == pytest.approx(0.01, abs=1e-3)
    assert levels["frame"].probability == PlattScaling(2.0, -1.0) and levels["point"].probability is None


def test_pseudo_anomalies_set_no_threshold():
    validation = made_up_validation()
    high = replace(
        validation,
        point_score=np.where(validation.point_label == NORMAL, validation.point_score, 99).astype(np.float16),
        pixel_score=np.where(validation.pixel_label == NORMAL, validation.pixel_score, 99).astype(np.float16),
    )
    assert score_levels(high, FITS) == score_levels(validation, FITS)


def test_a_rate_without_a_threshold_takes_the_next_higher_one():
    level = level_of(counted(drawn(60)))
    assert [t.false_alarm_rate for t in level.thresholds] == [0.1, 0.05]
    assert level.threshold(0.1) == level.thresholds[0] and level.threshold(0.001) == level.thresholds[1]
    assert level_of(counted(drawn(29))).threshold(0.1) is None


def test_rarity_is_that_of_the_rates_at_the_thresholds_and_goes_on_beyond_them():
    level = level_of(counted(drawn(5_000)))
    at = np.array([t.score for t in level.thresholds])
    assert level.rarity(at) == pytest.approx([-np.log10(rate) for rate in RATES])
    assert level.rarity(np.array([at[0] - 0.01, -50.0, 1e4])).tolist() == [0, 0, 4]
    rising = level.rarity(np.linspace(at[0], at[-1] + 5, 200))
    assert (np.diff(rising) >= 0).all() and rising[-1] == 4
    assert level_of(counted(drawn(3))).rarity(at).tolist() == [0, 0, 0, 0]
