"""Probabilities out of scores, fitted on validation frames with pseudo-anomalies; how far they can be relied on.

What calibration promises holds for anomalies as common and as plain as the pasted ones. The test's are neither, so the
promise (of validation scenarios that the fit has not seen) stands beside what the test shows.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import Level, LevelScores
from lib.shards.validation_scores import NOT_SCORED, PASTED, ValidationScores

CalibratedLevel = Literal["frame", "point"]
EDGES: Final = np.array([0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
"""Of the bins of predicted probability: finer where points are, nearly all of which are surely normal."""
_STEPS: Final = 100
_LOG: Final = logging.getLogger(__name__)
_Floats = npt.NDArray[np.floating]
_Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrator:
    """probability = sigmoid(slope * score + intercept)."""

    slope: float
    intercept: float

    def probability(self, scores: _Floats) -> npt.NDArray[np.float64]:
        """Probabilities, of any shape, that what has these scores is anomalous."""
        return _sigmoid(self.slope * scores.astype(np.float64) + self.intercept)


@dataclass(frozen=True, eq=False)
class Bins:
    """By bin of predicted probability (K,): how many items, how many of them positive, the sum of the predictions."""

    items: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.float64]

    def __add__(self, other: "Bins") -> "Bins":
        """Bins of both."""
        return Bins(self.items + other.items, self.positives + other.positives, self.predicted + other.predicted)

    @property
    def share(self) -> float:
        """Share of all items that is positive."""
        return float(self.positives.sum() / self.items.sum())

    def at_fraction(self, fitted: float) -> "Bins":
        """As if the fit, made where a share `fitted` is positive, knew the share here (Saerens et al. 2002)."""
        mean = np.clip(self.predicted / np.maximum(self.items, 1), 1e-12, 1 - 1e-12)
        odds = mean / (1 - mean) * (self.share / (1 - self.share)) / (fitted / (1 - fitted))
        return Bins(self.items, self.positives, self.items * odds / (1 + odds))

    @property
    def error(self) -> float:
        """Expected calibration error: how far prediction and observed share are apart, mean over the items' bins."""
        return float(np.abs(self.predicted - self.positives).sum() / self.items.sum())


@dataclass(frozen=True, eq=False)
class Calibration:
    """A level's calibrator, and bins of validation scenarios, each judged by a fit on others: what is promised."""

    calibrator: Calibrator
    promised: Bins


def fit_calibrator(scores: _Floats, positive: _Booleans) -> Calibrator:
    """Logistic regression of one variable on scores (N,) of both classes, by Newton's method.

    The targets lie off 0 and 1 by a count of one (Platt 1999), so that classes that do not overlap keep it finite.
    """
    middle, spread = float(scores.mean(dtype=np.float64)), float(scores.std(dtype=np.float64)) or 1.0
    x = (scores.astype(np.float64) - middle) / spread
    count = int(positive.sum())
    target = np.where(positive, (count + 1) / (count + 2), 1 / (len(x) - count + 2))
    weights = np.array([0.0, np.log((count + 1) / (len(x) - count + 1))])
    loss = _loss(weights, x, target)
    for _ in range(_STEPS):
        error = _sigmoid(weights[0] * x + weights[1]) - target
        curvature = (error + target) * (1 - error - target)
        gradient = np.array([(error * x).sum(), error.sum()])
        mixed = (curvature * x).sum()
        hessian = np.array([[(curvature * x * x).sum(), mixed], [mixed, curvature.sum()]]) + 1e-9 * np.eye(2)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > 1e-6 and _loss(weights - size * step, x, target) > loss:
            size /= 2
        weights = weights - size * step
        before, loss = loss, _loss(weights, x, target)
        if before - loss <= 1e-12 * abs(loss):
            break
    slope = weights[0] / spread
    return Calibrator(float(slope), float(weights[1] - slope * middle))


def binned(calibrator: Calibrator, scores: _Floats, positive: _Booleans) -> Bins:
    """Scores (N,) and their truth, in bins of predicted probability."""
    predicted = calibrator.probability(scores)
    place, size = np.searchsorted(EDGES[1:-1], predicted, side="right"), len(EDGES) - 1
    return Bins(
        items=np.bincount(place, minlength=size).astype(np.int64),
        positives=np.bincount(place[positive], minlength=size).astype(np.int64),
        predicted=np.bincount(place, predicted, minlength=size).astype(np.float64),
    )


def calibrate(validation: ValidationScores, params: EvaluateParams) -> dict[CalibratedLevel, Calibration]:
    """Calibrations of frames and points; a level that lacks a class in half of the scenarios is absent, with a warning.

    Each half of the validation scenarios is judged by a fit on the other: that is what is promised.
    """
    found: dict[CalibratedLevel, Calibration] = {}
    for level, (scores, positive, drive) in _items(validation, params).items():
        scenarios = np.array([sorted({s for s, _ in validation.drives}).index(s) for s, _ in validation.drives])
        halves = [scenarios[drive] % 2 == half for half in (0, 1)]
        if any(len(np.unique(positive[half])) < 2 for half in halves):
            _LOG.warning("calibration of %ss is left out: validation frames are too few or of one class", level)
            continue
        fits = [fit_calibrator(scores[half], positive[half]) for half in halves]
        first, second = (binned(fits[1 - n], scores[half], positive[half]) for n, half in enumerate(halves))
        found[level] = Calibration(fit_calibrator(scores, positive), first + second)
    return found


def shown(
    calibrations: Mapping[CalibratedLevel, Calibration], levels: Mapping[Level, LevelScores]
) -> dict[CalibratedLevel, Bins]:
    """A part of the test set in bins, by level."""
    bins: dict[CalibratedLevel, Bins] = {}
    for level, calibration in calibrations.items():
        scores = levels[level]
        positive = np.arange(len(scores.positive) + len(scores.negative)) < len(scores.positive)
        bins[level] = binned(calibration.calibrator, np.concatenate([scores.positive, scores.negative]), positive)
    return bins


def pasted_truth(
    image_fraction: _Floats, points: npt.NDArray[np.integer], params: EvaluateParams
) -> tuple[_Booleans, _Booleans]:
    """Which frames (G,) show a pseudo-anomaly, by evaluation's rule, and which count at all: too little is neither.

    image_fraction, points (G,): how much of the image and how many points of pseudo-anomalies are in view.
    """
    enough = (image_fraction >= params.min_anomaly_image_fraction) | (points >= params.min_anomaly_points)
    return enough, enough | ((image_fraction == 0) & (points == 0))


def _items(
    validation: ValidationScores, params: EvaluateParams
) -> dict[CalibratedLevel, tuple[_Floats, _Booleans, npt.NDArray[np.int32]]]:
    """Scores, truth and drive of the frames that count by evaluation's rule, and of the points in view."""
    v = validation
    enough, counts = pasted_truth(v.pasted_image_fraction, v.pasted_points, params)
    scored = v.point_label != NOT_SCORED
    drive = np.broadcast_to(v.pasted_drive[:, None], scored.shape)
    return {
        "frame": (v.pasted_score[counts], enough[counts], v.pasted_drive[counts]),
        "point": (v.point_score[scored], v.point_label[scored] == PASTED, drive[scored]),
    }


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _loss(weights: npt.NDArray[np.float64], x: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    z = weights[0] * x + weights[1]
    return float((np.logaddexp(0, z) - target * z).sum())
