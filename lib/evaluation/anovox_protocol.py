"""AnoVox's own voxel evaluation, number for number, vectorised.

Source: benchmark/voxelize_sensor_scores.py and benchmark/eval/{evaluate_voxels,metrics}.py of AnoVox
(arXiv 2405.07865). docs/metrics.md says where its definitions differ from the field's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.common.labels import ANOMALY_SIZES
from lib.common.ranking import Ranking, at_least, auroc, merged, rank
from lib.geometry.voxels import OUTSIDE
from lib.metrics.curves import average_precision, fpr95, precision

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]
Booleans = npt.NDArray[np.bool_]
Way = Literal["centerpoint", "mean", "median"]
_UNSEEN, _NO_SIZE = "unseen", ""
_MERGED_AT: Final = 64


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


def anovox_protocol(frames: Iterable[ProtocolFrame]) -> ProtocolResult:
    """AnoVox's numbers for some frames, which may come one by one."""
    counter = ProtocolCounter()
    for frame in frames:
        counter.add(frame)
    return counter.finish()


class ProtocolCounter:
    """Counts frames one by one, in memory that grows with the distinct scores alone; add each, then finish."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._rankings = defaultdict[str, list[Ranking]](list)
        self._true_voxels = self._true_anomalies = 0

    def add(self, frame: ProtocolFrame) -> None:
        """Count a frame's voxels."""
        seen = frame.anomaly_in_view and frame.is_anomaly.any()
        rankings = self._rankings[(frame.size or _NO_SIZE) if seen else _UNSEEN]
        rankings.append(rank(frame.scores[frame.is_anomaly], frame.scores[~frame.is_anomaly]))
        if len(rankings) == _MERGED_AT:
            rankings[:] = [merged(rankings)]
        self._true_voxels += frame.true_voxels
        self._true_anomalies += frame.true_anomalies

    def finish(self) -> ProtocolResult:
        """AnoVox's groups: all frames; those in which a sensor and a shared voxel hold the anomaly; these by size."""
        rankings = {name: merged(parts) for name, parts in self._rankings.items()}
        seen = {name: ranking for name, ranking in rankings.items() if name != _UNSEEN}
        anomalous, normal = (
            sum(int(getattr(ranking, kind).sum()) for ranking in rankings.values())
            for kind in ("positives", "negatives")
        )
        return ProtocolResult(
            normality_included=_group(*rankings.values()),
            anomalies_only=_group(*seen.values()),
            by_size={size: _group(seen[size]) for size in ANOMALY_SIZES if size in seen},
            true_voxels_covered=_share(anomalous + normal, self._true_voxels),
            anomalous_voxels_covered=_share(anomalous, self._true_anomalies),
        )


def _group(*rankings: Ranking) -> VoxelGroup | None:
    ranking = merged(rankings) if rankings else None
    if ranking is None or not ranking.has_both:
        return None
    counts = int(ranking.positives.sum()), int(ranking.negatives.sum())
    return VoxelGroup(anovox_metrics(ranking), fpr95(ranking), *counts)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def sigmoid(scores: Floats) -> npt.NDArray[np.float64]:
    """Scores in [0, 1], in float64: float32 would make 20 and 45 the same."""
    exact = np.asarray(scores, dtype=np.float64)
    small = np.exp(-np.abs(exact))
    return np.where(exact >= 0, 1.0, small) / (1.0 + small)


def scores_of_voxels(keys: Integers, occupied: Integers, centers: Integers, scores: Floats, way: Way) -> Floats:
    """Scores (M,) of the occupied voxels, from scores (N,) of points with these voxel keys (N,).

    occupied, centers (M,): see lib.geometry.voxels.nearest_to_corner. centerpoint: the score of the point nearest to
    the voxel's lower corner; mean and median: of all its points. Points outside the grid are dropped.
    """
    if way == "centerpoint":
        return scores[centers]
    order = np.lexsort((scores, keys)) if way == "median" else np.argsort(keys, kind="stable")
    order = order[keys[order] != OUTSIDE]
    ordered = scores[order].astype(np.float64)
    starts = np.searchsorted(keys[order], occupied)
    counts = np.diff(np.append(starts, len(order)))
    if way == "mean":
        return np.asarray((np.add.reduceat(ordered, starts) if len(starts) else ordered) / counts)
    return np.asarray((ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2.0)


def shared_voxels(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of first (M,) and of second (N,) that are the same voxel, pairwise; keys are distinct within each."""
    _, rows_first, rows_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return rows_first, rows_second


def anovox_metrics(ranking: Ranking) -> AnovoxMetrics:
    """AnoVox's numbers for shared voxels, anomalous and normal ones, by their scores in [0, 1].

    Scores exceed a threshold with `>`. fpr95: at the first threshold of 1.00, 0.99, ... whose true positive rate is
    at least 0.95. specificity: at the lowest score where precision and recall are nearest. f1_score and ppv: means
    over the thresholds 0.25, 0.30, ... 0.70, 0 where nothing exceeds one.
    """
    positives, negatives = int(ranking.positives.sum()), int(ranking.negatives.sum())
    hits, false_alarms = _exceeding(ranking, np.arange(0.25, 0.75, 0.05))
    # The same call as AnoVox's, so that the thresholds are the same floats; the last one lies just below 0.
    fine_hits, fine_false_alarms = _exceeding(ranking, np.arange(1, -0.01, -0.01))
    # Both are 0 where a negative scores highest of all, so such a score wins unless another threshold is exact too.
    recall = at_least(ranking.positives) / positives
    threshold = int(np.argmin(np.abs(precision(ranking) - recall)))
    return AnovoxMetrics(
        auroc=auroc(ranking),
        aupr=average_precision(ranking),
        fpr95=float(fine_false_alarms[np.argmax(fine_hits / positives >= 0.95)] / negatives),
        specificity=float(ranking.negatives[: threshold + 1].sum() / negatives),
        f1_score=float(np.mean(2 * hits / (hits + false_alarms + positives))),
        ppv=float(np.mean(hits / np.maximum(hits + false_alarms, 1))),
    )


def _exceeding(ranking: Ranking, thresholds: Floats) -> tuple[Integers, Integers]:
    """Numbers of positives and negatives that exceed each threshold."""
    first = np.searchsorted(ranking.values, thresholds, side="right")
    hits, false_alarms = (np.append(at_least(c), 0)[first] for c in (ranking.positives, ranking.negatives))
    return hits, false_alarms
