"""Frames of a drive by their tick: windows of the past are cut from a shard, in which each frame is stored once."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.shards.shard_reader import Shard

TICKS_PER_SECOND: Final = 10
"""AnoVox's recording rate."""
_TOLERANCE_S: Final = 0.02
NO_FRAME: Final = -1


def ticks_of(shard: Shard) -> npt.NDArray[np.int64] | None:
    """The tick (F,) of each frame, counted from the first one; None where times are unknown.

    Frames off the grid of TICKS_PER_SECOND by more than 20 ms have the tick -1: no window holds them.
    """
    if not np.isfinite(shard.time_s).all():
        return None
    ticks = (shard.time_s - shard.time_s[0]) * TICKS_PER_SECOND
    on_grid = np.abs(ticks - np.rint(ticks)) <= _TOLERANCE_S * TICKS_PER_SECOND
    return np.where(on_grid, np.rint(ticks).astype(np.int64), NO_FRAME)


def window_of(ticks: npt.NDArray[np.int64], lags: Sequence[int]) -> npt.NDArray[np.int64]:
    """The frame (F, L) so many ticks before each frame, as an index; NO_FRAME where that tick is missing.

    `ticks` (F,) as of `ticks_of`. A tick that occurs twice gives its first frame.
    """
    place = {tick: index for index, tick in reversed(list(enumerate(ticks.tolist()))) if tick != NO_FRAME}
    rows = [
        [place.get(tick - lag, NO_FRAME) if tick != NO_FRAME else NO_FRAME for lag in lags] for tick in ticks.tolist()
    ]
    return np.array(rows, dtype=np.int64).reshape(len(ticks), len(lags))
