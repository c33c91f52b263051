"""docs/comparisons.json: paired differences between two variants with the same training seed, from `tools.compare`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import write_json
from lib.common.reading import read_text
from lib.study.study_plan import Run

PAIRS: Final = (("lidar", "concat"), ("image", "concat"), ("concat", "cross_attention"))
"""First and second: the difference is the second's number minus the first's."""
WANTED: Final = {("frame", "auroc"): "frame AUROC", ("point", "ap"): "point AP"}


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
    """The comparisons over all anomalies as Markdown, a row per pair. "" where there are none."""
    if not comparisons:
        return ""
    head = ["paired difference", "seeds", *WANTED.values()]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for first, second in PAIRS:
        found = [c for c in comparisons if (c.first, c.second) == (first, second)]
        if found:
            cells = [_cell(found, level, number) for level, number in WANTED]
            lines.append("| " + " | ".join([f"{second} minus {first}", str(len(found)), *cells]) + " |")
    return "\n".join(lines)


def _cell(comparisons: Sequence[Comparison], level: str, number: str) -> str:
    """Mean and standard deviation over the training seeds; each end of the interval is the mean over them."""
    found = [
        d for c in comparisons for d in c.differences if (d["level"], d["number"], d["group"]) == (level, number, "")
    ]
    if not found:
        return ""
    values, lows, highs = ([d[key] for d in found] for key in ("difference", "low", "high"))
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{fmean(values):+.3f}{spread} [{fmean(lows):+.3f}, {fmean(highs):+.3f}]"
