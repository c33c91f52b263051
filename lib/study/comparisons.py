"""docs/comparisons.json: paired differences between two variants with the same training seed, from `tools.compare`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import write_json
from lib.common.reading import read_text
from lib.study.study_plan import Run

PAIRS: Final = (
    ("lidar", "concat"),
    ("image", "concat"),
    ("concat", "cross_attention"),
    ("lidar", "cross_attention"),
    ("image", "cross_attention"),
)
"""(first, second): the difference is second minus first."""
WANTED: Final = (("frame", "auroc"), ("point", "ap"))


@dataclass(frozen=True)
class Comparison:
    """Differences of the metrics WANTED, over all anomalies (group "") and by kind; see
    lib.evaluation.comparison.Difference.
    """

    scale: str
    first: str
    second: str
    seed: int
    differences: list[dict[str, Any]]

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Unique identifier of a comparison."""
        return self.scale, self.first, self.second, self.seed


def pairs_of(run: Run, finished: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs that a run completes; `finished`: names of the variants that have run with its scale and seed."""
    return [pair for pair in PAIRS if set(run.names) & set(pair) and set(pair) <= {*finished, *run.names}]


def comparison_of(run: Run, pair: tuple[str, str], compared: str) -> Comparison:
    """Take what the table needs from the output of `tools.compare --json`."""
    rows = [row for row in json.loads(compared) if (row["level"], row["number"]) in WANTED]
    return Comparison(run.scale, *pair, run.seed, rows)


def read_comparisons(path: Path) -> list[Comparison]:
    """Comparisons in a file; none if there is no file. Raises DataError if the file is damaged."""
    if not path.exists():
        return []
    try:
        return [Comparison(**values) for values in json.loads(read_text(path))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a table of comparisons ({error}); restore it from Git or remove it") from None


def add_comparisons(path: Path, new: Sequence[Comparison]) -> list[Comparison]:
    """Add comparisons to the file, replacing those of the same pair and seed; returns all."""
    fresh = {comparison.key for comparison in new}
    found = [old for old in read_comparisons(path) if old.key not in fresh] + list(new)
    if new:
        write_json(path, [asdict(comparison) for comparison in found])
    return found


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as Markdown: a row per pair and metric, a column per training seed. "" without any."""
    if not comparisons:
        return ""
    seeds = sorted({c.seed for c in comparisons})
    head = ["A minus B", "metric", *(f"seed {seed}" for seed in seeds), "remaining error"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for pair in PAIRS:
        of_pair = {c.seed: c for c in comparisons if (c.first, c.second) == pair}
        for level, number in WANTED:
            found = {seed: _overall(c, level, number) for seed, c in of_pair.items()}
            known = {seed: d for seed, d in found.items() if d}
            if known:
                lines.append(_line(pair, seeds, known))
    ordered = sorted(comparisons, key=lambda c: (PAIRS.index((c.first, c.second)), c.seed))
    worse = [
        f"{c.second} minus {c.first}, seed {c.seed}: {d['group']}, {_name(d)} {_difference(d)}"
        for c in ordered
        for d in c.differences
        if d["group"] and d["high"] < 0
    ]
    kinds = f"Kinds of anomaly on which A is worse, with the whole interval below 0: {'; '.join(worse) or 'none'}."
    what = "Paired differences [95 %] by training seed. Remaining error: (1 - A) / (1 - B), by training seed."
    return f"{what}\n\n" + "\n".join(lines) + f"\n\n{kinds}"


def _overall(c: Comparison, level: str, number: str) -> dict[str, Any] | None:
    """The difference over all anomalies, if it was computed."""
    return next((d for d in c.differences if not d["group"] and (d["level"], d["number"]) == (level, number)), None)


def _line(pair: tuple[str, str], seeds: Sequence[int], known: dict[int, dict[str, Any]]) -> str:
    first, second = pair
    differences = [_difference(known[seed]) if seed in known else "" for seed in seeds]
    errors = ", ".join(_remaining_error(known[seed]) if seed in known else "-" for seed in seeds)
    name = _name(next(iter(known.values())))
    return "| " + " | ".join([f"{second} minus {first}", name, *differences, errors]) + " |"


def _remaining_error(d: dict[str, Any]) -> str:
    return f"{(1 - d['second']) / (1 - d['first']):.2f}" if d["first"] < 1 else "-"


def _name(d: dict[str, Any]) -> str:
    return f"{d['level']} {d['number'].upper()}"


def _difference(d: dict[str, Any]) -> str:
    return f"{d['difference']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]"
