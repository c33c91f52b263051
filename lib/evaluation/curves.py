"""Exact AUROC, average precision and FPR95, and the curves behind them, from counts that can be summed over files.

Everything follows from one table: the distinct scores of the positives, how many positives have each, and how many
negatives lie in each *cell* between and at those scores. Positives are few, so the table is small, and negatives can
be counted one scenario at a time. Higher score = more anomalous; ties count half in AUROC, as they should.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lib.evaluation.counting import MAX_DISTINCT, ScoreCounter, coarsen

Floats = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]
_AT_ONCE = 1 << 23


def count_cells(values: Floats, ascending: Floats) -> Counts:
    """Count ascending scores (N,) in the 2 K + 1 cells that K ascending distinct values make.

    Cell 2 k + 1 is `== values[k]`; cell 2 k lies strictly between values[k - 1] and values[k].
    """
    below = np.searchsorted(ascending, values, side="left")
    through = below.copy()
    inside = np.flatnonzero(below < len(ascending))
    tied = inside[ascending[below[inside]] == values[inside]]
    through[tied] = np.searchsorted(ascending, values[tied], side="right")
    cells = np.empty(2 * len(values) + 1, dtype=np.int64)
    cells[1::2] = through - below
    cells[0::2] = np.append(below, len(ascending)) - np.insert(through, 0, 0)
    return cells


@dataclass(frozen=True, eq=False)
class Ranking:
    """Positives and negatives by score: all that the metrics below need.

    values (K,): distinct scores, ascending; positives (K,) int64: positives at each, 0 where only others than those
    looked at have that score; negative_cells (2 K + 1,) int64: see count_cells. At least one positive and one negative.
    exact: else the scores are coarsened (lib.evaluation.counting), and the metrics off by at most `error_bounds`.
    """

    values: Floats
    positives: Counts
    negative_cells: Counts
    exact: bool = True

    def __post_init__(self) -> None:
        assert len(self.negative_cells) == 2 * len(self.values) + 1 and len(self.positives) == len(self.values)
        assert self.positive_count > 0 and self.negative_count > 0

    @property
    def positive_count(self) -> int:
        """Number of positives."""
        return int(self.positives.sum())

    @property
    def negative_count(self) -> int:
        """Number of negatives."""
        return int(self.negative_cells.sum())

    @property
    def negatives_below(self) -> Counts:
        """Negatives (K,) that score strictly less than each value."""
        return np.asarray(np.cumsum(self.negative_cells)[0:-1:2], dtype=np.int64)


def rank(positive_scores: Floats, negative_scores: Floats, limit: int = MAX_DISTINCT) -> Ranking:
    """Ranking of scores that are in memory: positives (M,) and negatives (N,), neither empty.

    Exact while the positives have at most `limit` distinct scores. Beside the arguments it needs little memory.
    """
    counter = ScoreCounter(limit=limit)
    for start in range(0, len(positive_scores), _AT_ONCE):
        counter.add(positive_scores[start : start + _AT_ONCE])
    counted = counter.finish()
    cells = np.zeros(2 * len(counted.values) + 1, dtype=np.int64)
    for start in range(0, len(negative_scores), _AT_ONCE):
        part = coarsen(negative_scores[start : start + _AT_ONCE], counted.dropped_bits)
        cells += count_cells(counted.values, np.sort(part))
    return Ranking(counted.values, counted.counts[:, 0], cells, counted.dropped_bits == 0)


def auroc(ranking: Ranking) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    Summed in integers, so the result does not depend on the order of files or on the processor.
    """
    doubled = 2 * ranking.negatives_below + ranking.negative_cells[1::2]
    wins = int((ranking.positives * doubled).sum())
    return wins / (2 * ranking.positive_count * ranking.negative_count)


def average_precision(ranking: Ranking) -> float:
    """Mean over positives of the precision at their score (scikit-learn's average_precision_score)."""
    return float((ranking.positives * _precision(ranking)).sum() / ranking.positive_count)


def fpr95(ranking: Ranking) -> float:
    """Smallest false positive rate of a threshold (`score >= threshold`) that finds at least 95 % of the positives."""
    found = np.cumsum(ranking.positives[::-1])[::-1]
    reaches = np.flatnonzero(100 * found >= 95 * ranking.positive_count)
    false_alarms = ranking.negative_count - int(ranking.negatives_below[reaches[-1]])
    return false_alarms / ranking.negative_count


def error_bounds(ranking: Ranking) -> tuple[float, float, float]:
    """By how much AUROC, average precision and FPR95 can be off at most because scores were coarsened; 0 where exact.

    A coarsened score hides the order of its positives and negatives; the bounds are those of the best and worst one.
    """
    if ranking.exact:
        return 0.0, 0.0, 0.0
    p, n = ranking.positives.astype(np.float64), ranking.negative_cells[1::2].astype(np.float64)
    hits = np.cumsum(p[::-1])[::-1]
    false_alarms = (ranking.negative_count - ranking.negatives_below).astype(np.float64)
    with np.errstate(invalid="ignore"):
        best = np.where(p > 0, p * hits / (hits + false_alarms - n), 0.0).sum()
        worst = np.where(p > 0, p * (hits - p + 1) / (hits - p + 1 + false_alarms), 0.0).sum()
    found = average_precision(ranking) * ranking.positive_count
    reaches = np.flatnonzero(100 * hits >= 95 * ranking.positive_count)[-1]
    return (
        float((p * n).sum() / (2.0 * ranking.positive_count * ranking.negative_count)),
        float(max(best - found, found - worst) / ranking.positive_count),
        float(n[reaches] / ranking.negative_count),
    )


def roc_curve(ranking: Ranking, max_rows: int) -> tuple[Floats, Floats]:
    """False and true positive rates (R,) of the ROC curve from (0, 0) to (1, 1), at most max_rows of its corners."""
    found = np.append(0, np.cumsum(ranking.positives[::-1]))
    at_least = (ranking.negative_count - ranking.negatives_below)[::-1]
    above = at_least - ranking.negative_cells[1::2][::-1]
    false_alarms = np.concatenate([[0], np.stack([above, at_least], axis=1).ravel(), [ranking.negative_count]])
    hits = np.concatenate([[0], np.stack([found[:-1], found[1:]], axis=1).ravel(), [ranking.positive_count]])
    return _thin(false_alarms / ranking.negative_count, hits / ranking.positive_count, max_rows)


def precision_recall_curve(ranking: Ranking, max_rows: int) -> tuple[Floats, Floats]:
    """Recall and precision (R,), recall ascending from 0 to 1, at most max_rows rows.

    The row at recall 0 repeats the precision of the highest threshold that finds something.
    """
    recall = np.cumsum(ranking.positives[::-1]) / ranking.positive_count
    precision = _precision(ranking)[::-1]
    return _thin(np.insert(recall, 0, 0.0), np.insert(precision, 0, precision[0]), max_rows)


def _precision(ranking: Ranking) -> Floats:
    hits = np.cumsum(ranking.positives[::-1])[::-1]
    reported = hits + ranking.negative_count - ranking.negatives_below
    return np.asarray(hits / np.maximum(reported, 1))


def _thin(x: Floats, y: Floats, max_rows: int) -> tuple[Floats, Floats]:
    """Keep both ends and rows evenly spaced along the curve's path."""
    assert max_rows >= 2
    moved = np.append(True, (np.diff(x) != 0) | (np.diff(y) != 0))
    x, y = x[moved], y[moved]
    if len(x) <= max_rows:
        return x, y
    path = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    rows = np.searchsorted(path, np.linspace(0.0, path[-1], max_rows - 1))
    rows = np.unique(np.append(np.minimum(rows, len(path) - 1), len(path) - 1))
    return x[rows], y[rows]
