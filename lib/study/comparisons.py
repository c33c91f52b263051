"""docs/comparisons.json: two variants of one training seed on the same test, by `tools.compare`'s paired bootstrap."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lib.errors import DataError
from lib.outputs import write_json
from lib.reading import read_text
from lib.study.plan import Run

PAIRS: Final = (
    ("lidar", "concat"),
    ("image", "concat"),
    ("concat", "cross_attention"),
    ("lidar", "cross_attention"),
    ("image", "cross_attention"),
)
"""First and second: the difference is the second's number minus the first's."""
WANTED: Final = (("frame", "auroc"), ("point", "ap"))


@dataclass(frozen=True)
class Comparison:
    """Differences of WANTED, over all anomalies (group "") and by kind; see lib.evaluation.comparison.Difference."""

    scale: str
    first: str
    second: str
    seed: int
    differences: list[dict[str, Any]]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What there is one comparison of."""
        return self.scale, self.first, self.second, self.seed


def pairs_of(run: Run, finished: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs that a run completes; finished: names of the variants that have run with its scale and seed."""
    return [pair for pair in PAIRS if set(run.names) & set(pair) and set(pair) <= {*finished, *run.names}]


def comparison_of(run: Run, pair: tuple[str, str], compared: str) -> Comparison:
    """Take what the table needs from the output of `tools.compare --json`."""
    rows = [row for row in json.loads(compared) if (row["level"], row["number"]) in WANTED]
    return Comparison(run.scale, *pair, run.seed, rows)


def read_comparisons(path: Path) -> list[Comparison]:
    """The comparisons of a file; none where there is no file. Raises DataError for a file that is not one of these."""
    if not path.exists():
        return []
    try:
        return [Comparison(**values) for values in json.loads(read_text(path))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a table of comparisons ({error}); restore it from Git or remove it") from None


def add_comparisons(path: Path, new: Sequence[Comparison]) -> list[Comparison]:
    """Put comparisons into the file, in the place of those of the same pair and seed; returns all."""
    fresh = {comparison.key for comparison in new}
    found = [old for old in read_comparisons(path) if old.key not in fresh] + list(new)
    if new:
        write_json(path, [asdict(comparison) for comparison in found])
    return found


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as Markdown; "" where there are none."""
    if not comparisons:
        return ""
    lines = ["| second against first | seed | of | difference [95 %] | remaining error |", "|---|---|---|---|---|"]
    ordered = sorted(comparisons, key=lambda c: (PAIRS.index((c.first, c.second)), c.seed))
    lines += [_line(c, d) for c in ordered for d in c.differences if not d["group"]]
    worse = [
        f"{c.second} against {c.first}, seed {c.seed}: {d['group']}, {_name(d)} {_difference(d)}"
        for c in ordered
        for d in c.differences
        if d["group"] and d["high"] < 0
    ]
    kinds = f"Kinds of anomaly on which the second is worse beyond its interval: {'; '.join(worse) or 'none'}."
    what = (
        "Paired differences: second minus first, trained with the same seed and tested on the same scenarios, "
        "which are resampled for both alike. Remaining error: (1 - second) / (1 - first)."
    )
    return f"{what}\n\n" + "\n".join(lines) + f"\n\n{kinds}"


def _line(c: Comparison, d: dict[str, Any]) -> str:
    error = f"{(1 - d['second']) / (1 - d['first']):.2f} times" if d["first"] < 1 else ""
    return f"| {c.second} against {c.first} | {c.seed} | {_name(d)} | {_difference(d)} | {error} |"


def _name(d: dict[str, Any]) -> str:
    return f"{d['level']} {d['number'].upper()}"


def _difference(d: dict[str, Any]) -> str:
    return f"{d['difference']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]"
