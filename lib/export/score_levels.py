"""How to read the scores of frames, points and pixels: thresholds and probabilities, from normal frames."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from lib.evaluation.platt_scaling import PlattScaling
from lib.metrics.value_counts import VALUES, ValueCounts
from lib.shards.validation_scores import NORMAL, ValidationScores

Level = Literal["frame", "point", "pixel"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
RATES: Final = (0.1, 0.05, 0.01, 0.001)
MAX_RARITY: Final = 4.0
FEWEST_ALARMS: Final = 3
"""So many normal items must score above a threshold, or their number does not support it."""


class Strict(BaseModel):
    """Base of what a model file holds: frozen, no unknown keys, no conversion, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Threshold(Strict):
    """`score >= threshold` is an alarm: at most this fraction of normal items is one."""

    false_alarm_rate: Annotated[float, Field(gt=0, lt=1)]
    score: float


class ScoreLevel(Strict):
    """Scores of frames, points or pixels: thresholds, from so many normal items, and probabilities.

    Thresholds are ordered by rate, the highest first. probability: fitted on validation frames with pseudo-anomalies;
    None where these do not suffice, and for pixels.
    """

    normal_items: Annotated[int, Field(ge=0)]
    thresholds: tuple[Threshold, ...]
    probability: PlattScaling | None

    def threshold(self, false_alarm_rate: float) -> Threshold | None:
        """The threshold of a rate, or of the next higher one where too few normal items were scored; None without."""
        return next((t for t in reversed(self.thresholds) if t.false_alarm_rate >= false_alarm_rate), None)

    def rarity(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """How rare so high a score is among normal ones: -log10 of the rate, so that 2 is one in 100.

        Interpolated between the thresholds; below the first 0, beyond the last up to MAX_RARITY.
        """
        if not self.thresholds:
            return np.zeros(scores.shape)
        rare = [-math.log10(t.false_alarm_rate) for t in self.thresholds]
        at = [t.score for t in self.thresholds]
        step = (at[-1] - at[0]) / (rare[-1] - rare[0]) if len(at) > 1 else 1.0
        at.append(at[-1] + max(step, 1e-3) * (MAX_RARITY - rare[-1]))
        found = np.interp(scores.astype(np.float64), at, [*rare, MAX_RARITY])
        return np.asarray(np.where(scores < at[0], 0.0, found))


ScoreLevels = Mapping[Level, ScoreLevel]


def score_levels(validation: ValidationScores, metrics: Mapping[str, Any]) -> dict[Level, ScoreLevel]:
    """Thresholds from the validation frames' normal items; probabilities by the fit of metrics/evaluate.json."""
    normal: dict[Level, npt.NDArray[np.float16]] = {
        "frame": validation.frame_score,
        "point": validation.point_score[validation.point_label == NORMAL],
        "pixel": validation.pixel_score[validation.pixel_label == NORMAL],
    }
    fits = metrics.get("calibration", {})
    probabilities = {level: PlattScaling(fit["slope"], fit["intercept"]) for level, fit in fits.items()}
    return {level: level_of(counted(scores), probabilities.get(level)) for level, scores in normal.items()}


def level_of(normal: ValueCounts, probability: PlattScaling | None = None) -> ScoreLevel:
    """The lowest thresholds that at most RATES of the normal scores reach, where their number supports it."""
    reaching = np.cumsum(normal.total()[::-1])[::-1]  # how many reach each value
    items = int(reaching[0])
    allowed = {rate: math.floor(rate * items) for rate in RATES}
    highest_passed = {
        rate: VALUES[np.flatnonzero(reaching > count)[-1]] for rate, count in allowed.items() if count >= FEWEST_ALARMS
    }
    thresholds = tuple(
        # Above the highest score that may not pass, by the least that float16 knows.
        Threshold(false_alarm_rate=rate, score=float(np.nextafter(np.float16(score), np.float16(np.inf))))
        for rate, score in highest_passed.items()
    )
    return ScoreLevel(normal_items=items, thresholds=thresholds, probability=probability)


def counted(scores: npt.NDArray[np.float16]) -> ValueCounts:
    """Scores (N,) counted by value."""
    counts = ValueCounts()
    counts.add(0, scores)
    return counts
