"""What a driver would notice: objects found, false alarms per minute, and how far away an object is when first found.

An *object* is the anomaly of a drive (a scenario, or one camera's view of it) with at least one positive frame. A drive
*raises an alarm* at a frame whose score reaches the threshold; alarms of successive frames are one. A false alarm is
one in a run of negative frames. Frames with too little of the anomaly in view are neither: an alarm there neither
counts nor is held against the detector.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.pooling import PooledFrame

FALSE_ALARMS_PER_MINUTE: Final = 1.0
FEW_MINUTES: Final = 10.0
_TOLERANCE: Final = 1e-6
"""What rounding may take from a sum of times, in alarms."""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drive:
    """A drive's frames in time. negative_scores: of each run of successive negative frames; negative_s: their time;
    positive_scores (D,), distance_m (D,): of the positive frames; nan where no sensor tells the anomaly's distance.
    """

    scenario: str
    negative_scores: tuple[_Floats, ...]
    negative_s: float
    positive_scores: _Floats
    distance_m: _Floats


@dataclass(frozen=True)
class Events:
    """The outcome at one threshold; the interval is a percentile bootstrap over scenarios, the threshold fixed.

    first_detection_m: median over the found objects; None where no distance is known.
    """

    threshold: float
    objects: int
    found: int
    detection_rate: float
    detection_rate_low: float
    detection_rate_high: float
    first_detection_m: float | None
    false_alarms: int
    normal_minutes: float

    @property
    def false_alarms_per_minute(self) -> float:
        """False alarms per minute of negative frames."""
        return self.false_alarms / self.normal_minutes


def drives_of(frames: Sequence[PooledFrame]) -> list[Drive] | None:
    """Frames in their order as drives; None where a time is unknown or no drive has two frames, so that time is."""
    drives = [list(part) for _, part in groupby(frames, key=lambda frame: (frame.scenario, frame.camera))]
    steps = np.concatenate([np.zeros(0), *(np.diff([frame.time_s for frame in drive]) for drive in drives)])
    if len(steps) == 0 or not np.isfinite(steps).all() or np.median(steps) <= 0:
        return None
    return [_drive(drive, float(np.median(steps))) for drive in drives]


def normal_minutes(drives: Sequence[Drive]) -> float:
    """How long the drives' negative frames last."""
    return sum(drive.negative_s for drive in drives) / 60


def threshold_for(drives: Sequence[Drive], per_minute: float = FALSE_ALARMS_PER_MINUTE) -> float | None:
    """The lowest threshold (`score >= threshold`) with at most so many false alarms per minute of negative frames.

    Lowest: no threshold above it has more. None where the negative frames are too short for one alarm at this rate: no
    alarm in half a minute does not show that there is at most one in a minute.
    """
    allowed = math.floor(per_minute * normal_minutes(drives) + _TOLERANCE)
    if allowed == 0:
        return None
    scores = np.unique(np.concatenate([np.concatenate(d.negative_scores) for d in drives if d.negative_scores]))
    candidates = np.append(scores, np.nextafter(scores[-1], np.inf))
    # A falling threshold first adds alarms and then joins them, so their number has no order.
    too_many = np.flatnonzero(false_alarms(drives, candidates) > allowed)
    return float(candidates[too_many[-1] + 1 if len(too_many) else 0])


def false_alarms(drives: Sequence[Drive], thresholds: _Floats) -> npt.NDArray[np.int64]:
    """How many runs of successive negative frames reach each threshold (T,): (T,) int64."""
    runs = [np.append(-np.inf, scores) for drive in drives for scores in drive.negative_scores]
    before, after = (
        np.concatenate([np.zeros(0), *(run[part] for run in runs)]) for part in (slice(-1), slice(1, None))
    )
    rises = after > before  # an alarm begins where the scores rise past the threshold
    return _at_least(after[rises], thresholds) - _at_least(before[rises], thresholds)


def events_at(
    drives: Sequence[Drive], threshold: float, scenarios: Sequence[str], weights: npt.NDArray[np.float64]
) -> Events:
    """The outcome at a threshold; some drives have objects, some negative frames. scenarios: of weights (R, S)."""
    objects = [drive for drive in drives if len(drive.positive_scores)]
    found = np.array([(drive.positive_scores >= threshold).any() for drive in objects])
    place = {scenario: column for column, scenario in enumerate(scenarios)}
    drawn = weights[:, [place[drive.scenario] for drive in objects]]
    shares = (drawn @ found)[drawn.any(axis=1)] / drawn.sum(axis=1)[drawn.any(axis=1)]
    low, high = np.percentile(shares, [2.5, 97.5]).tolist()
    first = [drive.distance_m[np.argmax(drive.positive_scores >= threshold)] for drive in objects]
    distances = np.array(first)[found & np.isfinite(first)]
    return Events(
        threshold=threshold,
        objects=len(objects),
        found=int(found.sum()),
        detection_rate=float(found.mean()),
        detection_rate_low=low,
        detection_rate_high=high,
        first_detection_m=float(np.median(distances)) if len(distances) else None,
        false_alarms=int(false_alarms(drives, np.array([threshold]))[0]),
        normal_minutes=normal_minutes(drives),
    )


def _drive(frames: list[PooledFrame], step_s: float) -> Drive:
    runs = [list(part) for state, part in groupby(frames, key=lambda frame: frame.state) if state == "negative"]
    positive = [frame for frame in frames if frame.state == "positive"]
    return Drive(
        scenario=frames[0].scenario,
        negative_scores=tuple(np.array([frame.score for frame in run]) for run in runs),
        negative_s=step_s * sum(len(run) for run in runs),
        positive_scores=np.array([frame.score for frame in positive]),
        distance_m=np.array([np.nan if f.distance_m is None else f.distance_m for f in positive]),
    )


def _at_least(scores: _Floats, thresholds: _Floats) -> npt.NDArray[np.int64]:
    return (len(scores) - np.searchsorted(np.sort(scores), thresholds)).astype(np.int64)
