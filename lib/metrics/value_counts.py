"""float16 scores counted by value and scenario: there are so few values that nothing is lost."""

from collections.abc import Container
from typing import Final

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
_BITS: Final = np.arange(1 << 16, dtype=np.uint16)
_CODE: Final = np.where(_BITS >> 15, ~_BITS, _BITS | 0x8000).astype(np.uint16)
"""float16's bits -> numbers that ascend with its values."""
VALUES: Final = _BITS[np.argsort(_CODE)].view(np.float16).astype(np.float32)
"""The value (65536,) of each code; not all are finite."""
_CODE[0x8000] = _CODE[0]  # minus zero is zero


class ValueCounts:
    """How often each value occurs in each scenario: sparse, in a few bytes for each value that a scenario has."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self._parts: list[tuple[int, npt.NDArray[np.uint16], npt.NDArray[np.int64]]] = []

    def add(self, scenario: int, scores: npt.NDArray[np.float16]) -> None:
        """Count scores (N,) of a scenario, whose parts come one after another."""
        assert scores.dtype == np.float16
        bits, counts = np.unique(scores.view(np.uint16), return_counts=True)
        if len(bits):
            self._parts.append((scenario, _CODE[bits], counts))
        if len(self._parts) > 1 and self._parts[-2][0] == scenario:
            self._sum_last_two()

    def _sum_last_two(self) -> None:
        """Sum a long scenario's parts, so that memory does not grow with its length."""
        (scenario, *first), (_, *second) = self._parts[-2:]
        codes, place = np.unique(np.concatenate([first[0], second[0]]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([first[1], second[1]])).astype(np.int64)
        self._parts[-2:] = [(scenario, codes, counts)]

    def of(self, scenarios: Container[int]) -> "ValueCounts":
        """The counts of some of the scenarios."""
        chosen = ValueCounts()
        chosen._parts = [part for part in self._parts if part[0] in scenarios]
        return chosen

    @property
    def scenarios(self) -> int:
        """How many scenarios have any."""
        return len({scenario for scenario, _, _ in self._parts})

    def total(self) -> Counts:
        """How often each code occurs in all scenarios: (65536,)."""
        total = np.zeros(len(VALUES), dtype=np.int64)
        for _, codes, counts in self._parts:
            np.add.at(total, codes, counts)
        return total

    def by_scenario(self, cell: npt.NDArray[np.intp], scenarios: int) -> npt.NDArray[np.float64]:
        """Each scenario's counts (S, C) in cells, of which `cell` (65536,) gives each code's."""
        table = np.zeros((scenarios, int(cell[-1]) + 1))
        for scenario, codes, counts in self._parts:
            table[scenario] += np.bincount(cell[codes], counts, table.shape[1])
        return table
