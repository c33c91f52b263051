"""Thresholds that people can use, and what the test set shows at them: the block `events` and its tables."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Final

import numpy as np

from lib.evaluation.events import FEW_MINUTES, Drive, drives_of, events_at, normal_minutes, threshold_for
from lib.evaluation.plot_tables import Row
from lib.evaluation.pooling import PooledFrame, ScoredTest
from lib.shards.validation_scores import ValidationScores

MAX_THRESHOLDS: Final = 150
OWN, CHOSEN = "the test's own", "from validation"
EVENT_COLUMNS: Final = (
    *("threshold", "false_alarms_per_minute", "detection_rate", "detection_rate_low", "detection_rate_high"),
    "first_detection_m",
)
FIRST_DETECTION_COLUMNS: Final = ("threshold", "distance_m", "in_view_fraction", "detection_rate")
_ADVICE: Final = {
    "the test set": "give data.root more normality scenarios or raise split.test_fraction",
    "validation": "give data.root more normality scenarios or raise split.validation_fraction",
}
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Operating:
    """The block `events` of metrics/evaluate.json; rows of plots/events.csv and of plots/first_detections.csv."""

    block: dict[str, float | int | dict[str, float | int]]
    events: list[Row]
    first_detections: list[Row]


def operate(test: ScoredTest, validation: ValidationScores | None) -> Operating:
    """Judge the test set at its own threshold and at validation's.

    Empty, with a warning, where nothing can be said. A threshold of one false alarm a minute is left out, with a
    warning, where there is too little normal driving to hold one.
    """
    drives = drives_of(test.frames)
    objects = sum(1 for drive in drives or () if len(drive.positive_scores))
    minutes = normal_minutes(drives or ())
    if not drives or not objects or minutes == 0:
        _LOG.warning("events are left out: the test set lacks the frames' times, objects in view, or negative frames")
        return Operating({}, [], [])
    block: dict[str, float | int | dict[str, float | int]] = {"objects": objects, "normal_minutes": minutes}
    thresholds: dict[str, float] = {}
    if (own := _threshold(drives, "the test set")) is not None:
        thresholds[OWN] = own
        block |= _numbers(test, drives, own)
    if validation is not None and (chosen := validation_threshold(validation)):
        thresholds[CHOSEN], validation_minutes = chosen
        numbers = _numbers(test, drives, thresholds[CHOSEN]) | {"validation_minutes": validation_minutes}
        block["at_validation_threshold"] = {k: v for k, v in numbers.items() if k not in ("objects", "normal_minutes")}
    rows = [row for name, threshold in thresholds.items() for row in _first_detections(name, drives, threshold)]
    return Operating(block, _curve(test, drives), rows)


def validation_threshold(validation: ValidationScores) -> tuple[float, float] | None:
    """The threshold of one false alarm a minute on validation frames as they are, and how many minutes these last.

    None, with a warning, where their time is unknown or too short to hold one false alarm.
    """
    columns = validation.drive.tolist(), validation.time_s.tolist(), validation.frame_score.tolist()
    frames = []
    for drive, time_s, score in zip(*columns, strict=True):
        scenario, camera = validation.drives[drive]
        frames.append(PooledFrame(scenario, "NORMALITY", camera, time_s, score, "negative", None, anywhere=False))
    drives = drives_of(frames)
    if drives is None:
        _LOG.warning("events: no threshold from validation, whose frames have no times")
        return None
    threshold = _threshold(drives, "validation")
    return None if threshold is None else (threshold, normal_minutes(drives))


def _threshold(drives: Sequence[Drive], of: str) -> float | None:
    """The threshold of one false alarm a minute; None, with a warning, where there is too little normal driving."""
    minutes, threshold = normal_minutes(drives), threshold_for(drives)
    if threshold is None:
        _LOG.warning(
            "events: no threshold of one false alarm a minute from %s: its normal driving lasts %.3g s, too short to "
            "hold one; %s",
            *(of, 60 * minutes, _ADVICE[of]),
        )
    elif minutes < FEW_MINUTES:
        _LOG.warning(
            "events: one false alarm a minute is asked of %.1f minutes of normal driving in %s; at least %g would be "
            "better; %s",
            *(minutes, of, FEW_MINUTES, _ADVICE[of]),
        )
    return threshold


def _numbers(test: ScoredTest, drives: list[Drive], threshold: float) -> dict[str, float | int]:
    """The outcome at a threshold as a block; what is not known is absent."""
    events = events_at(drives, threshold, list(test.strata), test.weights)
    numbers = {**asdict(events), "false_alarms_per_minute": events.false_alarms_per_minute}
    return {name: number for name, number in numbers.items() if number is not None}


def _curve(test: ScoredTest, drives: list[Drive]) -> list[Row]:
    """Outcomes at thresholds from the highest score down, at most MAX_THRESHOLDS, each that changes an outcome once."""
    scores = np.unique(np.concatenate([s for d in drives for s in (*d.negative_scores, d.positive_scores)]))[::-1]
    chosen = np.unique(np.linspace(0, len(scores) - 1, MAX_THRESHOLDS).round().astype(int))
    rows = [_numbers(test, drives, threshold) for threshold in scores[chosen].tolist()]
    # A falling threshold joins alarms as well: a number of them counts only while no higher threshold had more.
    most = np.maximum.accumulate([row["false_alarms"] for row in rows])
    rising = [row for row, highest in zip(rows, most, strict=True) if row["false_alarms"] == highest]
    distinct = [next(same) for _, same in groupby(rising, key=lambda row: (row["false_alarms"], row["found"]))]
    return [{column: row.get(column, "") for column in EVENT_COLUMNS} for row in distinct]


def _first_detections(name: str, drives: list[Drive], threshold: float) -> list[Row]:
    """Shares of all objects that were in view, and that were found, when still at least so far away."""
    seen, found = list[float](), list[float]()
    for drive in (drive for drive in drives if np.isfinite(drive.distance_m).any()):
        seen.append(float(np.nanmax(drive.distance_m)))
        reached = drive.distance_m[drive.positive_scores >= threshold]
        found.append(float(np.nanmax(reached)) if np.isfinite(reached).any() else -np.inf)
    farthest = np.ceil(max(seen)) if seen else -1
    return [
        {
            "threshold": name,
            "distance_m": float(distance),
            "in_view_fraction": float(np.mean(np.array(seen) >= distance)),
            "detection_rate": float(np.mean(np.array(found) >= distance)),
        }
        for distance in np.arange(0, farthest + 1)
    ]
