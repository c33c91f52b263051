"""What a benchmark says, and how one is written.

A subject is a module `benchmarks/<name>.py` with one function, `measure(folder: Path) -> Subject`, named in SUBJECTS of
`benchmarks/__main__.py`. The folder is empty, temporary and removed afterwards. `measure` makes its data there, checks
that all the ways it compares give the same result, times them **in turn** (`benchmarks.timing.alternate`), so that a
noisy machine meets all of them alike, and returns

- tables: each way beside its peers and its limit, with spread (`Spread.text`);
- measures: the ratios that are promised, each with its limit. They come from within a turn (`Times.speedup`), which
  holds far better than two medians.

The driver adds machine, date, versions and the seconds it took, merges the subject into benchmarks/results.json (other
subjects keep what they had) and draws docs/benchmarks.md from it anew. A way whose library is not installed raises
`lib.common.errors.DataError` that says so (`make bench` installs benchmarks/requirements.lock); nothing is left out
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
        """`median [low, high]` with so many decimals; by default three significant digits. Once: one number."""
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
    """A number by `name` (the key in results.json) with the limit it must keep: `at_least` or `at_most`, or neither.

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
        """Whether the median keeps the limit; None without one."""
        if self.at_least is None and self.at_most is None:
            return None
        low, high = self.at_least, self.at_most
        return (low is None or self.value.median >= low) and (high is None or self.value.median <= high)


@dataclass(frozen=True)
class Subject:
    """What was measured on what (`setting`, one or two sentences), and what came out.

    `packages`: the distributions whose versions matter, as pip names them. `reading`: what the numbers say, and what
    bounds them.
    """

    title: str
    setting: str
    packages: tuple[str, ...]
    tables: tuple[Table, ...]
    measures: tuple[Measure, ...]
    reading: str = ""


def number_text(value: float, digits: int | None = None) -> str:
    """1234.5 -> 1,234; 12.34 -> 12.3; 0.01234 -> 0.0123: three significant digits, or so many decimals."""
    if digits is None:
        magnitude = int(np.floor(np.log10(abs(value)))) if value else 0
        digits = max(0, 2 - magnitude)
    return f"{value:,.{digits}f}"
