import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.events import drives_of, events_at, threshold_for
from lib.evaluation.pooling import PooledFrame
from lib.evaluation.truth import State
from tests.present import present

STATES: dict[str, State] = {"n": "negative", "p": "positive", "l": "left_out"}


def frames(scenario, states, scores, distances=None, step_s=0.5):
    distances = distances or [None] * len(states)
    return [
        PooledFrame(scenario, "STATIC", "", i * step_s, score, STATES[state], distance, state == "p")
        for i, (state, score, distance) in enumerate(zip(states, scores, distances, strict=True))
    ]


def outcome(drives, threshold, scenarios):
    generator = np.random.default_rng(1)
    weights = generator.multinomial(len(scenarios), np.full(len(scenarios), 1 / len(scenarios)), 300).astype(float)
    return events_at(drives, threshold, scenarios, weights)


def test_an_alarm_is_a_run_and_only_negative_frames_give_false_ones():
    drives = drives_of(
        frames("a", "nnnnn", [5, 5, 0, 5, 0])
        + frames("b", "npplp", [0, 1, 6, 9, 7], [None, 20.0, 15.0, None, 8.0])
        + frames("c", "ppn", [1, 2, 5], [9.0, 4.0, None])
    )
    found = outcome(drives, 5.0, ["a", "b", "c"])
    assert found.false_alarms == 3 and found.normal_minutes == pytest.approx(7 * 0.5 / 60)
    assert (found.objects, found.found, found.detection_rate) == (2, 1, 0.5)
    assert found.first_detection_m == 15.0  # at the first frame that reaches the threshold
    assert (found.detection_rate_low, found.detection_rate_high) == (0.0, 1.0)


def test_cameras_of_a_scenario_are_drives_of_their_own():
    one = frames("a", "nn", [5, 0])
    other = [PooledFrame("a", "STATIC", "rear", i, 5.0, "negative", None, False) for i in range(2)]
    assert len(present(drives_of(one + other))) == 2


def test_without_times_nothing_is_said():
    assert drives_of(frames("a", "np", [0, 1], step_s=float("nan"))) is None
    assert drives_of(frames("a", "n", [0]) + frames("b", "p", [1])) is None
    drives = present(drives_of(frames("a", "pp", [0, 1])))
    assert threshold_for(drives) is None


@pytest.mark.parametrize(("negatives", "step_s", "enough"), [(119, 0.5, False), (120, 0.5, True), (600, 0.1, True)])
def test_no_rate_is_claimed_that_the_normal_driving_cannot_hold(negatives, step_s, enough):
    drives = present(drives_of(frames("a", "n" * negatives, list(range(negatives)), step_s=step_s)))
    assert (threshold_for(drives) is not None) == enough
    assert threshold_for(drives, per_minute=2.0) is not None


@given(st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=20), min_size=1, max_size=6), st.integers(0, 90))
def test_no_threshold_from_the_chosen_one_up_has_too_many_false_alarms(scores, per_minute):
    found = [f for i, s in enumerate(scores) for f in frames(f"s{i}", "n" * len(s), [float(x) for x in s])]
    drives = present(drives_of(found))
    chosen = threshold_for(drives, per_minute)
    allowed = per_minute * sum(len(s) for s in scores) // 120  # frames of half a second
    if allowed == 0:
        assert chosen is None
        return
    assert chosen is not None

    def alarms(threshold):
        """Written out: a frame that reaches the threshold while the frame before it does not."""
        return sum(s[i] >= threshold and (i == 0 or s[i - 1] < threshold) for s in scores for i in range(len(s)))

    every = sorted({float(x) for s in scores for x in s})
    assert all(alarms(t) <= allowed for t in [*every, chosen] if t >= chosen)
    below = [t for t in every if t < chosen]
    assert not below or alarms(below[-1]) > allowed
