"""What a recording is as a drive: its length, its poses, and whether these are of the same ticks as the clouds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lib.preprocessing.pose_timing import Matrix, PoseTiming, StillCloud, pose_timing
from lib.preprocessing.summed import Summed

MIN_JUMP_MPS: Final = 10.0
MAX_ACCELERATION_MPS2: Final = 20.0
"""No vehicle gains or loses more than this speed in a time: beyond, a pose jumps. A collision may take 10 m/s."""


@dataclass(frozen=True)
class DriveFacts(Summed):
    """Counts over some drives.

    `ticks`; `posed`: those with a pose; `seconds`: from the first tick to the last; `jumps`: ticks to which the pose
    jumps farther than a vehicle can move.
    """

    ticks: int = 0
    posed: int = 0
    seconds: float = 0.0
    jumps: int = 0
    timing: PoseTiming = field(default_factory=PoseTiming)


def drive_facts(
    times_s: Sequence[float | None], poses: Mapping[float, Matrix], clouds: Sequence[StillCloud]
) -> DriveFacts:
    """Facts of one drive; `times_s`: of its ticks; `poses`: world_SE3_ego (4, 4) by time; `clouds`: of some ticks."""
    known_s = [time_s for time_s in times_s if time_s is not None]
    seconds = max(known_s) - min(known_s) if known_s else 0.0
    return DriveFacts(len(times_s), len(poses), seconds, _jumps(poses), pose_timing(clouds, poses))


def _jumps(poses: Mapping[float, Matrix]) -> int:
    times_s = sorted(poses)
    if len(times_s) < 3:
        return 0
    steps_s = np.diff(times_s)[:, None]
    velocity_mps = np.diff([poses[time_s][:3, 3] for time_s in times_s], axis=0) / steps_s
    change_mps = np.linalg.norm(np.diff(velocity_mps, axis=0), axis=1)
    return int(np.count_nonzero(change_mps > MIN_JUMP_MPS + MAX_ACCELERATION_MPS2 * steps_s[1:, 0]))
