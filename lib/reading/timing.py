"""The rate at which recordings were made, by the times of their frames."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from lib.reading.findings import Finding, Notice

MIN_FRAMES: Final = 5
MIN_SPAN_S: Final = 1.0
"""A recording is a drive from so many frames and so long a time on: below, its rate means nothing."""
SAME_STEP: Final = 0.2
"""Steps are the same up to this fraction: clocks jitter."""
MIN_RUN: Final = 3
"""So many steps of another length in a row are another rate, fewer are frames that are missing."""
NAMES_SHOWN: Final = 3


def step_s(times_s: Sequence[float]) -> float | None:
    """The usual time [s] from a frame to the next, by times in any order; None for what is too short to be a drive."""
    ordered = np.sort(np.asarray(times_s, dtype=np.float64))
    if len(ordered) < MIN_FRAMES or ordered[-1] - ordered[0] < MIN_SPAN_S - 1e-6:
        return None
    steps = np.diff(ordered)
    return float(np.median(steps[steps > 0]))


def time_findings(recordings: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    """What is odd about the times [s] of a data set's frames, by the recordings' names, each in its frames' order.

    Times that go back, a drive whose rate changes, and drives of different rates.
    """
    names_by_step: dict[float, list[str]] = {}
    for name, times_s in recordings.items():
        back = int(np.count_nonzero(np.diff(times_s) <= 0))
        if back:
            message = (
                f"{name}: the times of {back} of its {len(times_s)} frames are not after the frame before; windows of "
                "the past go by the times; number its frames in the order of their times"
            )
            yield Finding(Notice.TIMES_GO_BACK, message)
        usual_s = step_s(times_s)
        if usual_s is None:
            continue
        other_s = _other_step_s(times_s, usual_s)
        if other_s is not None:
            message = (
                f"{name}: its frames are {usual_s:.2g} s apart, but {other_s:.2g} s in a part of it: windows of the "
                "past lack frames there; split it where the rate changes, if this was not wanted"
            )
            yield Finding(Notice.SEVERAL_TIME_STEPS, message)
        same = (step for step in names_by_step if abs(step - usual_s) <= SAME_STEP * step)
        names_by_step.setdefault(next(same, usual_s), []).append(name)
    if len(names_by_step) > 1:
        parts = sorted(names_by_step.items(), key=lambda part: -len(part[1]))
        rates = "; ".join(f"{step:.2g} s in {len(names)} drives ({_some(names)})" for step, names in parts)
        message = (
            f"the drives have different times from frame to frame: {rates}; keep drives of one rate in a data set, if "
            "frames of several ticks are used together"
        )
        yield Finding(Notice.SEVERAL_TIME_STEPS, message)


def _other_step_s(times_s: Sequence[float], usual_s: float) -> float | None:
    """The step of the longest run of another rate; None if steps differ only where frames are missing."""
    steps = np.diff(np.sort(np.asarray(times_s, dtype=np.float64)))
    odd = np.abs(steps - usual_s) > SAME_STEP * usual_s
    ends = np.cumsum([0, *(len(list(run)) for _, run in groupby(odd.tolist()))])
    runs = [(start, end) for start, end in pairwise(ends.tolist()) if odd[start]]
    start, end = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    return float(np.median(steps[start:end])) if end - start >= MIN_RUN else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
