"""Rates of recordings: two in one drive, two in one data set, clocks that go back."""

import numpy as np
import pytest

from lib.reading.findings import Notice
from lib.reading.timing import step_s, time_findings

DRIVE = [88 + 0.1 * tick for tick in range(30)]


def found(**recordings):
    return [(finding.reason, finding.message) for finding in time_findings(recordings)]


@pytest.mark.parametrize(
    "times_s",
    [
        DRIVE,
        [time_s for tick, time_s in enumerate(DRIVE) if tick not in (3, 4, 9, 17)],  # missing ticks
        [0.1037 * tick for tick in range(30)],
        (np.array(DRIVE) + np.random.default_rng(1).uniform(0, 0.009, 30)).tolist(),  # a clock that jitters
        [0.0, 0.5],
        [7.0],
        [],
    ],
)
def test_one_rate_is_no_finding(times_s):
    assert found(a=times_s, b=DRIVE) == []


def test_a_drive_whose_rate_changes_is_named():
    [(reason, message)] = found(a=[*DRIVE[:20], *DRIVE[20::2]])
    assert reason is Notice.SEVERAL_TIME_STEPS
    assert message.startswith("a: its frames are 0.1 s apart, but 0.2 s in a part of it")


def test_drives_of_two_rates_in_a_data_set_are_named():
    slow = [0.5 * tick for tick in range(10)]
    [(reason, message)] = found(a=DRIVE, b=slow, c=DRIVE)
    assert reason is Notice.SEVERAL_TIME_STEPS and "0.1 s in 2 drives (a, c); 0.5 s in 1 drives (b)" in message
    assert found(a=DRIVE, b=[0.0, 0.5]) == []  # two frames are no drive


def test_times_that_go_back_or_stand_are_named():
    [(reason, message)] = found(a=[*DRIVE[:5], DRIVE[3], *DRIVE[6:]])
    assert reason is Notice.TIMES_GO_BACK and "the times of 1 of its 30 frames are not after" in message
    assert [reason for reason, _ in found(a=[0.0, 0.0])] == [Notice.TIMES_GO_BACK]


def test_the_usual_step():
    assert step_s(DRIVE) == step_s(DRIVE[::-1]) == pytest.approx(0.1)
    assert step_s([0.0, 0.5]) is None
