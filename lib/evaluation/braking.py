"""Whether a score tells that the vehicle ahead brakes: drive by drive, when it does, and how fast it is told.

Labels follow a window of ticks: the vehicle brakes one tick after the first labelled frame and has often come to rest
long before the last one. So `label` judges all labelled frames, and `onset` the first second in which it brakes,
against the frames before the label; the rest of the window is left out there.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.ranking import auroc
from lib.common.ticks import TICK_S
from lib.evaluation.events import FEW_MINUTES, Drive, false_alarms, normal_minutes, threshold_for
from lib.evaluation.inputs import some_names
from lib.evaluation.pools import ALL, Pool
from lib.geometry.frame import ScenarioType
from lib.metrics.bootstrap import resample_scenarios
from lib.metrics.value_counts import ValueCounts
from lib.shards.predictions import to_float16

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Block = dict[str, Any]
Question = Callable[["DriveScores"], tuple[Booleans, Booleans]]
"""Which frames (F,) of a drive are positive, and which negative."""

ONSET_S: Final = 1.0
WITHIN_S: Final = {"detected_within_0_6_s": 0.6, "detected_within_1_s": 1.0}
ALARM_BEFORE_S: Final = 1.0
"""An alarm that sounds so shortly before the vehicle brakes is no answer to it."""
HELD: Final = "label_held"
_TOLERANCE_S: Final = 0.02
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DriveScores:
    """A drive of F frames in the order of time, and what each method scores them; higher = more anomalous.

    name: drives of one name (cameras of a scenario) are resampled together. type: DYNAMIC, or NORMALITY for normal
    driving. time_s (F,) [s], ascending, at TICKS_PER_SECOND with few gaps. labelled (F,) bool: labelled as braking.
    contact (F,) bool: the ego touches the vehicle ahead, or has done so. scores: method -> (F,), finite; all drives
    have the same methods.
    """

    name: str
    type: ScenarioType
    time_s: npt.NDArray[np.floating]
    labelled: Booleans
    contact: Booleans
    scores: Mapping[str, npt.NDArray[np.floating]]
    camera: str = ""

    def __post_init__(self) -> None:
        assert len(self.time_s) > 0 and (np.diff(self.time_s) > 0).all()
        assert self.labelled.shape == self.contact.shape == self.time_s.shape
        assert all(s.shape == self.time_s.shape and np.isfinite(s).all() for s in self.scores.values())

    @property
    def is_dynamic(self) -> bool:
        """Whether this is a drive in which the vehicle ahead is to brake."""
        return self.type is ScenarioType.DYNAMIC

    @cached_property
    def onset_s(self) -> float | None:
        """When the vehicle begins to brake: one tick after the first labelled frame.

        None in normal driving, where the label never comes or is there from the first frame on, or where the drive ends
        with it.
        """
        first = int(np.argmax(self.labelled))  # 0 as well where there is none
        if not self.is_dynamic or first == 0:
            return None
        acts_s = float(self.time_s[first]) + TICK_S
        return acts_s if self.time_s[-1] > acts_s - _TOLERANCE_S else None

    @cached_property
    def before(self) -> Booleans:
        """Frames (F,) before the first labelled one; none where there is no onset."""
        return self.between(-np.inf, -TICK_S)

    @cached_property
    def at_onset(self) -> Booleans:
        """Frames (F,) of the first second in which the vehicle brakes; none where there is no onset."""
        return self.between(0.0, ONSET_S)

    def between(self, start_s: float, stop_s: float) -> Booleans:
        """Frames (F,) from start_s on and before stop_s, both counted from the onset; none where there is no onset."""
        if self.onset_s is None:
            return np.zeros(len(self.time_s), dtype=bool)
        since_s = self.time_s - self.onset_s + _TOLERANCE_S
        return np.asarray((since_s >= start_s) & (since_s < stop_s))


def judge_drives(drives: Sequence[DriveScores], hold_s: float, resamples: int, seed: int) -> Block:
    """All methods' numbers, each a block of its own, and counts of drives: the block `braking` of docs/metrics.md.

    There is at least one drive. hold_s [s]: how long `label_held` holds a score. Intervals resample the drives, the
    same for all methods. What cannot be computed is absent; warnings say why.
    """
    weights, column = resampled(drives, resamples, seed)
    dynamic = [drive for drive in drives if drive.is_dynamic]
    without = [drive for drive in dynamic if drive.onset_s is None]
    if without:
        _LOG.warning(
            "braking: %d of %d drives have no onset (%s): the label of braking never comes, is there from the first "
            "frame on, or ends the drive; they are left out of onset and delays",
            *(len(without), len(dynamic), some_names([drive.name for drive in without])),
        )
    minutes = [TICK_S * sum(int(_negative(d).sum()) for d in some) / 60 for some in (drives, dynamic)]
    _warn_of_minutes(minutes[0])
    block: Block = {
        "drives": len(dynamic),
        "drives_without_onset": len(without),
        "normal_minutes": minutes[0],
        "before_label_minutes": minutes[1],
        "hold_s": hold_s,
    }
    for method in drives[0].scores:
        scores = [to_float16(drive.scores[method]) for drive in drives]
        block[method] = _aurocs(drives, scores, hold_s, column, weights) | _alarms(drives, scores, column, weights)
    return block


def resampled(drives: Sequence[DriveScores], resamples: int, seed: int) -> tuple[Floats, dict[str, int]]:
    """How often each resample draws each drive (R, S), dynamic and normal ones apart, and each name's column."""
    types = {drive.name: drive.type.value for drive in drives}
    weights = resample_scenarios(list(types.values()), resamples, np.random.default_rng(seed))
    return weights, {name: number for number, name in enumerate(types)}


def held(time_s: npt.NDArray[np.floating], scores: npt.NDArray[Any], hold_s: float) -> npt.NDArray[Any]:
    """The highest score (F,) of each frame and of those up to hold_s before it; time_s (F,) [s] ascends."""
    stop = np.arange(1, len(scores) + 1)
    start = np.searchsorted(time_s, time_s - hold_s - _TOLERANCE_S)
    padded = np.append(scores, scores[-1:])  # so that the last stop is an index
    return np.asarray(np.maximum.reduceat(padded, np.column_stack([start, stop]).ravel())[::2])


def already_alarmed(drive: DriveScores, scores: npt.NDArray[Any], threshold: float) -> bool:
    """Whether scores (F,) reach the threshold in the second before the onset, of which there is one."""
    return bool((scores[drive.between(-ALARM_BEFORE_S, 0.0)].astype(np.float64) >= threshold).any())


def delay_s(drive: DriveScores, scores: npt.NDArray[Any], threshold: float) -> float:
    """Time [s] from the onset to the first frame whose score (F,) reaches the threshold.

    Infinite where none does, or where an alarm sounds already in the second before. The drive has an onset.
    """
    assert drive.onset_s is not None
    reached = drive.between(0.0, np.inf) & (scores.astype(np.float64) >= threshold)
    if already_alarmed(drive, scores, threshold) or not reached.any():
        return np.inf
    return float(drive.time_s[np.argmax(reached)]) - drive.onset_s


def _negative(drive: DriveScores) -> Booleans:
    """Frames (F,) in which an alarm is false: normal driving, and what comes before the label."""
    return drive.before if drive.is_dynamic else np.ones(len(drive.time_s), dtype=bool)


def _label(drive: DriveScores) -> tuple[Booleans, Booleans]:
    return drive.labelled, ~drive.labelled


def _onset(drive: DriveScores) -> tuple[Booleans, Booleans]:
    return drive.at_onset, drive.before


def _onset_with_normality(drive: DriveScores) -> tuple[Booleans, Booleans]:
    return drive.at_onset, _negative(drive)


def _before_contact(of: Question, drive: DriveScores) -> tuple[Booleans, Booleans]:
    apart = ~np.logical_or.accumulate(drive.contact)
    positive, negative = of(drive)
    return positive & apart, negative & apart


QUESTIONS: Final[Mapping[str, Question]] = {
    "label": _label,
    HELD: _label,
    "label_before_contact": partial(_before_contact, _label),
    "onset": _onset,
    "onset_with_normality": _onset_with_normality,
    "onset_before_contact": partial(_before_contact, _onset),
}


def _aurocs(
    drives: Sequence[DriveScores],
    scores: Sequence[npt.NDArray[np.float16]],
    hold_s: float,
    column: Mapping[str, int],
    weights: Floats,
) -> Block:
    """A block for each question that has positives and negatives."""
    lasting = [held(drive.time_s, score, hold_s) for drive, score in zip(drives, scores, strict=True)]
    block: Block = {}
    for name, question in QUESTIONS.items():
        positives, negatives = ValueCounts(), ValueCounts()
        for drive, score in zip(drives, lasting if name == HELD else scores, strict=True):
            positive, negative = question(drive)
            positives.add(column[drive.name], score[positive])
            negatives.add(column[drive.name], score[negative])
        if positives.scenarios and negatives.scenarios:
            block[name] = _auroc_block(Pool(negatives, {ALL: positives}, weights))
    return block


def _auroc_block(pool: Pool) -> Block:
    ranking, (low, high) = pool.ranking(), pool.auroc_interval()
    block: Block = {"auroc": auroc(ranking), "auroc_low": low, "auroc_high": high}
    return block | {"positives": int(ranking.positives.sum()), "negatives": int(ranking.negatives.sum())}


def _alarms(
    drives: Sequence[DriveScores], scores: Sequence[npt.NDArray[np.float16]], column: Mapping[str, int], weights: Floats
) -> Block:
    """The threshold of one false alarm a minute and what it finds; empty where there is none."""
    exact = [score.astype(np.float64) for score in scores]
    nothing = np.zeros(0)
    negatives = [score[_negative(drive)] for drive, score in zip(drives, exact, strict=True)]
    runs = [Drive("", (run,), TICK_S * len(run), nothing, nothing) for run in negatives if len(run)]
    threshold = threshold_for(runs)
    if threshold is None:
        return {}
    threshold = _storable(threshold)
    alarms = int(false_alarms(runs, np.array([threshold]))[0])
    block: Block = {
        "threshold": threshold,
        "false_alarms": alarms,
        "false_alarms_per_minute": alarms / normal_minutes(runs),
    }
    judged = [(drive, score) for drive, score in zip(drives, exact, strict=True) if drive.onset_s is not None]
    if not judged:
        return block
    delays_s = np.array([delay_s(drive, score, threshold) for drive, score in judged])
    drawn = weights[:, [column[drive.name] for drive, _ in judged]]
    drawn = drawn[drawn.any(axis=1)]
    for name, limit_s in WITHIN_S.items():
        found = delays_s <= limit_s + _TOLERANCE_S
        low, high = np.percentile(drawn @ found / drawn.sum(axis=1), [2.5, 97.5]).tolist()
        block |= {name: float(found.mean()), f"{name}_low": low, f"{name}_high": high}
    median_s = float(np.median(delays_s))
    if np.isfinite(median_s):
        block["median_delay_s"] = median_s
    return block | {"already_alarmed": sum(already_alarmed(drive, score, threshold) for drive, score in judged)}


def _storable(threshold: float) -> float:
    """A threshold that is no float16 value lies just above the highest score: the next such value, if there is one."""
    lower = np.float16(threshold)
    above = np.nextafter(lower, np.float16(np.inf))
    return threshold if float(lower) == threshold or not np.isfinite(above) else float(above)


def _warn_of_minutes(minutes: float) -> None:
    advice = "give data.root more normality scenarios at 10 Hz or raise split.test_fraction"
    if minutes < 1:
        _LOG.warning(
            "braking: no threshold of one false alarm a minute: normal driving and what comes before the label last "
            "%.3g s, too short to hold one; %s",
            *(60 * minutes, advice),
        )
    elif minutes < FEW_MINUTES:
        _LOG.warning(
            "braking: one false alarm a minute is asked of %.1f minutes of normal driving; at least %g would be "
            "better; %s",
            *(minutes, FEW_MINUTES, advice),
        )
