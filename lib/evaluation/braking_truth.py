"""What the labels of a drive tell of the vehicle ahead: when it is labelled as braking, its range and its speed."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.labels import AGENT_IDS, BRAKING
from lib.shards.sequences import is_drive
from lib.shards.shard_reader import Shard

Floats = npt.NDArray[np.floating]

CONTACT_M: Final = 3.0
"""AnoVox's ego is 4.9 m long with the LiDAR at its middle: a vehicle so near touches it, or all but does."""
_SPEED_HALF_WINDOW: Final = 3
_IS_AGENT: Final = np.isin(np.arange(256), AGENT_IDS)
_IS_LEAD: Final = np.isin(np.arange(256), (BRAKING, *AGENT_IDS))


def is_judged(shard: Shard) -> bool:
    """Whether a shard is a drive, and so judged; raises DataError where the times of a drive go back or stand still."""
    if not is_drive(shard):
        return False
    steps_s = np.diff(shard.time_s)
    if (steps_s <= 0).any():
        frame = int(shard.frame_id[1 + np.argmax(steps_s <= 0)])
        raise DataError(
            f"{shard.path}: the time of frame {frame} is not after that of the frame before it; "
            "mend the recording's times, then run `dvc repro`"
        )
    return True


def is_braking(classes: npt.NDArray[np.uint8]) -> bool:
    """Whether points or pixels of any shape are labelled as the braking vehicle."""
    return bool((classes == BRAKING).any())


def is_agent(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which points (N,) are of an agent: in a dynamic drive, the vehicle ahead outside the labelled ticks."""
    return _IS_AGENT[classes]


def lead_range_m(points_m: Floats, classes: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """How far ahead the vehicle's rear is along x, and its nearest point; points (N, 3) [m, vehicle frame].

    The rear is the 5 % quantile, which noise moves little. nan where no point ahead is of the vehicle.
    """
    ahead_m = points_m[_IS_LEAD[classes] & (points_m[:, 0] > 0), 0]
    return (float(np.quantile(ahead_m, 0.05)), float(ahead_m.min())) if len(ahead_m) else (np.nan, np.nan)


def lead_speed_mps(range_m: Floats, ego_speed_mps: Floats, time_s: Floats) -> Floats:
    """The vehicle's speed (F,) over ground: the ego's, and how fast the range (F,) grows; nan = unknown.

    The range's change is taken over the 0.6 s around a frame, and over less at both ends.
    """
    frames = np.arange(len(range_m))
    first = np.maximum(frames - _SPEED_HALF_WINDOW, 0)
    last = np.minimum(frames + _SPEED_HALF_WINDOW, len(frames) - 1)
    return np.asarray(ego_speed_mps + (range_m[last] - range_m[first]) / (time_s[last] - time_s[first]))
