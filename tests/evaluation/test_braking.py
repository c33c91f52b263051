"""Braking, judged drive by drive: against scikit-learn, and against the definitions written out in plain Python."""

import json
import logging
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lib.evaluation.braking import DriveScores, already_alarmed, delay_s, held, judge_drives
from lib.geometry.frame import ScenarioType
from lib.shards.predictions import to_float16

DYNAMIC, NORMALITY = ScenarioType.DYNAMIC, ScenarioType.NORMALITY


def drive(name, scores, window=None, contact_from=None, time_s=None):
    """A drive of one method, `it`; window: the first labelled frame and the one after the last."""
    frames = len(scores)
    labelled, contact = np.zeros(frames, dtype=bool), np.zeros(frames, dtype=bool)
    if window is not None:
        labelled[slice(*window)] = True
    if contact_from is not None:
        contact[contact_from] = True  # the frames after it follow
    kind = NORMALITY if window is None else DYNAMIC
    times = 0.1 * np.arange(frames) if time_s is None else np.asarray(time_s)
    return DriveScores(name, kind, times, labelled, contact, {"it": np.asarray(scores, dtype=float)})


def judge(drives, hold_s=3.0):
    return judge_drives(drives, hold_s, 200, 1)


@pytest.fixture(scope="module")
def drives():
    generator = np.random.default_rng(5)
    made = []
    for n in range(12):
        scores, start = np.round(generator.normal(size=80), 1), int(generator.integers(30, 45))
        scores[start + 2 : start + 9] += 2.0
        made.append(drive(f"d{n}", scores, (start, start + 31), contact_from=start + 12 if n % 2 else None))
    return made + [drive(f"n{n}", np.round(generator.normal(size=300), 1)) for n in range(6)]


def slow_held(time_s, scores, hold_s):
    return [max(s for t, s in zip(time_s, scores, strict=True) if now - hold_s - 0.01 < t <= now) for now in time_s]


def slow_cases(drives, question, hold_s):
    """(label, score) of every frame that the question judges, written out."""
    for d in drives:
        scores = to_float16(d.scores["it"]).tolist()
        if question == "label_held":
            scores = slow_held(d.time_s.tolist(), scores, hold_s)
        first = d.labelled.tolist().index(True) if d.labelled.any() else None
        touched = d.contact.tolist().index(True) if d.contact.any() else len(scores)
        for i, score in enumerate(scores):
            if "contact" in question and i >= touched:
                continue
            if question.startswith("label"):
                yield bool(d.labelled[i]), score
            elif first is not None and first < i <= first + 10:
                yield True, score
            elif (first is not None and i < first) or (first is None and "normality" in question):
                yield False, score


@pytest.mark.parametrize(
    "question",
    ["label", "label_held", "label_before_contact", "onset", "onset_with_normality", "onset_before_contact"],
)
def test_auroc_agrees_with_scikit_learn_on_frames_chosen_in_plain_python(drives, question):
    labels, scores = zip(*slow_cases(drives, question, 3.0), strict=True)
    block = judge(drives)["it"][question]
    assert block["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert (block["positives"], block["negatives"]) == (sum(labels), len(labels) - sum(labels))
    assert block["auroc_low"] < block["auroc"] < block["auroc_high"]


def slow_alarms(negatives, threshold):
    return sum(s[i] >= threshold and (i == 0 or s[i - 1] < threshold) for s in negatives for i in range(len(s)))


def test_threshold_rates_and_delays_agree_with_plain_python(drives):
    block = judge(drives)
    found = block["it"]
    negatives, events = [], []
    for d in drives:
        scores = to_float16(d.scores["it"]).tolist()
        first = d.labelled.tolist().index(True) if d.labelled.any() else None
        negatives.append(scores if first is None else scores[:first])
        if first is not None:
            events.append((scores, first))
    allowed = sum(map(len, negatives)) // 600
    assert block["normal_minutes"] == pytest.approx(sum(map(len, negatives)) / 600)
    assert block["before_label_minutes"] == pytest.approx(sum(first for _, first in events) / 600)
    every = sorted({s for run in negatives for s in run})
    threshold = min(t for t in every if all(slow_alarms(negatives, u) <= allowed for u in every if u >= t))
    assert found["threshold"] == threshold and found["false_alarms"] == slow_alarms(negatives, threshold)
    delays, early = [], 0
    for scores, first in events:
        alarms = [i for i, s in enumerate(scores) if s >= threshold]
        before = any(first - 9 <= i <= first for i in alarms)
        after = [i for i in alarms if i > first]
        early += before
        delays.append(math.inf if before or not after else (after[0] - first - 1) / 10)
    assert found["already_alarmed"] == early
    assert found["detected_within_0_6_s"] == pytest.approx(sum(d < 0.65 for d in delays) / len(delays))
    assert found["detected_within_1_s"] == pytest.approx(sum(d < 1.05 for d in delays) / len(delays))
    assert found["detected_within_1_s_low"] <= found["detected_within_1_s"] <= found["detected_within_1_s_high"]
    assert found["median_delay_s"] == pytest.approx(statistics.median(delays))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-3, 3)), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.1, 0.5, 3.0]),
)
def test_held_is_the_highest_of_the_frames_up_to_hold_s_before(steps, hold_s):
    time_s = 0.1 * np.cumsum([step for step, _ in steps])  # with ticks missing
    scores = np.array([score for _, score in steps], dtype=np.float16)
    assert held(time_s, scores, hold_s).tolist() == slow_held(time_s.tolist(), scores.tolist(), hold_s)


@pytest.mark.parametrize(
    ("reached", "delay", "early"),
    [
        ([31], 0.0, False),  # labelled from frame 30 on, braking from 31 on
        ([30], math.inf, True),
        ([21, 33], math.inf, True),
        ([20, 33], pytest.approx(0.2), False),
        ([20, 40], pytest.approx(0.9), False),
        ([41], pytest.approx(1.0), False),
        ([], math.inf, False),
    ],
)
def test_an_alarm_in_the_second_before_the_onset_is_no_detection(reached, delay, early):
    scores = np.zeros(60)
    scores[reached] = 1.0
    one = drive("d", scores, (30, 61))
    assert (delay_s(one, scores, 0.5), already_alarmed(one, scores, 0.5)) == (delay, early)


def test_missing_ticks_move_no_onset():
    """Every third frame is missing, the first second after the onset too: what counts is the time, not the number."""
    ticks = [tick for tick in range(60) if tick % 3 or tick == 30]
    scores = np.where(np.array(ticks) == 34, 1.0, 0.0)
    one = drive("d", scores, (ticks.index(30), len(ticks)), time_s=[0.1 * tick for tick in ticks])
    assert one.onset_s == pytest.approx(3.1)
    assert delay_s(one, scores, 0.5) == pytest.approx(0.3)
    assert [ticks[i] for i in np.flatnonzero(one.at_onset)] == [31, 32, 34, 35, 37, 38, 40]
    assert [ticks[i] for i in np.flatnonzero(one.before)] == [tick for tick in ticks if tick < 30]


def test_a_median_drive_that_is_missed_leaves_no_median():
    """Two of three are missed; the normal driving's 700 frames have one alarm."""
    hit, miss = np.zeros(60), np.zeros(60)
    hit[33] = 2.0
    normal = np.zeros(700)
    normal[5] = 1.0
    found = judge([drive("a", hit, (30, 60)), *(drive(n, miss, (30, 60)) for n in "bc"), drive("n", normal)])["it"]
    assert found["threshold"] == 1.0 and found["detected_within_1_s"] == pytest.approx(1 / 3)
    assert "median_delay_s" not in found
    json.dumps(found, allow_nan=False)


def test_a_threshold_above_all_false_alarms_is_a_value_of_its_own():
    """All normal frames score alike, in more runs than are allowed: only what is higher raises an alarm."""
    normal = np.tile([1.0, 0.0], 400)
    hit = np.zeros(60)
    hit[33] = 1.5
    found = judge([drive("a", hit, (30, 60)), drive("b", np.zeros(60), (30, 60)), drive("n", normal)])["it"]
    assert found["threshold"] == float(np.nextafter(np.float16(1), np.float16(2)))
    assert found["false_alarms"] == 0 and found["detected_within_1_s"] == 0.5


def test_drives_without_an_onset_are_named_counted_and_left_out(caplog):
    never = drive("never", np.zeros(60), (0, 0))
    at_once, at_last = drive("at_once", np.zeros(60), (0, 31)), drive("at_last", np.zeros(60), (59, 60))
    scores = np.zeros(60)
    scores[33] = 1.0
    sound = [drive(name, scores, (30, 60)) for name in "ab"]
    block = judge([*sound, never, at_once, at_last, drive("n", np.zeros(700))])
    assert (block["drives"], block["drives_without_onset"]) == (5, 3)
    assert "3 of 5 drives have no onset (never and 2 more)" in caplog.text
    assert block["it"]["onset"]["positives"] == 20 and block["it"]["onset"]["negatives"] == 60
    assert block["it"]["label"]["positives"] == 30 + 30 + 31 + 1
    assert block["it"]["detected_within_1_s"] == 1.0
    assert block["before_label_minutes"] == pytest.approx(60 / 600)


def test_normal_driving_too_short_for_a_threshold_is_named(caplog):
    sound = [drive(name, np.arange(60), (30, 60)) for name in "ab"]
    found = judge([*sound, drive("n", np.arange(400))])["it"]
    assert "no threshold of one false alarm a minute" in caplog.text and "last 46 s" in caplog.text
    assert set(found) == {
        *("label", "label_held", "label_before_contact", "onset", "onset_with_normality", "onset_before_contact")
    }
    caplog.clear()
    assert "threshold" in judge([*sound, drive("n", np.arange(700))])["it"]
    assert "1.3 minutes of normal driving" in caplog.text
    caplog.clear()
    judge([*sound, drive("n", np.arange(6000))])
    assert not caplog.records


def test_braking_drives_alone_have_no_onset_against_normality(caplog):
    caplog.set_level(logging.CRITICAL)
    block = judge([drive("a", np.arange(60), (30, 60)), drive("b", -np.arange(60), (30, 60))])
    assert block["it"]["onset_with_normality"] == block["it"]["onset"]
    assert block["it"]["onset"]["auroc"] == 0.5


def test_all_methods_are_judged_on_the_same_resamples(drives):
    """A method's numbers do not depend on which others stand beside it; the same drives, the same numbers."""
    both = [
        DriveScores(d.name, d.type, d.time_s, d.labelled, d.contact, {"other": -d.scores["it"], **d.scores})
        for d in drives
    ]
    block = judge(both)
    assert block["it"] == judge(drives)["it"]
    mirrored = block["other"]["onset"]
    assert mirrored["auroc"] == pytest.approx(1 - block["it"]["onset"]["auroc"])
    assert mirrored["auroc_low"] == pytest.approx(1 - block["it"]["onset"]["auroc_high"])


def test_cameras_of_a_scenario_are_resampled_together(drives):
    """Each drive twice, as two cameras of one name: all numbers and their intervals stay."""
    twice = [
        DriveScores(d.name, d.type, d.time_s, d.labelled, d.contact, d.scores, camera)
        for d in drives
        for camera in ("front", "rear")
    ]
    one, two = (judge(some)["it"]["onset"] for some in (drives, twice))
    assert two["positives"] == 2 * one["positives"]
    assert {k: v for k, v in two.items() if "auroc" in k} == {k: v for k, v in one.items() if "auroc" in k}
