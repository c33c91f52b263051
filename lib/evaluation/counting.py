"""Distinct scores and how often each occurs, counted part by part in bounded memory.

Exact while there are at most `limit` distinct scores. Beyond, scores lose their last mantissa bits, as few as it takes
to stay below the limit: a histogram whose bins are as fine as memory allows. How many bits fall depends on the scores
alone, not on the order or the size of the parts.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]

MAX_DISTINCT: Final = 1 << 20
_FEWEST: Final = 1 << 13
"""More than the sign and the exponent of a float64 can tell apart, so that the last bits always suffice."""


@dataclass(frozen=True, eq=False)
class CountedScores:
    """Distinct scores (K,), ascending, and how often each column's scores take each: (K, C); without `dropped_bits`."""

    values: Floats
    counts: Counts
    dropped_bits: int


class ScoreCounter:
    """Counts the scores of some columns (say, anomalous and normal); add parts, then finish."""

    def __init__(self, columns: int = 1, limit: int = MAX_DISTINCT) -> None:
        """Count exactly up to `limit` distinct scores."""
        assert limit >= _FEWEST
        self._columns, self._limit, self._waiting, self._dropped_bits = columns, limit, 0, 0
        self._parts: list[tuple[Floats, Counts]] = []

    def add(self, scores: Floats, column: int = 0) -> None:
        """Count scores (N,) of a column; all parts have one dtype, float32 or float64."""
        values, counts = distinct(coarsen(scores, self._dropped_bits))
        table = np.zeros((len(values), self._columns), dtype=np.int64)
        table[:, column] = counts
        self._parts.append((values, table))
        self._waiting += len(values)
        if self._waiting > 3 * self._limit:
            self._merge()

    def finish(self) -> CountedScores:
        """All that was added."""
        self._merge()
        values, counts = self._parts[0] if self._parts else (np.zeros(0), np.zeros((0, self._columns), dtype=np.int64))
        return CountedScores(values, counts, self._dropped_bits)

    def _merge(self) -> None:
        if not self._parts:
            return
        parts = [CountedScores(values, counts, self._dropped_bits) for values, counts in self._parts]
        merged = merge_counts(parts, self._limit)
        self._parts, self._waiting = [(merged.values, merged.counts)], len(merged.values)
        self._dropped_bits = merged.dropped_bits


def merge_counts(parts: list[CountedScores], limit: int = MAX_DISTINCT) -> CountedScores:
    """Sum tables of the same columns, at least one, coarsened until there are at most `limit` distinct scores."""
    bits = max(part.dropped_bits for part in parts)
    scores = np.concatenate([part.values for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    order = np.argsort(scores, kind="stable")
    scores, counts = scores[order], counts[order]
    while True:
        scores = coarsen(scores, bits)
        starts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))[: len(scores)]
        if len(starts) <= limit:
            return CountedScores(scores[starts], _sums(counts, starts), bits)
        bits += 1


def distinct(scores: Floats) -> tuple[Floats, Counts]:
    """Distinct scores (K,), ascending, and how often each occurs (K,)."""
    ordered = np.sort(scores)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))[: len(ordered)]
    return ordered[starts], np.diff(np.append(starts, len(ordered))).astype(np.int64)


def coarsen(scores: Floats, dropped_bits: int) -> Floats:
    """Scores (float32 or float64) without their last mantissa bits: rounded towards 0; order is kept, ties appear."""
    if dropped_bits == 0:
        return scores
    integer = np.dtype(f"u{scores.dtype.itemsize}")
    mask = integer.type(np.iinfo(integer).max >> dropped_bits << dropped_bits)
    kept: Floats = (np.ascontiguousarray(scores).view(integer) & mask).view(scores.dtype)
    return kept


def _sums(counts: Counts, starts: npt.NDArray[np.intp]) -> Counts:
    return np.add.reduceat(counts, starts, axis=0) if len(starts) else counts
