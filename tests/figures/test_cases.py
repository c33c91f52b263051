import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.truth import FrameTruth
from lib.figures.cases import NormalScores, ScoredFrame, choose_cases, describe, standing

SEEN = FrameTruth(143, 0.006, 25, 8.23, "animal", anywhere=True)
NOTHING = FrameTruth(0, 0.0, 0, None, None, anywhere=False)
GROUPS = {"class": "animal", "size": "Small", "kind": "both"}


def frame(scenario, index, score, state="positive"):
    truth = NOTHING if state == "negative" else SEEN
    return ScoredFrame(f"Scenario_{scenario}", index, 10 * index, score, state, truth, GROUPS)


FRAMES = [
    frame("a", 0, 5.0), frame("a", 1, 7.0), frame("b", 0, 6.0), frame("b", 1, 1.0), frame("c", 0, 2.0),
    frame("a", 2, -3.0, "negative"), frame("a", 3, 4.0, "negative"), frame("d", 0, 3.0, "negative"),
    frame("e", 0, 9.0, "left_out"),
]  # fmt: skip


def chosen(category, count):
    return [(f.scenario[-1], f.score) for f in choose_cases(FRAMES, category, count)]


def test_the_most_telling_frames_of_distinct_scenarios():
    assert chosen("hits", 5) == [("a", 7.0), ("b", 6.0), ("c", 2.0)]
    assert chosen("misses", 2) == [("b", 1.0), ("c", 2.0)]
    assert chosen("false_alarms", 5) == [("a", 4.0), ("d", 3.0)]
    assert choose_cases([], "hits", 3) == []


def test_equal_scores_are_chosen_in_an_order_that_does_not_depend_on_the_input():
    tied = [frame(name, 0, 1.0) for name in "cab"]
    assert [f.scenario[-1] for f in choose_cases(tied, "hits", 2)] == ["a", "b"]
    assert choose_cases(tied[::-1], "hits", 2) == choose_cases(tied, "hits", 2)


def test_captions():
    long_name = ScoredFrame("Scenario_8b4ae5f1-a941-46a0", 3, 996, 4.214, "positive", SEEN, GROUPS)
    assert describe(long_name) == (
        "8b4ae5f1, frame 996",
        "animal, Small, differs by shape and surface, 8.2 m, 143 pixels, 25 points",
    )
    assert describe(FRAMES[5]) == ("a, frame 20", "no anomaly in view")
    assert standing(FRAMES[0], FRAMES) == "score 5.00: above 3 of 3 normal frames (100 %)"
    assert standing(FRAMES[3], FRAMES) == "score 1.00: above 1 of 3 normal frames (33 %)"
    assert standing(FRAMES[6], FRAMES) == "score 4.00: the highest of 3 normal frames"
    assert standing(FRAMES[7], FRAMES) == "score 3.00: 2nd highest of 3 normal frames"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=50), st.lists(st.integers(-1, 10), min_size=1))
def test_surprise_is_how_rare_a_score_is_among_normal_ones(normal, scores):
    yardstick = NormalScores(np.sort(np.array(normal, dtype=np.float32)))
    found = yardstick.surprise(np.array(scores, dtype=np.float32))
    detection_rate = [(sum(n >= s for n in normal) + 1) / (len(normal) + 1) for s in scores]
    np.testing.assert_allclose(found, -np.log10(detection_rate), atol=1e-12)
    assert (found >= 0).all()


def test_one_in_a_thousand_has_surprise_three():
    yardstick = NormalScores(np.arange(9999, dtype=np.float32))
    assert yardstick.surprise(np.array([9990.0]))[0] == pytest.approx(3.0)
