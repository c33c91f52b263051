"""How to read the scores of frames and points: thresholds and probabilities, from validation frames."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from lib.evaluation.platt_scaling import CalibratedLevel, PlattScaling
from lib.shards.validation_scores import NORMAL, ValidationScores

RATES: Final = (0.1, 0.05, 0.01, 0.001)
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
    """Scores of frames or of points: thresholds, from so many normal items, and probabilities.

    probability: fitted on validation frames with pseudo-anomalies; None where these do not suffice.
    """

    normal_items: Annotated[int, Field(ge=0)]
    thresholds: tuple[Threshold, ...]
    probability: PlattScaling | None


def score_levels(validation: ValidationScores, metrics: Mapping[str, Any]) -> dict[CalibratedLevel, ScoreLevel]:
    """Thresholds from the validation frames' normal items; probabilities by the fit of metrics/evaluate.json."""
    normal: dict[CalibratedLevel, npt.NDArray[np.float16]] = {
        "frame": validation.frame_score,
        "point": validation.point_score[validation.point_label == NORMAL],
    }
    fits = metrics.get("calibration", {})
    return {
        level: ScoreLevel(
            normal_items=len(scores),
            thresholds=thresholds(scores),
            probability=PlattScaling(fits[level]["slope"], fits[level]["intercept"]) if level in fits else None,
        )
        for level, scores in normal.items()
    }


def thresholds(normal: npt.NDArray[np.float16]) -> tuple[Threshold, ...]:
    """The lowest thresholds that at most RATES of the normal scores (N,) reach, where their number supports it."""
    falling = np.sort(normal)[::-1]
    allowed = {rate: math.floor(rate * len(falling)) for rate in RATES}
    return tuple(
        # Above the highest score that may not pass, by the least that float16 knows.
        Threshold(false_alarm_rate=rate, score=float(np.nextafter(falling[count], np.float16(np.inf))))
        for rate, count in allowed.items()
        if count >= FEWEST_ALARMS
    )
