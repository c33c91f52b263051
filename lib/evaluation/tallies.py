"""Counts of scores that can be noted, and gone on with by a later run."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lib.evaluation.counting import MAX_DISTINCT, CountedScores, ScoreCounter, merge_counts

State = dict[str, Any]
"""Nested dicts and lists of arrays and of JSON's plain values: what lib.evaluation.progress can note."""


class Tally:
    """A ScoreCounter beside what an earlier run has counted; add parts, then finish, or note its state and add more.

    Both together are what one counter would have counted: how many bits fall depends on all the scores alone.
    """

    def __init__(self, columns: int = 1, limit: int = MAX_DISTINCT, before: State | None = None) -> None:
        """`before`: the state that an earlier run has noted."""
        self._before = CountedScores(**before) if before else None
        self._counter, self._limit = ScoreCounter(columns, limit), limit

    def add(self, scores: npt.NDArray[np.floating], column: int = 0) -> None:
        """Count scores (N,) of a column; all parts have one dtype, float32 or float64."""
        self._counter.add(scores, column)

    def finish(self) -> CountedScores:
        """All that was added, here and before."""
        here = self._counter.finish()
        # A table of nothing is left out: it has the dtype float64, and would make scores of float32 so.
        parts = [part for part in (self._before, here) if part is not None and len(part.values)]
        return merge_counts(parts, self._limit) if parts else here

    def state(self) -> State:
        """All that was added, to begin another one with."""
        return dict(vars(self.finish()))
