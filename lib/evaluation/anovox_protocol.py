"""AnoVox's own voxel evaluation, number for number, vectorised.

Source: benchmark/voxelize_sensor_scores.py and benchmark/eval/{evaluate_voxels,metrics}.py of AnoVox
(arXiv 2405.07865). docs/metrics.md says where its definitions differ from the field's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lib.common.labels import ANOMALY_SIZES
from lib.evaluation.counting import CountedScores, ScoreCounter, merge_counts
from lib.evaluation.curves import Ranking, auroc, average_precision, error_bounds, fpr95
from lib.evaluation.tallies import State, Tally
from lib.geometry.voxels import (
    MONO_LOCATION,
    OUTSIDE,
    grid_cells,
    nearest_to_corner,
    points_to_grid,
    voxel_keys,
)

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]
Booleans = npt.NDArray[np.bool_]
Way = Literal["centerpoint", "mean", "median"]
_NORMAL, _ANOMALOUS = 0, 1
_UNSEEN, _NO_SIZE = "unseen", ""
_NO_LIMIT: Final = 1 << 62


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
    """AnoVox's numbers for the shared voxels of some frames and, beside them, the exact FPR95 and the counts.

    auroc_error: by how much AUROC can be off because there were too many distinct scores to tell all apart.
    """

    metrics: AnovoxMetrics
    fpr95_exact: float
    anomalous_voxels: int
    normal_voxels: int
    auroc_error: float


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


class ProtocolCounter:
    """Counts frames one by one, in memory that does not grow with them; add each, then finish."""

    def __init__(self, before: State | None = None) -> None:
        """`before`: the state that an earlier run has noted."""
        tallies, totals = (before["tallies"], before["totals"]) if before else ({}, [0, 0, 0, 0])
        self._tallies = {name: Tally(columns=2, before=tally) for name, tally in tallies.items()}
        self._shared, self._anomalous, self._true_voxels, self._true_anomalies = totals

    def add(self, frame: ProtocolFrame) -> None:
        """Count a frame's voxels."""
        seen = frame.anomaly_in_view and frame.is_anomaly.any()
        tally = self._tallies.setdefault((frame.size or _NO_SIZE) if seen else _UNSEEN, Tally(columns=2))
        tally.add(frame.scores[~frame.is_anomaly], _NORMAL)
        tally.add(frame.scores[frame.is_anomaly], _ANOMALOUS)
        self._shared += len(frame.scores)
        self._anomalous += int(frame.is_anomaly.sum())
        self._true_voxels += frame.true_voxels
        self._true_anomalies += frame.true_anomalies

    def finish(self) -> ProtocolResult:
        """AnoVox's groups: all frames; those in which a sensor and a shared voxel hold the anomaly; these by size."""
        tables = {name: tally.finish() for name, tally in self._tallies.items()}
        seen = {name: table for name, table in tables.items() if name != _UNSEEN}
        return ProtocolResult(
            normality_included=_group(list(tables.values())),
            anomalies_only=_group(list(seen.values())),
            by_size={size: _group([seen[size]]) for size in ANOMALY_SIZES if size in seen},
            true_voxels_covered=_share(self._shared, self._true_voxels),
            anomalous_voxels_covered=_share(self._anomalous, self._true_anomalies),
        )

    def state(self) -> State:
        """All that was counted, to begin another one with."""
        totals = [self._shared, self._anomalous, self._true_voxels, self._true_anomalies]
        return {"tallies": {name: tally.state() for name, tally in self._tallies.items()}, "totals": totals}


def anovox_protocol(frames: Iterable[ProtocolFrame]) -> ProtocolResult:
    """AnoVox's numbers for some frames, which may come one by one."""
    counter = ProtocolCounter()
    for frame in frames:
        counter.add(frame)
    return counter.finish()


def _group(tables: list[CountedScores]) -> VoxelGroup | None:
    table = merge_counts(tables, _NO_LIMIT) if tables else None
    if table is None or not table.counts.any(axis=0).all():
        return None
    ranking = _ranking(table)
    return VoxelGroup(
        metrics=_metrics(table, ranking),
        fpr95_exact=fpr95(ranking),
        anomalous_voxels=ranking.positive_count,
        normal_voxels=ranking.negative_count,
        auroc_error=error_bounds(ranking)[0],
    )


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
    grid_m = points_to_grid(points_m, location, rotation)
    keys = voxel_keys(grid_cells(grid_m))
    occupied, centers = nearest_to_corner(grid_m, keys)
    return occupied, scores_of_voxels(keys, occupied, centers, scores, way)


def scores_of_voxels(
    keys: npt.NDArray[np.int64],
    occupied: npt.NDArray[np.int64],
    centers: npt.NDArray[np.intp],
    scores: Floats,
    way: Way,
) -> Floats:
    """Scores (M,) of the occupied voxels, from scores (N,) of points with these voxel keys (N,); see voxel_scores.

    occupied, centers (M,): see lib.geometry.voxels.nearest_to_corner.
    """
    if way == "centerpoint":
        return scores[centers]
    order = np.lexsort((scores, keys))
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


def anovox_metrics(scores: Floats, is_anomaly: Booleans) -> AnovoxMetrics | None:
    """AnoVox's numbers for shared voxels: scores (M,) in [0, 1], is_anomaly (M,); None where a class is missing.

    Scores exceed a threshold with `>`. fpr95: at the first threshold of 1.00, 0.99, ... whose true positive rate is
    at least 0.95. specificity: at the lowest score where precision and recall are nearest. f1_score and ppv: means
    over the thresholds 0.25, 0.30, ... 0.70, 0 where nothing exceeds one.
    """
    counter = ScoreCounter(columns=2)
    for column, chosen in ((_NORMAL, ~is_anomaly), (_ANOMALOUS, is_anomaly)):
        counter.add(np.asarray(scores, dtype=np.float64)[chosen], column)
    table = counter.finish()
    return _metrics(table, _ranking(table)) if table.counts.any(axis=0).all() else None


def _ranking(table: CountedScores) -> Ranking:
    rows = np.flatnonzero(table.counts[:, _ANOMALOUS])
    below = np.append(0, np.cumsum(table.counts[:, _NORMAL]))
    cells = np.diff(np.stack([below[rows], below[rows + 1]], axis=1).ravel(), prepend=0, append=below[-1])
    return Ranking(table.values[rows], table.counts[rows, _ANOMALOUS], cells, table.dropped_bits == 0)


def _metrics(table: CountedScores, ranking: Ranking) -> AnovoxMetrics:
    below = np.concatenate([np.zeros((1, 2), dtype=np.int64), np.cumsum(table.counts, axis=0)])
    normal, anomalous = below[-1]
    threshold = _where_precision_meets_recall(below[-1] - below[:-1])
    hits, false_alarms = _exceeding(table.values, below, np.arange(0.25, 0.75, 0.05))
    reported = hits + false_alarms
    return AnovoxMetrics(
        auroc=auroc(ranking),
        aupr=average_precision(ranking),
        fpr95=_fpr95(table.values, below),
        specificity=float(below[threshold + 1, _NORMAL] / normal),
        f1_score=float(np.mean(2 * hits / (reported + anomalous))),
        ppv=float(np.mean(hits / np.maximum(reported, 1))),
    )


def _exceeding(values: Floats, below: Integers, thresholds: Floats) -> tuple[Integers, Integers]:
    """Numbers of positives and negatives that exceed each threshold; below (K + 1, 2): those under each of values."""
    above = below[-1] - below[np.searchsorted(values, thresholds, side="right")]
    return above[:, _ANOMALOUS], above[:, _NORMAL]


def _fpr95(values: Floats, below: Integers) -> float:
    # The same call as AnoVox's, so that the thresholds are the same floats; the last one lies just below 0.
    hits, false_alarms = _exceeding(values, below, np.arange(1, -0.01, -0.01))
    first = int(np.argmax(hits / below[-1, _ANOMALOUS] >= 0.95))
    return float(false_alarms[first] / below[-1, _NORMAL])


def _where_precision_meets_recall(at_least: Integers) -> int:
    """The lowest of the scores (its row) at which |precision - recall| (`>=`) is least; at_least (K, 2) score as high.

    Both are 0 where a negative scores highest of all, so such a score wins unless another threshold is exact too.
    """
    hits = at_least[:, _ANOMALOUS]
    return int(np.argmin(np.abs(hits / at_least.sum(axis=1) - hits / hits[0])))
