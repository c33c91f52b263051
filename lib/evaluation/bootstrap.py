"""95 % percentile bootstrap over scenarios: frames of one drive are alike, so the drive is what is resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.integer]
_RESAMPLES_AT_ONCE = 100


@dataclass(frozen=True)
class Interval:
    """Lower and upper end of 95 % intervals."""

    auroc_low: float
    auroc_high: float
    ap_low: float
    ap_high: float


@dataclass(frozen=True, eq=False)
class ResampledNegatives:
    """The negatives of R resamples, in C cells ascending by score; odd cells hold equal scores.

    total (R,): all; beaten (R, C): by a positive of each cell, ties counted half; above (R, C): those reported by a
    threshold within each cell.
    """

    total: Floats
    beaten: Floats
    above: Floats


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


def resample_negatives(weights: Floats, counts: npt.NDArray[np.integer]) -> ResampledNegatives:
    """The negatives of every resample from weights (R, S) and each scenario's counts (S, C) in cells."""
    negatives = resample_counts(weights, counts)
    through, total = np.cumsum(negatives, axis=1), negatives.sum(axis=1)
    return ResampledNegatives(
        total=total,
        beaten=through - 0.5 * negatives,
        above=total[:, None] - through + _shares(negatives.shape[1]) * negatives,
    )


def bootstrap(weights: Floats, positives: npt.NDArray[np.integer], rows: Rows, negatives: ResampledNegatives) -> Floats:
    """AUROC and average precision (2, R) of every resample; nan where a resample lacks one of the classes.

    positives (P, C): the positives' counts in the negatives' cells, of the scenarios `rows` (P,) of weights (R, S); no
    other scenario holds any.
    """
    cells = np.flatnonzero(positives.any(axis=0))
    resampled, share = resample_counts(weights[:, rows], positives[:, cells]), _shares(positives.shape[1])[cells]
    parts = [slice(start, start + _RESAMPLES_AT_ONCE) for start in range(0, len(weights), _RESAMPLES_AT_ONCE)]
    found = [
        _auroc_and_ap(
            resampled[part],
            share,
            negatives.total[part],
            negatives.beaten[part][:, cells],
            negatives.above[part][:, cells],
        )
        for part in parts
    ]
    return np.concatenate(found, axis=1)


def interval(resampled: Floats) -> Interval:
    """Percentile interval (2.5 %, 97.5 %) over the resamples (see bootstrap) that hold both classes; one must."""
    defined = np.isfinite(resampled[0])
    assert defined.any()
    (low, ap_low), (high, ap_high) = np.percentile(resampled[:, defined], [2.5, 97.5], axis=1)
    return Interval(float(low), float(high), float(ap_low), float(ap_high))


def _auroc_and_ap(positives: Floats, share: Floats, total: Floats, beaten: Floats, above: Floats) -> Floats:
    """AUROC and AP (2, R) of binned scores (R, C): in odd cells ties, in even ones an even mixture."""
    positive_total = positives.sum(axis=1)
    hits = positive_total[:, None] - np.cumsum(positives, axis=1) + share * positives
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(positives > 0, hits / (hits + above), 0.0)
        found = np.stack(
            [
                (positives * beaten).sum(axis=1) / (positive_total * total),
                (positives * precision).sum(axis=1) / positive_total,
            ]
        )
    return np.where((positive_total == 0) | (total == 0), np.nan, found)


def _shares(cells: int) -> Floats:
    """Which part of a cell's scores a threshold within it reports: all of equal scores, half of a mixture."""
    share = np.full(cells, 0.5)
    share[1::2] = 1.0
    return share
