"""Average precision, FPR95 and the ROC and precision-recall curves, exact, from counts of scores by value."""

import numpy as np

from lib.common.ranking import Floats, Ranking, at_least


def average_precision(ranking: Ranking) -> float:
    """Mean over positives of the precision at their score (scikit-learn's average_precision_score)."""
    return float((ranking.positives * precision(ranking)).sum() / ranking.positives.sum())


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
    precise = precision(ranking)[found][::-1]
    return _thin(np.append(0.0, recall), np.append(precise[0], precise), max_rows)


def precision(ranking: Ranking) -> Floats:
    """Precision (K,) at each score as the threshold (`score >= threshold`)."""
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
