"""AnoVox's own voxel evaluation, number for number, vectorised.

Source: benchmark/voxelize_sensor_scores.py and benchmark/eval/{evaluate_voxels,metrics}.py of AnoVox
(arXiv 2405.07865). docs/metrics.md says where its definitions differ from the field's.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lib.evaluation.curves import auroc, average_precision, rank
from lib.geometry.voxels import (
    MONO_LOCATION,
    OUTSIDE,
    nearest_to_corner,
    points_to_grid,
    points_to_voxels,
    voxel_keys,
)

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]
Booleans = npt.NDArray[np.bool_]
Way = Literal["centerpoint", "mean", "median"]


@dataclass(frozen=True)
class AnovoxMetrics:
    """The six numbers that AnoVox's script prints for a set of voxels."""

    auroc: float
    aupr: float
    fpr95: float
    specificity: float
    f1_score: float
    ppv: float


def sigmoid(scores: Floats) -> npt.NDArray[np.float64]:
    """Scores in [0, 1], in float64: float32 would make 20 and 45 the same."""
    exact = np.asarray(scores, dtype=np.float64)
    small = np.exp(-np.abs(exact))
    return np.where(exact >= 0, 1.0, small) / (1.0 + small)


def voxel_scores(
    points_m: Floats,
    scores: Floats,
    way: Way,
    location: tuple[float, float, float] = MONO_LOCATION,
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Scores of the voxels that hold points: their keys (M,) int64, ascending (lib.geometry.voxels), and scores (M,).

    points_m (N, 3 or more) [m] in the frame of the LiDAR at location, rotation (sensor_setup.json); scores (N,).
    centerpoint: the score of the point nearest to the voxel's lower corner; mean and median: of all its points.
    Points outside the grid are dropped.
    """
    keys = voxel_keys(points_to_voxels(points_m, location, rotation))
    voxels, centers = nearest_to_corner(points_to_grid(points_m, location, rotation), keys)
    if way == "centerpoint":
        return voxels, scores[centers]
    order = np.lexsort((scores, keys))
    order = order[keys[order] != OUTSIDE]
    ordered = scores[order].astype(np.float64)
    starts = np.searchsorted(keys[order], voxels)
    counts = np.diff(np.append(starts, len(order)))
    if way == "mean":
        return voxels, (np.add.reduceat(ordered, starts) if len(starts) else ordered) / counts
    return voxels, (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2.0


def shared_voxels(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of first (M,) and of second (N,) that are the same voxel, pairwise; keys are distinct within each."""
    _, rows_first, rows_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return rows_first, rows_second


def anovox_metrics(scores: Floats, is_anomaly: Booleans) -> AnovoxMetrics | None:
    """AnoVox's numbers for shared voxels: scores (M,) in [0, 1], is_anomaly (M,); None where a class is missing.

    Scores exceed a threshold with `>`. fpr95: at the first threshold of 1.00, 0.99, ... whose true positive rate is
    at least 0.95. specificity: at the lowest score where precision and recall are nearest. f1_score and ppv: means
    over the thresholds 0.25, 0.30, ... 0.70, 0 where nothing exceeds one.
    """
    positives = np.sort(np.asarray(scores, dtype=np.float64)[is_anomaly])
    negatives = np.sort(np.asarray(scores, dtype=np.float64)[~is_anomaly])
    if len(positives) == 0 or len(negatives) == 0:
        return None
    ranking = rank(positives, negatives)
    threshold = _where_precision_meets_recall(positives, negatives)
    hits, false_alarms = _exceeding(positives, negatives, np.arange(0.25, 0.75, 0.05))
    reported = hits + false_alarms
    return AnovoxMetrics(
        auroc=auroc(ranking),
        aupr=average_precision(ranking),
        fpr95=_fpr95(positives, negatives),
        specificity=float(np.searchsorted(negatives, threshold, side="right") / len(negatives)),
        f1_score=float(np.mean(2 * hits / (reported + len(positives)))),
        ppv=float(np.mean(hits / np.maximum(reported, 1))),
    )


def _exceeding(positives: Floats, negatives: Floats, thresholds: Floats) -> tuple[Integers, Integers]:
    """Numbers of sorted positives and negatives that exceed each threshold."""
    return (
        len(positives) - np.searchsorted(positives, thresholds, side="right"),
        len(negatives) - np.searchsorted(negatives, thresholds, side="right"),
    )


def _fpr95(positives: Floats, negatives: Floats) -> float:
    # The same call as AnoVox's, so that the thresholds are the same floats; the last one lies just below 0.
    hits, false_alarms = _exceeding(positives, negatives, np.arange(1, -0.01, -0.01))
    first = int(np.argmax(hits / len(positives) >= 0.95))
    return float(false_alarms[first] / len(negatives))


def _where_precision_meets_recall(positives: Floats, negatives: Floats) -> float:
    """The lowest of the scores at which |precision - recall| (`>=`) is least.

    Both are 0 where a negative scores highest of all, so such a score wins unless another threshold is exact too.
    """
    thresholds = np.unique(np.concatenate([positives, negatives]))
    hits = len(positives) - np.searchsorted(positives, thresholds, side="left")
    false_alarms = len(negatives) - np.searchsorted(negatives, thresholds, side="left")
    distance = np.abs(hits / (hits + false_alarms) - hits / len(positives))
    return float(thresholds[np.argmin(distance)])
