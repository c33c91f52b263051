from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.common.labels import NORMAL_IDS
from lib.inference.scores import for_sensors
from lib.model.class_scores import class_score, rescored
from lib.model.detector import Logits
from lib.model.model_params import Score
from tests.all_params import all_params

SCORES = [score for score in get_args(Score) if score != "anomaly_logit"]
S = len(NORMAL_IDS)


def logits(generator):
    def random(*shape):
        return torch.randn(shape, generator=generator) * 4

    return Logits(random(2, 8, 16), random(2, S, 8, 16), random(2, 4, 6), random(2, S, 4, 6), random(2))


@pytest.fixture
def some():
    return logits(torch.Generator().manual_seed(0))


def test_the_anomaly_logit_is_left_as_it_is(some):
    assert rescored(some, "anomaly_logit") is some


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_finite_and_takes_the_place_of_the_logits(some, score):
    again = rescored(some, score)
    assert again.cell_BRC.shape == some.cell_BRC.shape and again.pixel_Bhw.shape == some.pixel_Bhw.shape
    for before, after in ((some.cell_BRC, again.cell_BRC), (some.pixel_Bhw, again.pixel_Bhw)):
        assert torch.isfinite(after).all() and not torch.equal(before, after)


@pytest.mark.parametrize("score", SCORES)
def test_what_no_class_explains_scores_above_what_one_class_explains(score):
    logits = torch.full((1, S, 1, 2), -8.0)
    logits[0, 3, 0, 0] = 8.0
    explained, unexplained = class_score(logits, score)[0, 0].tolist()
    assert unexplained > explained + 1


def test_softmax_knows_ratios_alone_and_the_others_know_levels():
    logits = torch.randn(1, S, 1, 1, generator=torch.Generator().manual_seed(1))
    lower = logits - 5
    assert torch.allclose(class_score(logits, "max_softmax"), class_score(lower, "max_softmax"), atol=1e-5)
    for score in ("max_logit", "energy", "rejected_by_all"):
        assert class_score(lower, score) > class_score(logits, score) + 1


def test_rejected_by_all_is_the_log_probability_that_every_class_says_no():
    logits = torch.randn(1, S, 2, 2, generator=torch.Generator().manual_seed(2)).double()
    expected = (1 - torch.sigmoid(logits)).prod(1).log()
    assert torch.allclose(class_score(logits, "rejected_by_all"), expected)


def test_combined_is_the_anomaly_logit_and_the_rejection(some):
    expected = some.cell_BRC + rescored(some, "rejected_by_all").cell_BRC
    assert torch.equal(rescored(some, "combined").cell_BRC, expected)


@given(st.integers(0, S - 1), st.floats(0.5, 5), st.sampled_from(["max_logit", "energy", "rejected_by_all"]))
def test_a_class_that_explains_more_never_raises_the_score(number, step, score):
    logits = torch.randn(1, S, 1, 1, generator=torch.Generator().manual_seed(number))
    raised = logits.clone()
    raised[0, number] += step
    assert class_score(raised, score) <= class_score(logits, score)


def test_pixels_count_for_detectors_that_look_at_a_camera():
    params = all_params().predict
    assert params.frame_score == "points_or_pixels"
    assert for_sensors(params, "lidar").frame_score == "top_points"
    assert all(for_sensors(params, fusion) is params for fusion in ("image", "concat", "cross_attention"))
    pooled = params.model_copy(update={"frame_score": "pooled"})
    assert for_sensors(pooled, "lidar") is pooled
