"""Probabilities from scores by Platt scaling, fitted on validation frames with pseudo-anomalies; how reliable they are.

What it promises holds for anomalies as common and as plain as the pasted ones. The test's are neither, so the promise
(of validation scenarios that the fit has not seen) stands beside what the test shows.
"""

import logging
import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.common.ranking import Ranking, merged, rank
from lib.evaluation.anovox_protocol import sigmoid
from lib.evaluation.evaluate_params import EvaluateParams
from lib.shards.validation_scores import NOT_SCORED, PASTED, ValidationScores

CalibratedLevel = Literal["frame", "point"]
EDGES: Final = np.array([0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
"""Of the bins of predicted probability: finer where points are, nearly all of which are surely normal."""
MAX_STEPS: Final = 100
TOLERANCE, SMALLEST_STEP, RIDGE = 1e-10, 1e-6, 1e-9
_LOG: Final = logging.getLogger(__name__)
_Floats = npt.NDArray[np.floating]
_Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PlattScaling:
    """probability = sigmoid(slope * score + intercept)."""

    slope: float
    intercept: float

    def probability(self, scores: _Floats) -> npt.NDArray[np.float64]:
        """Probabilities, of any shape, that what has these scores is anomalous."""
        return sigmoid(self.slope * scores.astype(np.float64) + self.intercept)


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
class ScoreCalibration:
    """A level's scaling, and bins of validation scenarios, each judged by a fit on others: what is promised."""

    scaling: PlattScaling
    promised: Bins


def fit_platt_scaling(ranking: Ranking) -> PlattScaling:
    """Logistic regression of one variable, by Newton's method. (Importing scikit-learn's takes seconds.)

    The targets are off 0 and 1 by a count of one (Platt 1999), so that the fit stays finite for classes that do not
    overlap.
    """
    positives, negatives = ranking.positives, ranking.negatives
    values, items = ranking.values.astype(np.float64), positives + negatives
    middle = np.average(values, weights=items)
    spread = math.sqrt(np.average((values - middle) ** 2, weights=items)) or 1.0
    high, low = (positives.sum() + 1) / (positives.sum() + 2), 1 / (negatives.sum() + 2)
    anomalous = positives * high + negatives * low
    x_K2 = np.stack([(values - middle) / spread, np.ones(len(values))], axis=1)

    def loss(weights: _Floats) -> float:
        logit = x_K2 @ weights
        return float((items * np.logaddexp(0, logit) - anomalous * logit).sum())

    weights = np.array([0.0, math.log(anomalous.sum() / (items.sum() - anomalous.sum()))])
    for _ in range(MAX_STEPS):
        probability = sigmoid(x_K2 @ weights)
        gradient = x_K2.T @ (items * probability - anomalous)
        hessian = (x_K2.T * (items * probability * (1 - probability))) @ x_K2 + RIDGE * np.eye(2)
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while size > SMALLEST_STEP and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < TOLERANCE:
            break
    slope = float(weights[0]) / spread
    return PlattScaling(slope, float(weights[1] - slope * middle))


def binned(scaling: PlattScaling, ranking: Ranking) -> Bins:
    """Scores and their truth in bins of predicted probability."""
    predicted, items = scaling.probability(ranking.values), ranking.positives + ranking.negatives
    place, size = np.searchsorted(EDGES[1:-1], predicted, side="right"), len(EDGES) - 1
    return Bins(
        items=np.bincount(place, items, size).astype(np.int64),
        positives=np.bincount(place, ranking.positives, size).astype(np.int64),
        predicted=np.bincount(place, items * predicted, size).astype(np.float64),
    )


def calibrate_scores(validation: ValidationScores, params: EvaluateParams) -> dict[CalibratedLevel, ScoreCalibration]:
    """Calibrations of frames and points; a level that lacks a class in half of the scenarios is absent, with a warning.

    Each half of the validation scenarios is judged by a fit on the other: that is what is promised.
    """
    found: dict[CalibratedLevel, ScoreCalibration] = {}
    names = sorted({scenario for scenario, _ in validation.drives})
    half_of_drive = np.array([names.index(scenario) % 2 for scenario, _ in validation.drives])
    for level, (scores, positive, drive) in _items(validation, params).items():
        in_half = [half_of_drive[drive] == half for half in (0, 1)]
        halves = [rank(scores[positive & chosen], scores[~positive & chosen]) for chosen in in_half]
        if not all(half.has_both for half in halves):
            _LOG.warning("calibration of %s scores is left out: validation frames are too few or of one class", level)
            continue
        first, second = (binned(fit_platt_scaling(halves[1 - n]), halves[n]) for n in (0, 1))
        found[level] = ScoreCalibration(fit_platt_scaling(merged(halves)), first + second)
    return found


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
