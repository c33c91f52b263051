"""All scenarios' scores of one level, and the metrics that follow from them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.ranking import Counts, Floats, Ranking, auroc
from lib.evaluation.levels import LevelScores
from lib.metrics.bootstrap import bootstrap, bootstrap_auroc, cells_of, interval
from lib.metrics.curves import average_precision, fpr95
from lib.metrics.value_counts import VALUES, ValueCounts

HISTOGRAM_BINS: Final = 60

Group = tuple[str, str]
"""A breakdown's group of frames and its value, as ("weather", "night")."""
ALL: Final[Group] = "", ""


@dataclass(eq=False)
class Pool:
    """A level's negatives and positives, all and by group of frames; weights (R, S): bootstrap.resample_scenarios."""

    negatives: ValueCounts
    positives: dict[Group, ValueCounts]
    weights: npt.NDArray[np.float64]

    def of(self, scenarios: Container[int]) -> "Pool | None":
        """The pool of some of the scenarios; None where one class lacks."""
        negatives, positives = self.negatives.of(scenarios), self.positives[ALL].of(scenarios)
        both = negatives.scenarios and positives.scenarios
        return Pool(negatives, {ALL: positives}, self.weights) if both else None

    def ranking(self, group: Group = ALL) -> Ranking:
        """A group's positives against all negatives."""
        positives = self._total if group == ALL else self.positives[group].total()
        rows = np.flatnonzero(positives + self._negative_total)
        return Ranking(VALUES[rows], positives[rows], self._negative_total[rows])

    def resampled(self, group: Group = ALL) -> npt.NDArray[np.float64]:
        """AUROC and AP (2, R) of a group's positives in every resample; nan where a class lacks."""
        positives = self.positives[group].by_scenario(self._cell, self.weights.shape[1])
        return bootstrap(self.weights, positives, self._negatives_by_scenario)

    def auroc_interval(self) -> tuple[float, float]:
        """The ends of the AUROC's 95 % interval, over the resamples that hold both classes; without AP's it is fast."""
        positives = self.positives[ALL].by_scenario(self._cell, self.weights.shape[1])
        resampled = bootstrap_auroc(self.weights, positives, self._negatives_by_scenario)
        low, high = np.percentile(resampled[np.isfinite(resampled)], [2.5, 97.5]).tolist()
        return low, high

    def histograms(self) -> tuple[Floats, Counts, Counts]:
        """Bin edges (HISTOGRAM_BINS + 1,) and counts of negatives and of positives (HISTOGRAM_BINS,)."""
        ranking = self.ranking()
        values = ranking.values.astype(np.float64)
        edges = np.histogram_bin_edges(values, HISTOGRAM_BINS)
        parts = (np.histogram(values, edges, weights=c)[0] for c in (ranking.negatives, ranking.positives))
        negatives, positives = (counts.astype(np.int64) for counts in parts)
        return edges, negatives, positives

    @cached_property
    def _total(self) -> Counts:
        return self.positives[ALL].total()

    @cached_property
    def _negative_total(self) -> Counts:
        return self.negatives.total()

    @cached_property
    def _cell(self) -> npt.NDArray[np.intp]:
        return cells_of(self._total)

    @cached_property
    def _negatives_by_scenario(self) -> npt.NDArray[np.float64]:
        return self.negatives.by_scenario(self._cell, self.weights.shape[1])


class LevelCounter:
    """Counts the scores of one level, scenario by scenario."""

    def __init__(self, broken_down: bool) -> None:
        """`broken_down`: positives also by group of frames."""
        self._broken_down = broken_down
        self._negatives, self._positives = ValueCounts(), {ALL: ValueCounts()}

    def add(self, scenario: int, scores: LevelScores, groups: Sequence[Mapping[str, str]]) -> None:
        """Count a part of a scenario, whose frames are of these groups."""
        self._negatives.add(scenario, scores.negative)
        self._positives[ALL].add(scenario, scores.positive)
        if self._broken_down and len(scores.positive):
            for group in sorted({group for of_frame in groups for group in of_frame.items()}):
                belongs = np.array([group in of_frame.items() for of_frame in groups])
                if (chosen := belongs[scores.positive_frame]).any():
                    self._positives.setdefault(group, ValueCounts()).add(scenario, scores.positive[chosen])

    def finish(self, weights: npt.NDArray[np.float64]) -> Pool | None:
        """The pool; None where one class lacks."""
        both = self._negatives.scenarios and self._positives[ALL].scenarios
        return Pool(self._negatives, self._positives, weights) if both else None


def level_metrics(pool: Pool, group: Group = ALL) -> dict[str, float | int]:
    """A level's block of metrics/evaluate.json; of one group's positives, against all negatives."""
    ranking = pool.ranking(group)
    (auroc_low, auroc_high), (ap_low, ap_high) = interval(pool.resampled(group)).tolist()
    return {
        "auroc": auroc(ranking),
        "auroc_low": auroc_low,
        "auroc_high": auroc_high,
        "ap": average_precision(ranking),
        "ap_low": ap_low,
        "ap_high": ap_high,
        "fpr95": fpr95(ranking),
        "positives": int(ranking.positives.sum()),
        "negatives": int(ranking.negatives.sum()),
    }
