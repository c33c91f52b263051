"""Alternating repetitions, and ratios within a round."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.subject import Spread


@dataclass(frozen=True, eq=False)
class Times:
    """Seconds (rounds,) of each method, measured in the same rounds."""

    seconds: dict[str, npt.NDArray[np.float64]]

    def duration(self, way: str) -> Spread:
        """Seconds of one repetition."""
        return Spread.of(self.seconds[way])

    def rate(self, way: str, count: float) -> Spread:
        """Rate per second, if a repetition does `count` items."""
        return Spread.of(count / self.seconds[way])

    def speedup(self, way: str, peer: str, work: float = 1.0) -> Spread:
        """Speed relative to `peer` in the same rounds; `work`: work per call of `way`, relative to `peer`."""
        return Spread.of(work * self.seconds[peer] / self.seconds[way])


def alternate(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    before: Callable[[], object] | None = None,
    warm_up: int = 1,
    at_least_s: float = 0.0,
) -> Times:
    """Call every method once per round, starting each round with another one; `warm_up` rounds are not counted.

    `before` is called, untimed, before each call, for example to empty a cache. A method whose last warm-up call took
    less than `at_least_s` is repeated within each round to last that long; its seconds are those of one call.
    """
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    calls = dict.fromkeys(names, 1)
    for number in range(warm_up + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if before is not None:
                before()
            start = time.perf_counter()
            for _ in range(calls[name]):
                ways[name]()
            taken = (time.perf_counter() - start) / calls[name]
            if number >= warm_up:
                seconds[name].append(taken)
            else:
                calls[name] = max(1, round(at_least_s / taken))
    return Times({name: np.array(values) for name, values in seconds.items()})
