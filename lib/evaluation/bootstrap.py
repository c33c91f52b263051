"""95 % percentile bootstrap over scenarios: frames of one drive are alike, so the drive is what is resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Interval:
    """Lower and upper end of 95 % intervals."""

    auroc_low: float
    auroc_high: float
    ap_low: float
    ap_high: float


def resample_scenarios(strata: Sequence[str], resamples: int, generator: np.random.Generator) -> Floats:
    """How often each resample draws each scenario: (resamples, S) float64; each stratum keeps its size."""
    labels = np.asarray(strata)
    weights = np.zeros((resamples, len(labels)))
    for stratum in sorted(set(strata)):
        members = np.flatnonzero(labels == stratum)
        weights[:, members] = generator.multinomial(
            len(members), np.full(len(members), 1.0 / len(members)), size=resamples
        )
    return weights


def choose_pivots(values: npt.NDArray[np.floating], counts: npt.NDArray[np.int64], limit: int) -> npt.NDArray[np.int64]:
    """Indices (at most limit) of the positives' distinct scores (K,) that cut the positives into equal shares.

    All of them where they are no more than limit: then the bootstrap is exact. Else its AUROC is off by less than
    1 / (2 limit) in the worst case, and by far less in practice, since ties within a cell count half.
    """
    if len(values) <= limit:
        return np.arange(len(values))
    cumulative = np.cumsum(counts)
    targets = (np.arange(limit) + 0.5) * (cumulative[-1] / limit)
    return np.unique(np.searchsorted(cumulative, targets))


def merge_cells(cells: npt.NDArray[np.int64], pivots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Cells (2 K + 1,) of curves.count_cells summed to the (2 B + 1,) cells of the chosen values."""
    starts = np.zeros(2 * len(pivots) + 1, dtype=np.int64)
    starts[1::2] = 2 * pivots + 1
    starts[2::2] = 2 * pivots + 2
    return np.add.reduceat(cells, starts)


def resample_counts(weights: Floats, counts: npt.NDArray[np.integer]) -> Floats:
    """Counts (R, C) of every resample from weights (R, S) and each scenario's counts (S, C).

    Counts are integers below 2^53, so the matrix product is exact whatever the order of its sums.
    """
    return weights @ counts.astype(np.float64)


def bootstrap(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """AUROC and average precision (R,) of every resample; nan where a resample lacks one of the classes.

    positives, negatives (R, C): resampled counts in cells ascending by score; odd cells hold equal scores.
    """
    aurocs, aps = np.empty(len(positives)), np.empty(len(positives))
    for start in range(0, len(positives), _RESAMPLES_AT_ONCE):
        part = slice(start, start + _RESAMPLES_AT_ONCE)
        aurocs[part], aps[part] = _auroc_and_ap(positives[part], negatives[part])
    return aurocs, aps


def interval(positives: Floats, negatives: Floats) -> Interval:
    """Percentile interval (2.5 %, 97.5 %) over the resamples (see bootstrap) that hold both classes; one must."""
    aurocs, aps = bootstrap(positives, negatives)
    defined = np.isfinite(aurocs)
    assert defined.any()
    low, high = np.percentile(aurocs[defined], [2.5, 97.5])
    ap_low, ap_high = np.percentile(aps[defined], [2.5, 97.5])
    return Interval(float(low), float(high), float(ap_low), float(ap_high))


def _auroc_and_ap(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """AUROC and AP (R,) of binned scores (R, C): in odd cells ties, in even ones an even mixture."""
    positive_total, negative_total = positives.sum(axis=1), negatives.sum(axis=1)
    negatives_through = np.cumsum(negatives, axis=1)
    wins = (positives * (negatives_through - 0.5 * negatives)).sum(axis=1)
    share = np.full(positives.shape[1], 0.5)
    share[1::2] = 1.0
    hits_above = positive_total[:, None] - np.cumsum(positives, axis=1)
    hits = hits_above + share * positives
    false_alarms = negative_total[:, None] - negatives_through + share * negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(positives > 0, hits / (hits + false_alarms), 0.0)
        aurocs = wins / (positive_total * negative_total)
        aps = (positives * precision).sum(axis=1) / positive_total
    undefined = (positive_total == 0) | (negative_total == 0)
    return np.where(undefined, np.nan, aurocs), np.where(undefined, np.nan, aps)
