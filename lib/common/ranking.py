"""Scores counted by value, and the AUROC that follows from the counts. Higher score = more anomalous."""

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
