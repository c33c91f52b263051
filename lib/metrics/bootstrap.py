"""95 % percentile bootstrap over scenarios: frames of one drive are alike, so the drive is what is resampled."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
THRESHOLDS: Final = 1000


def resample_scenarios(strata: Sequence[str], resamples: int, generator: np.random.Generator) -> Floats:
    """How often each resample draws each scenario: (resamples, S) float64; each stratum keeps its size."""
    labels = np.asarray(strata)
    weights = np.zeros((resamples, len(labels)))
    for stratum in sorted(set(strata)):
        members = np.flatnonzero(labels == stratum)
        even = np.full(len(members), 1.0 / len(members))
        weights[:, members] = generator.multinomial(len(members), even, size=resamples)
    return weights


def cells_of(positives: Counts) -> npt.NDArray[np.intp]:
    """The cell (K,), from 0 on, of each of K ascending values, from how many positives have it.

    A value with positives is a cell of its own, and so are all values between two of them.
    """
    place = 2 * np.cumsum(positives) - positives
    return np.cumsum(np.diff(place, prepend=place[:1]) > 0)


def bootstrap(weights: Floats, positives: Floats, negatives: Floats, thresholds: int = THRESHOLDS) -> Floats:
    """AUROC and average precision (2, R) of every resample; nan where a resample lacks one of the classes.

    weights (R, S) as of resample_scenarios; positives, negatives (S, C): each scenario's counts in the cells of
    `cells_of`. AUROC is exact, and AP where no more than so many cells hold positives; else the cells are merged to so
    many of equally many positives, in the middle of which precision is taken.
    """
    auroc = bootstrap_auroc(weights, positives, negatives)
    rows, cells = positives.any(axis=1), np.flatnonzero(positives.any(axis=0))
    drawn, positives = weights[:, rows], positives[rows]
    start, middle = cells, 0.0
    if len(cells) > thresholds:
        share = np.cumsum(positives[:, cells].sum(axis=0)) * thresholds // (positives.sum() + 1)
        start, middle = cells[np.append(True, share[1:] > share[:-1])], 0.5
    hits, false_alarms = (np.add.reduceat(counts, start, axis=1) for counts in (positives, negatives))
    count = drawn @ hits
    found = _from_above(count) - middle * count
    reported = weights @ (_from_above(false_alarms) - middle * false_alarms)
    total, negative_total = count.sum(axis=1), weights @ negatives.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(count > 0, found / (found + reported), 0.0)
        ap = (count * precision).sum(axis=1) / total
    return np.where((total == 0) | (negative_total == 0), np.nan, np.stack([auroc, ap]))


def bootstrap_auroc(weights: Floats, positives: Floats, negatives: Floats) -> Floats:
    """The AUROC (R,) alone, as `bootstrap` makes it."""
    rows, cells = positives.any(axis=1), np.flatnonzero(positives.any(axis=0))
    drawn, positives = weights[:, rows], positives[rows]
    below = np.cumsum(negatives, axis=1) - negatives / 2
    wins = positives[:, cells] @ below[:, cells].T  # (P, S): pairs of scenarios; exact, as all counts are integers
    pairs = (drawn @ positives.sum(axis=1)) * (weights @ negatives.sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(((drawn @ wins) * weights).sum(axis=1) / pairs)


def _from_above(counts: Floats) -> Floats:
    return np.asarray(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1])


def interval(resampled: Floats) -> Floats:
    """Percentile intervals [[AUROC's ends], [AP's ends]] (2, 2) over the resamples (2, R) that hold both classes."""
    return np.asarray(np.percentile(resampled[:, np.isfinite(resampled[0])], [2.5, 97.5], axis=1).T)
