"""All scenarios' scores of one level, pooled without holding the negatives in memory.

Two passes over the scenarios: the first gathers the positives (few), the second counts the negatives (many) in the
cells between the positives' scores. From these counts every metric is exact, and intervals need no scores at all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.bootstrap import Interval, choose_pivots, interval, merge_cells, resample_counts
from lib.evaluation.curves import Ranking, auroc, average_precision, count_cells, fpr95
from lib.evaluation.levels import LEVELS, Level, LevelScores

MAX_PIVOTS: Final = 500
HISTOGRAM_BINS: Final = 60

_Part = tuple[npt.NDArray[np.float32], int, npt.NDArray[np.int64]]
"""A scenario's positive scores, its number, and each positive's frame, counted over the whole test set."""


@dataclass(frozen=True, eq=False)
class Positives:
    """All positives of a level. values (K,): their distinct scores, ascending; of each positive (M,): its score's row
    in values, its scenario and its frame (both as positions in the test set). lowest and highest: of all scores.
    """

    values: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    scenario: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    lowest: float
    highest: float

    def counts(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many of the chosen positives (M,) have each distinct score: (K,)."""
        return np.bincount(self.row[chosen], minlength=len(self.values))


@dataclass(frozen=True, eq=False)
class Pool:
    """A level's positives beside its counted negatives: in cells (2 K + 1,), in every resample in the coarser cells of
    the pivots (R, 2 B + 1), and in a histogram (HISTOGRAM_BINS,) from lowest to highest; weights (R, S).
    """

    positives: Positives
    negative_cells: npt.NDArray[np.int64]
    pivots: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    resampled_negatives: npt.NDArray[np.float64]
    negative_histogram: npt.NDArray[np.int64]

    def everything(self) -> npt.NDArray[np.bool_]:
        """The choice of all positives (M,)."""
        return np.ones(len(self.positives.row), dtype=bool)

    def ranking(self, chosen: npt.NDArray[np.bool_]) -> Ranking:
        """The chosen positives (M,), at least one, against all negatives."""
        return Ranking(self.positives.values, self.positives.counts(chosen), self.negative_cells)

    def interval(self, chosen: npt.NDArray[np.bool_]) -> Interval:
        """95 % intervals for the chosen positives (M,) against all negatives."""
        scenarios, width = self.weights.shape[1], 2 * len(self.pivots) + 1
        places = self.positives.scenario[chosen] * width + _cell_of(self.positives.row[chosen], self.pivots)
        counts = np.bincount(places, minlength=scenarios * width).reshape(scenarios, width)
        return interval(resample_counts(self.weights, counts), self.resampled_negatives)

    def histograms(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Bin edges (HISTOGRAM_BINS + 1,) and counts of negatives and of positives (HISTOGRAM_BINS,)."""
        edges = _edges(self.positives)
        scores = self.positives.values[self.positives.row].astype(np.float64)
        return edges, self.negative_histogram, np.histogram(scores, edges)[0].astype(np.int64)


def level_metrics(pool: Pool, chosen: npt.NDArray[np.bool_] | None = None) -> dict[str, float | int]:
    """A level's block of metrics/evaluate.json; chosen (M,): of some positives only, against all negatives."""
    chosen = pool.everything() if chosen is None else chosen
    ranking, bounds = pool.ranking(chosen), pool.interval(chosen)
    return {
        "auroc": auroc(ranking),
        "auroc_low": bounds.auroc_low,
        "auroc_high": bounds.auroc_high,
        "ap": average_precision(ranking),
        "ap_low": bounds.ap_low,
        "ap_high": bounds.ap_high,
        "fpr95": fpr95(ranking),
        "positives": ranking.positive_count,
        "negatives": ranking.negative_count,
    }


class PositiveGatherer:
    """First pass: add every shard of the test set, in order, a scenario's one after another, then finish."""

    def __init__(self) -> None:
        self._frames, self._scenarios = 0, list[str]()
        self._parts: dict[Level, list[_Part]] = {level: [] for level in LEVELS}
        self._ranges: dict[Level, list[tuple[float, float]]] = {level: [] for level in LEVELS}
        self._classes = {level: np.zeros(2, dtype=np.int64) for level in LEVELS}

    def add(self, scenario: str, levels: dict[Level, LevelScores], frames: int) -> None:
        """Gather the positives of the next shard, which is of this scenario and has so many frames."""
        if self._scenarios[-1:] != [scenario]:
            self._scenarios.append(scenario)
        number = len(self._scenarios) - 1
        for level, s in levels.items():
            self._parts[level].append((s.positive, number, self._frames + s.positive_frame))
            self._classes[level] += (len(s.positive), len(s.negative))
            self._ranges[level] += [(float(x.min()), float(x.max())) for x in (s.positive, s.negative) if len(x)]
        self._frames += frames

    def finish(self) -> dict[Level, Positives]:
        """Positives by level; a level without a positive, or without a negative, is absent."""
        return {
            level: _positives(self._parts[level], self._ranges[level]) for level in LEVELS if self._classes[level].all()
        }


class NegativeCounter:
    """Second pass: add every shard once more, in the same order, then finish."""

    def __init__(self, positives: dict[Level, Positives]) -> None:
        self._positives = positives
        self._pivots = {
            level: choose_pivots(p.values, np.bincount(p.row), MAX_PIVOTS) for level, p in positives.items()
        }
        self._cells = {level: np.zeros(2 * len(p.values) + 1, dtype=np.int64) for level, p in positives.items()}
        self._by_scenario: dict[Level, list[npt.NDArray[np.int64]]] = {level: [] for level in positives}
        self._scenario = ""
        self._histograms = {level: np.zeros(HISTOGRAM_BINS, dtype=np.int64) for level in positives}

    def add(self, scenario: str, levels: dict[Level, LevelScores]) -> None:
        """Count the negatives of the next shard, which is of this scenario."""
        begins, self._scenario = scenario != self._scenario, scenario
        for level, p in self._positives.items():
            ascending = np.sort(levels[level].negative)
            counted = count_cells(p.values, ascending)
            self._cells[level] += counted
            merged = merge_cells(counted, self._pivots[level])
            if begins:
                self._by_scenario[level].append(merged)
            else:
                self._by_scenario[level][-1] += merged
            self._histograms[level] += np.diff(
                np.searchsorted(ascending, _edges(p)[1:-1]), prepend=0, append=len(ascending)
            )

    def finish(self, weights: npt.NDArray[np.float64]) -> dict[Level, Pool]:
        """The pools of the levels that have both classes; weights (R, S): see bootstrap.resample_scenarios."""
        return {
            level: Pool(
                positives=p,
                negative_cells=self._cells[level],
                pivots=self._pivots[level],
                weights=weights,
                resampled_negatives=resample_counts(weights, np.stack(self._by_scenario[level])),
                negative_histogram=self._histograms[level],
            )
            for level, p in self._positives.items()
        }


def _positives(parts: list[_Part], ranges: list[tuple[float, float]]) -> Positives:
    values, row = np.unique(np.concatenate([scores for scores, _, _ in parts]), return_inverse=True)
    return Positives(
        values=values,
        row=row.astype(np.int64),
        scenario=np.repeat([number for _, number, _ in parts], [len(scores) for scores, _, _ in parts]),
        frame=np.concatenate([frames for _, _, frames in parts]),
        lowest=min(low for low, _ in ranges),
        highest=max(high for _, high in ranges),
    )


def _cell_of(rows: npt.NDArray[np.int64], pivots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The merged cell of scores given as rows of the distinct values."""
    left = np.searchsorted(pivots, rows)
    at_pivot = pivots[np.minimum(left, len(pivots) - 1)] == rows
    return np.asarray(2 * left + at_pivot, dtype=np.int64)


def _edges(positives: Positives) -> npt.NDArray[np.float64]:
    low, high = positives.lowest, positives.highest
    return (
        np.linspace(low, high, HISTOGRAM_BINS + 1)
        if high > low
        else np.linspace(low - 0.5, low + 0.5, HISTOGRAM_BINS + 1)
    )
