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


class TickClock:
    """The ticks of frames that come in the order of time, counted from the first one.

    A frame whose distance to the last one on the grid is off a whole number of ticks by more than 20 ms has the tick
    NO_FRAME: no window holds it. So frames of another rate than TICKS_PER_SECOND are used as far as they meet its
    ticks, and a clock that is a little slow or fast (0.104 s from frame to frame) does not run out of the grid.
    """

    def __init__(self, first_s: float) -> None:
        self.last_s, self._last_tick = first_s, 0

    def tick(self, time_s: float) -> int:
        """The tick of the next frame; its time [s] is not before that of the last one."""
        passed = round((time_s - self.last_s) * TICKS_PER_SECOND)
        if abs(time_s - self.last_s - passed / TICKS_PER_SECOND) > _TOLERANCE_S:
            return NO_FRAME
        if passed:  # Else many frames within one tick, a millisecond apart, would move the grid.
            self.last_s = time_s
        self._last_tick += passed
        return self._last_tick


def ticks_of(shard: Shard) -> npt.NDArray[np.int64] | None:
    """The tick (F,) of each frame, by TickClock from the earliest one on; None where a time is unknown."""
    return _ticks_at(shard.time_s)


def is_sequence(shard: Shard) -> bool:
    """Whether a shard's frames are at TICKS_PER_SECOND for at least a second; some may be missing, few off the grid."""
    return is_sequence_at(shard.time_s)


def is_sequence_at(time_s: npt.NDArray[np.float64]) -> bool:
    """Whether frames at these times (F,) [s, nan = unknown] are a sequence, as `is_sequence` says of a shard's."""
    ticks = _ticks_at(time_s)
    if ticks is None or float(np.mean(ticks == NO_FRAME)) > _MOST_OFF_GRID:
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


def _ticks_at(time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """ticks_of frames at these times (F,) [s]; None also where there is no frame."""
    if len(time_s) == 0 or not np.isfinite(time_s).all():
        return None
    clock, ticks = TickClock(float(time_s.min())), np.full(len(time_s), NO_FRAME, dtype=np.int64)
    for index in np.argsort(time_s, kind="stable").tolist():
        ticks[index] = clock.tick(float(time_s[index]))
    return ticks
