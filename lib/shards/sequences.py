"""Frames of a drive by their tick: windows of the past are cut from a shard, in which each frame is stored once."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ticks import TICKS_PER_SECOND
from lib.geometry.frame import ScenarioType
from lib.shards.shard_reader import Shard

_TOLERANCE_S: Final = 0.02
NO_FRAME: Final = -1
_MOST_OFF_GRID: Final = 0.1
"""Share of a sequence's frames."""


def ticks_of(shard: Shard) -> npt.NDArray[np.int64] | None:
    """The tick (F,) of each frame, counted from the earliest one; None where a time is unknown.

    A frame whose distance to the last one on the grid is off a whole number of ticks by more than 20 ms has the tick
    -1: no window holds it. So frames of another rate than TICKS_PER_SECOND are used as far as they meet its ticks, and
    a clock that is a little slow or fast (0.104 s from frame to frame) does not run out of the grid.
    """
    if not np.isfinite(shard.time_s).all():
        return None
    ticks = np.full(len(shard.time_s), NO_FRAME, dtype=np.int64)
    last_s, last_tick = float(shard.time_s.min()), 0
    for index in np.argsort(shard.time_s, kind="stable").tolist():
        time_s = float(shard.time_s[index])
        passed = round((time_s - last_s) * TICKS_PER_SECOND)
        if abs(time_s - last_s - passed / TICKS_PER_SECOND) <= _TOLERANCE_S:
            last_tick += passed
            ticks[index] = last_tick
            # Else many frames within one tick, a millisecond apart, would move the grid.
            last_s = time_s if passed else last_s
    return ticks


def is_sequence(shard: Shard) -> bool:
    """Whether a shard's frames are at TICKS_PER_SECOND for at least a second; some may be missing, few off the grid."""
    ticks = ticks_of(shard)
    if ticks is None or len(ticks) == 0 or float(np.mean(ticks == NO_FRAME)) > _MOST_OFF_GRID:
        return False
    known = np.unique(ticks[ticks != NO_FRAME])
    return len(known) > TICKS_PER_SECOND and float(np.median(np.diff(known))) == 1.0


def is_drive(shard: Shard) -> bool:
    """Whether a shard is a drive, normal or with a braking vehicle ahead: a sequence of such a scenario."""
    return shard.scenario_type in (ScenarioType.DYNAMIC, ScenarioType.NORMALITY) and is_sequence(shard)


def window_of(ticks: npt.NDArray[np.int64], lags: Sequence[int]) -> npt.NDArray[np.int64]:
    """The frame (F, L) so many ticks before each frame, as an index; NO_FRAME where that tick is missing.

    `ticks` (F,) as of `ticks_of`. A tick that occurs twice gives its first frame; a frame is its own for lag 0.
    """
    known = ticks != NO_FRAME
    places = {tick: index for index, tick in reversed(list(enumerate(ticks.tolist()))) if tick != NO_FRAME}
    window = np.full((len(ticks), len(lags)), NO_FRAME, dtype=np.int64)
    for column, lag in enumerate(lags):
        for index in np.flatnonzero(known).tolist():
            window[index, column] = index if lag == 0 else places.get(int(ticks[index]) - lag, NO_FRAME)
    return window
