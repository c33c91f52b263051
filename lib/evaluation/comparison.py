"""Two models on the same test: level by level, with paired bootstrap over scenarios.

Both are resampled alike, so what makes a scenario hard for both cancels out: the interval of the difference is narrower
than the two intervals suggest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.ranking import auroc
from lib.evaluation.pooling import ScoredTest
from lib.evaluation.pools import ALL, Group, Pool
from lib.metrics.curves import average_precision

NUMBERS: Final = ("auroc", "ap")
GROUPED: Final = ("kind",)
"""Groups of the breakdown that are compared as well."""


@dataclass(frozen=True)
class Difference:
    """One number of one level: of the first, of the second, and second minus first with its 95 % interval.

    above: the share of resamples in which the second is better (ties count half). group: "" for all positives.
    """

    level: str
    group: str
    number: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    above: float
    positives: int
    negatives: int


def compare(first: ScoredTest, second: ScoredTest) -> list[Difference]:
    """Compare all levels that both have, and the kinds of anomaly in them.

    Raises DataError where the two were not tested on the same items.
    """
    if list(first.strata) != list(second.strata) or len(first.frames) != len(second.frames):
        raise DataError("the two were not tested on the same scenarios and frames; compare models with equal test data")
    found: list[Difference] = []
    for level in (level for level in first.pools if level in second.pools):
        one, other = first.pools[level], second.pools[level]
        _check_alike(level, one, other)
        for group in (group for group in sorted(one.positives) if group == ALL or group[0] in GROUPED):
            found += _differences(level, group, one, other)
    return found


def share_above(differences: npt.NDArray[np.float64]) -> float:
    """Share of the differences above 0; ties count half."""
    return float((np.sign(differences).mean() + 1) / 2)


def _differences(level: str, group: Group, first: Pool, second: Pool) -> list[Difference]:
    rankings = [pool.ranking(group) for pool in (first, second)]
    resampled = second.resampled(group) - first.resampled(group)
    of = level, " ".join(group).strip()
    counts = int(rankings[0].positives.sum()), int(rankings[0].negatives.sum())
    found = []
    for row, (number, metric) in enumerate(zip(NUMBERS, (auroc, average_precision), strict=True)):
        changes = resampled[row][np.isfinite(resampled[row])]
        one, other = (metric(ranking) for ranking in rankings)
        low, high = np.percentile(changes, [2.5, 97.5]).tolist()
        found.append(Difference(*of, number, one, other, other - one, low, high, share_above(changes), *counts))
    return found


def _check_alike(level: str, first: Pool, second: Pool) -> None:
    rankings = [pool.ranking() for pool in (first, second)]
    counts = [(int(r.positives.sum()), int(r.negatives.sum())) for r in rankings]
    if counts[0] != counts[1] or first.positives.keys() != second.positives.keys():
        raise DataError(
            f"level {level}: {counts[0][0]} anomalous and {counts[0][1]} normal items of the first, {counts[1][0]} and "
            f"{counts[1][1]} of the second; compare models with equal test data and evaluate params"
        )
