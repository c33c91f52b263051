"""AUROC, average precision, FPR95 and the curves behind them, exact, from counts of scores by value.

Higher score = more anomalous; ties count half in AUROC, as they should.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """How many positives and negatives (K,) have each of the distinct scores `values` (K,), which ascend."""

    values: Floats
    positives: Counts
    negatives: Counts

    @property
    def has_both(self) -> bool:
        """Whether there are positives and negatives: only then the metrics below are defined."""
        return bool(self.positives.any() and self.negatives.any())


def rank(positive: Floats, negative: Floats) -> Ranking:
    """Ranking of the scores of positives (P,) and negatives (N,)."""
    values, place = np.unique(np.concatenate([positive, negative]), return_inverse=True)
    parts = place[: len(positive)], place[len(positive) :]
    return Ranking(values, *(np.bincount(part, minlength=len(values)) for part in parts))


def merged(rankings: Sequence[Ranking]) -> Ranking:
    """The scores of all rankings together; there is at least one."""
    values, place = np.unique(np.concatenate([r.values for r in rankings]), return_inverse=True)
    counts = np.zeros((2, len(values)), dtype=np.int64)
    np.add.at(counts[0], place, np.concatenate([r.positives for r in rankings]))
    np.add.at(counts[1], place, np.concatenate([r.negatives for r in rankings]))
    return Ranking(values, *counts)


def at_least(counts: npt.NDArray[np.integer]) -> Counts:
    """How many score at least as high as each value, from counts (..., K) by value."""
    return np.asarray(np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1], dtype=np.int64)


def auroc(ranking: Ranking) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    Summed in integers, so the result does not depend on the order of files or on the processor.
    """
    doubled = 2 * np.cumsum(ranking.negatives) - ranking.negatives
    wins = int((ranking.positives * doubled).sum())
    return wins / (2 * int(ranking.positives.sum()) * int(ranking.negatives.sum()))


def average_precision(ranking: Ranking) -> float:
    """Mean over positives of the precision at their score (scikit-learn's average_precision_score)."""
    return float((ranking.positives * _precision(ranking)).sum() / ranking.positives.sum())


def fpr95(ranking: Ranking) -> float:
    """Smallest false positive rate of a threshold (`score >= threshold`) that finds at least 95 % of the positives."""
    found = at_least(ranking.positives)
    threshold = np.flatnonzero(100 * found >= 95 * found[0])[-1]
    return float(ranking.negatives[threshold:].sum() / ranking.negatives.sum())


def roc_curve(ranking: Ranking, max_rows: int) -> tuple[Floats, Floats]:
    """False and true positive rates (R,) of the ROC curve from (0, 0) to (1, 1), at most max_rows of its corners."""
    false_alarms, hits = (np.append(0, np.cumsum(c[::-1])) for c in (ranking.negatives, ranking.positives))
    rises = np.concatenate([[True], ranking.positives[::-1] > 0, [True]])
    corner = rises[1:] | rises[:-1]  # else the curve comes and goes on level
    return _thin(false_alarms[corner] / false_alarms[-1], hits[corner] / hits[-1], max_rows)


def precision_recall_curve(ranking: Ranking, max_rows: int) -> tuple[Floats, Floats]:
    """Recall and precision (R,), recall ascending from 0 to 1, at most max_rows rows.

    The row at recall 0 repeats the precision of the highest threshold that finds something.
    """
    found = ranking.positives > 0
    recall = at_least(ranking.positives)[found][::-1] / ranking.positives.sum()
    precision = _precision(ranking)[found][::-1]
    return _thin(np.append(0.0, recall), np.append(precision[0], precision), max_rows)


def _precision(ranking: Ranking) -> Floats:
    hits = at_least(ranking.positives)
    return np.asarray(hits / (hits + at_least(ranking.negatives)))


def _thin(x: Floats, y: Floats, max_rows: int) -> tuple[Floats, Floats]:
    """Keep both ends and rows evenly spaced along the curve's path."""
    if len(x) <= max_rows:
        return x, y
    path = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    rows = np.searchsorted(path, np.linspace(0.0, path[-1], max_rows - 1))
    rows = np.unique(np.append(np.minimum(rows, len(path) - 1), len(path) - 1))
    return x[rows], y[rows]
