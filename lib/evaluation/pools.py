"""All scenarios' scores of one level, pooled without holding them in memory.

Two passes over the scenarios: the first gathers the positives' distinct scores, the second counts positives and
negatives in the cells that these scores make, in all and per scenario. Metrics follow from the counts, exactly unless
there are too many distinct scores (lib.evaluation.counting), and intervals from the counts of each scenario.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.evaluation.bootstrap import (
    Interval,
    ResampledNegatives,
    bootstrap,
    choose_pivots,
    interval,
    merge_cells,
    resample_negatives,
)
from lib.evaluation.counting import MAX_DISTINCT, coarsen
from lib.evaluation.curves import (
    Counts,
    Ranking,
    auroc,
    average_precision,
    count_cells,
    error_bounds,
    fpr95,
)
from lib.evaluation.levels import LevelScores
from lib.evaluation.tallies import State, Tally

MAX_PIVOTS: Final = 500
HISTOGRAM_BINS: Final = 60

Group = tuple[str, str]
"""A breakdown's group of frames and its value, as ("weather", "night")."""
FrameGroups = Sequence[Mapping[str, str]]


@dataclass(frozen=True, eq=False)
class Scale:
    """A level's yardstick, known after the first pass: the positives' distinct scores (K,), ascending, and how often
    each occurs (K,); pivots: see choose_pivots; lowest and highest: of all scores.
    """

    values: npt.NDArray[np.floating]
    positives: Counts
    pivots: Counts
    dropped_bits: int
    lowest: float
    highest: float

    def edges(self) -> npt.NDArray[np.float64]:
        """Histogram edges (HISTOGRAM_BINS + 1,) over the range of all scores."""
        low, high = self.lowest, self.highest
        return np.linspace(*((low, high) if high > low else (low - 0.5, low + 0.5)), HISTOGRAM_BINS + 1)


@dataclass(eq=False)
class Positives:
    """Some positives of a level: how many have each of the scale's scores (K,), and how many of each scenario that has
    any lie in each of the 2 B + 1 cells of the scale's pivots.
    """

    counts: Counts
    by_scenario: dict[int, Counts] = field(default_factory=dict)

    def add(self, scenario: int, rows: npt.NDArray[np.int64], pivots: Counts) -> None:
        """Count a scenario's positives, given as rows (P,) of the scale's scores; P > 0."""
        self.counts += np.bincount(rows, minlength=len(self.counts))
        cells = np.bincount(_cell_of(rows, pivots), minlength=2 * len(pivots) + 1)
        before = self.by_scenario.get(scenario)
        self.by_scenario[scenario] = cells if before is None else before + cells

    def state(self) -> State:
        """All that was counted, for `of_state`."""
        cells = np.array(list(self.by_scenario.values()), dtype=np.int64)
        return {"counts": self.counts, "scenarios": list(self.by_scenario), "cells": cells}

    @staticmethod
    def of_state(state: State) -> "Positives":
        """What an earlier run has counted."""
        return Positives(state["counts"], dict(zip(state["scenarios"], state["cells"], strict=True)))


@dataclass(frozen=True, eq=False)
class Pool:
    """A level's positives, all and by group of frames, beside its negatives, counted in cells (2 K + 1,), in every
    resample, and in a histogram (HISTOGRAM_BINS,) over the scale's edges; weights (R, S). negative_scenarios: how many
    scenarios hold negatives.
    """

    scale: Scale
    positives: Positives
    groups: dict[Group, Positives]
    negative_cells: Counts
    weights: npt.NDArray[np.float64]
    negatives: ResampledNegatives
    negative_histogram: Counts
    negative_scenarios: int

    def ranking(self, chosen: Positives | None = None) -> Ranking:
        """The chosen positives (None: all) against all negatives."""
        counts = (chosen or self.positives).counts
        return Ranking(self.scale.values, counts, self.negative_cells, self.scale.dropped_bits == 0)

    def resampled(self, chosen: Positives | None = None) -> npt.NDArray[np.float64]:
        """AUROC and AP (2, R) of the chosen positives (None: all) in every resample; nan where a class lacks."""
        by_scenario = (chosen or self.positives).by_scenario
        counts, rows = np.stack(list(by_scenario.values())), np.array(list(by_scenario))
        return bootstrap(self.weights, counts, rows, self.negatives)

    def interval(self, chosen: Positives | None = None) -> Interval:
        """95 % intervals for the chosen positives (None: all) against all negatives."""
        return interval(self.resampled(chosen))

    def histograms(self) -> tuple[npt.NDArray[np.float64], Counts, Counts]:
        """Bin edges (HISTOGRAM_BINS + 1,) and counts of negatives and of positives (HISTOGRAM_BINS,)."""
        edges, totals = self.scale.edges(), np.append(0, np.cumsum(self.positives.counts))
        places = np.searchsorted(self.scale.values, edges[1:-1].astype(np.float64))
        return edges, self.negative_histogram, np.diff(totals[places], prepend=0, append=totals[-1])


def level_metrics(pool: Pool, chosen: Positives | None = None) -> dict[str, float | int]:
    """A level's block of metrics/evaluate.json; chosen: of some positives only, against all negatives."""
    ranking, bounds = pool.ranking(chosen), pool.interval(chosen)
    numbers: dict[str, float | int] = {
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
    if not ranking.exact:
        numbers |= dict(zip(("auroc_error", "ap_error", "fpr95_error"), error_bounds(ranking), strict=True))
    return numbers


class ScaleGatherer:
    """First pass: add every part of the test set, then finish."""

    def __init__(self, limit: int = MAX_DISTINCT, before: State | None = None) -> None:
        """Levels with more than `limit` distinct positive scores are coarsened; `before`: an earlier run's state."""
        found = before or {"tallies": {}, "ranges": {}, "with_negatives": []}
        self._limit = limit
        self._tallies = {level: Tally(limit=limit, before=tally) for level, tally in found["tallies"].items()}
        self._ranges: dict[str, tuple[float, float]] = {
            level: (low, high) for level, (low, high) in found["ranges"].items()
        }
        self._with_negatives: set[str] = set(found["with_negatives"])

    def add(self, levels: Mapping[str, LevelScores]) -> None:
        """Gather the positives of the next part."""
        for level, scores in levels.items():
            if len(scores.negative):
                self._with_negatives.add(level)
            if len(scores.positive):
                self._tallies.setdefault(level, Tally(limit=self._limit)).add(scores.positive)
            for part in (scores.positive, scores.negative):
                if len(part):
                    low, high = self._ranges.get(level, (np.inf, -np.inf))
                    self._ranges[level] = min(low, float(part.min())), max(high, float(part.max()))

    def finish(self) -> dict[str, Scale]:
        """Scales by level; a level without a positive, or without a negative, is absent."""
        return {level: self._scale(level) for level in self._tallies if level in self._with_negatives}

    def state(self) -> State:
        """All that was gathered, to begin another one with."""
        tallies = {level: tally.state() for level, tally in self._tallies.items()}
        return {"tallies": tallies, "ranges": self._ranges, "with_negatives": sorted(self._with_negatives)}

    def _scale(self, level: str) -> Scale:
        counted = self._tallies[level].finish()
        values, counts = counted.values, counted.counts[:, 0]
        ends = np.array(self._ranges[level], dtype=values.dtype)
        low, high = coarsen(ends, counted.dropped_bits).tolist()
        pivots = choose_pivots(values, counts, MAX_PIVOTS)
        return Scale(values, counts, pivots, counted.dropped_bits, low, high)


class PoolCounter:
    """Second pass: add every part of the test set once more, a scenario's parts one after another, then finish."""

    def __init__(
        self, scales: Mapping[str, Scale], broken_down: Sequence[str] = (), before: State | None = None
    ) -> None:
        """Count the levels that have a scale; those `broken_down` also by group of frames; `before`: as above."""
        found = before or {"levels": {}, "scenarios": []}
        self._levels = {
            level: _LevelCounter(scale, level in broken_down, found["levels"].get(level))
            for level, scale in scales.items()
        }
        self._scenarios: list[str] = found["scenarios"]

    def add(self, scenario: str, levels: Mapping[str, LevelScores], groups: FrameGroups) -> None:
        """Count the next part, which is of this scenario and has frames of these groups."""
        if self._scenarios[-1:] != [scenario]:
            self._scenarios.append(scenario)
        for level, counter in self._levels.items():
            counter.add(len(self._scenarios) - 1, levels[level], groups)

    def finish(self, weights: npt.NDArray[np.float64]) -> dict[str, Pool]:
        """The pools by level; weights (R, S): see bootstrap.resample_scenarios."""
        return {level: counter.finish(weights) for level, counter in self._levels.items()}

    def state(self) -> State:
        """All that was counted, to begin another one of the same scales with."""
        return {"levels": {n: counter.state() for n, counter in self._levels.items()}, "scenarios": self._scenarios}


class _LevelCounter:
    def __init__(self, scale: Scale, broken_down: bool, before: State | None) -> None:
        self._scale, self._broken_down = scale, broken_down
        self._edges = scale.edges()[1:-1]
        self._positives, self._groups = self._none(), dict[Group, Positives]()
        self._cells = np.zeros(2 * len(scale.values) + 1, dtype=np.int64)
        self._by_scenario: list[Counts] = []
        self._histogram = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
        if before:
            self._positives = Positives.of_state(before["positives"])
            self._groups = {(name, value): Positives.of_state(state) for name, value, state in before["groups"]}
            self._cells, self._histogram = before["cells"], before["histogram"]
            self._by_scenario = list(before["by_scenario"])

    def state(self) -> State:
        return {
            "positives": self._positives.state(),
            "groups": [[*group, positives.state()] for group, positives in self._groups.items()],
            "cells": self._cells,
            "by_scenario": np.stack(self._by_scenario),
            "histogram": self._histogram,
        }

    def _none(self) -> Positives:
        return Positives(np.zeros(len(self._scale.values), dtype=np.int64))

    def add(self, scenario: int, scores: LevelScores, groups: FrameGroups) -> None:
        scale = self._scale
        rows = np.searchsorted(scale.values, coarsen(scores.positive, scale.dropped_bits)).astype(np.int64)
        if len(rows):
            self._positives.add(scenario, rows, scale.pivots)
            if self._broken_down:
                self._add_groups(scenario, rows, scores.positive_frame, groups)
        ascending = np.sort(coarsen(scores.negative, scale.dropped_bits))
        counted = count_cells(scale.values, ascending)
        self._cells += counted
        while len(self._by_scenario) <= scenario:
            self._by_scenario.append(np.zeros(2 * len(scale.pivots) + 1, dtype=np.int64))
        self._by_scenario[scenario] += merge_cells(counted, scale.pivots)
        self._histogram += np.diff(np.searchsorted(ascending, self._edges), prepend=0, append=len(ascending))

    def _add_groups(self, scenario: int, rows: Counts, frame: Counts, groups: FrameGroups) -> None:
        for group in sorted({(name, value) for of_frame in groups for name, value in of_frame.items()}):
            belongs = np.array([of_frame.get(group[0]) == group[1] for of_frame in groups])
            if (chosen := belongs[frame]).any():
                self._groups.setdefault(group, self._none()).add(scenario, rows[chosen], self._scale.pivots)

    def finish(self, weights: npt.NDArray[np.float64]) -> Pool:
        return Pool(
            scale=self._scale,
            positives=self._positives,
            groups=self._groups,
            negative_cells=self._cells,
            weights=weights,
            negatives=resample_negatives(weights, np.stack(self._by_scenario)),
            negative_histogram=self._histogram,
            negative_scenarios=sum(bool(counts.any()) for counts in self._by_scenario),
        )


def _cell_of(rows: npt.NDArray[np.int64], pivots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The merged cell of scores given as rows of the distinct values."""
    left = np.searchsorted(pivots, rows)
    at_pivot = pivots[np.minimum(left, len(pivots) - 1)] == rows
    return np.asarray(2 * left + at_pivot, dtype=np.int64)
