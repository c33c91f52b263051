"""AnoVox's own voxel evaluation, number for number, vectorised.

Source: benchmark/voxelize_sensor_scores.py and benchmark/eval/{evaluate_voxels,metrics}.py of AnoVox
(arXiv 2405.07865). docs/metrics.md says where its definitions differ from the field's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lib.evaluation.curves import auroc, average_precision, fpr95, rank
from lib.geometry.voxels import (
    MONO_LOCATION,
    OUTSIDE,
    grid_cells,
    nearest_to_corner,
    points_to_grid,
    voxel_keys,
)
from lib.labels import ANOMALY_SIZES

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


@dataclass(frozen=True, eq=False)
class ProtocolFrame:
    """One frame's voxels that predictions and ground truth share: scores (M,) in [0, 1], is_anomaly (M,).

    anomaly_in_view: a sensor sees the anomaly; size: the anomaly's, if known; true_voxels and true_anomalies count the
    ground truth's voxels, shared or not.
    """

    scores: Floats
    is_anomaly: Booleans
    anomaly_in_view: bool
    size: str | None
    true_voxels: int
    true_anomalies: int


@dataclass(frozen=True)
class VoxelGroup:
    """AnoVox's numbers for the shared voxels of some frames and, beside them, the exact FPR95 and the counts."""

    metrics: AnovoxMetrics
    fpr95_exact: float
    anomalous_voxels: int
    normal_voxels: int


@dataclass(frozen=True)
class ProtocolResult:
    """AnoVox's groups of frames; None, or absent from by_size, where shared voxels lack anomalous or normal ones.

    The shares tell what the intersection hides: how much of the ground truth any prediction covers (None: of nothing).
    """

    normality_included: VoxelGroup | None
    anomalies_only: VoxelGroup | None
    by_size: Mapping[str, VoxelGroup | None]
    true_voxels_covered: float | None
    anomalous_voxels_covered: float | None


def anovox_protocol(frames: Sequence[ProtocolFrame]) -> ProtocolResult:
    """All frames; those in which a sensor and a shared voxel hold the anomaly; and these by the anomaly's size."""
    seen = [frame for frame in frames if frame.anomaly_in_view and frame.is_anomaly.any()]
    sizes = [size for size in ANOMALY_SIZES if any(frame.size == size for frame in seen)]
    anomalous = sum(int(frame.is_anomaly.sum()) for frame in frames)
    return ProtocolResult(
        normality_included=_group(frames),
        anomalies_only=_group(seen),
        by_size={size: _group([frame for frame in seen if frame.size == size]) for size in sizes},
        true_voxels_covered=_share(sum(len(f.scores) for f in frames), sum(f.true_voxels for f in frames)),
        anomalous_voxels_covered=_share(anomalous, sum(f.true_anomalies for f in frames)),
    )


def _group(frames: Sequence[ProtocolFrame]) -> VoxelGroup | None:
    scores = np.concatenate([np.zeros(0), *(frame.scores for frame in frames)])
    is_anomaly = np.concatenate([np.zeros(0, dtype=bool), *(frame.is_anomaly for frame in frames)])
    metrics = anovox_metrics(scores, is_anomaly)
    if metrics is None:
        return None
    anomalous = int(is_anomaly.sum())
    exact = fpr95(rank(scores[is_anomaly], scores[~is_anomaly]))
    return VoxelGroup(metrics, exact, anomalous, len(scores) - anomalous)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


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
    return grid_voxel_scores(points_to_grid(points_m, location, rotation), scores, way)


def grid_voxel_scores(
    grid_points_m: npt.NDArray[np.float64], scores: Floats, way: Way
) -> tuple[npt.NDArray[np.int64], Floats]:
    """As `voxel_scores`, of points that lie in the grid already (N, 3), see `points_to_grid`."""
    keys = voxel_keys(grid_cells(grid_points_m))
    voxels, centers = nearest_to_corner(grid_points_m, keys)
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
