"""The result of a benchmark, and how to write one.

A subject is a module `benchmarks/<name>.py` with one function, `measure(folder: Path) -> Subject`, named in SUBJECTS of
`benchmarks/__main__.py`. The folder is empty, temporary and removed afterwards. `measure` creates its data there,
checks that all compared methods give the same result, times them **alternately** (`benchmarks.timing.alternate`), so
that noise affects all of them equally, and returns

- tables: each method with its alternatives and its limit, with spread (`Spread.text`);
- measures: ratios with limits. They are computed within a round (`Times.speedup`), which is much more robust than the
  ratio of two medians.

The driver adds machine, date, versions and the duration, merges the subject into benchmarks/results.json (other
subjects are not changed) and renders docs/benchmarks.md from it. If a library is not installed,
`lib.common.errors.DataError` is raised (`make bench` installs benchmarks/requirements.lock); nothing is left out
silently.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Spread:
    """A measured number: the median of its repetitions, and their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Spread":
        """The spread of some repetitions (n,)."""
        low, median, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75])
        return cls(float(median), float(low), float(high))

    @classmethod
    def once(cls, value: float) -> "Spread":
        """A number that was measured once."""
        return cls(value, value, value)

    def text(self, digits: int | None = None) -> str:
        """`median [low, high]` with the given decimals, by default three significant digits; a single value if once."""
        if self.low == self.high:
            return number_text(self.median, digits)
        shown = (number_text(value, digits) for value in (self.median, self.low, self.high))
        return "{} [{}, {}]".format(*shown)


@dataclass(frozen=True)
class Table:
    """A table of texts, one row per way; `note` is a sentence below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.title


@dataclass(frozen=True)
class Measure:
    """A value by `name` (the key in results.json) and its limit, if any: `at_least` or `at_most`.

    `meaning` names the quantity: "warm: speed relative to raw files". `unit`: "x" for ratios, "s", "GB", "%".
    """

    name: str
    meaning: str
    value: Spread
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether the median meets the limit; None without one."""
        if self.at_least is None and self.at_most is None:
            return None
        low, high = self.at_least, self.at_most
        return (low is None or self.value.median >= low) and (high is None or self.value.median <= high)


@dataclass(frozen=True)
class Subject:
    """A subject's setting (`setting`, one or two sentences) and results.

    `packages`: distributions whose versions matter, by pip's names. `reading`: interpretation of the results.
    """

    title: str
    setting: str
    packages: tuple[str, ...]
    tables: tuple[Table, ...]
    measures: tuple[Measure, ...]
    reading: str = ""


def number_text(value: float, digits: int | None = None) -> str:
    """1234.5 -> 1,234; 12.34 -> 12.3; 0.01234 -> 0.0123: three significant digits, or the given decimals."""
    if digits is None:
        magnitude = int(np.floor(np.log10(abs(value)))) if value else 0
        digits = max(0, 2 - magnitude)
    return f"{value:,.{digits}f}"
