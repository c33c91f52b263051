"""Compare two models on the same test at all levels: differences with 95 % intervals by paired bootstrap.

A and B are DVC experiments, Git revisions, `workspace`, or folders of predictions (of the workspace's shards).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lib.common.errors import DataError, run_stage
from lib.common.params import Sections, load_params
from lib.common.paths import PREDICTIONS, SHARDS
from lib.common.terminal import readable
from lib.evaluation.comparison import Difference, compare
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.inputs import opened, predicted_scenarios
from lib.evaluation.levels import score_in_parts
from lib.evaluation.pooling import ScoredTest, pool_test_set
from lib.study.revisions import link_output

COLUMNS = ("level", "", "of", "A", "B", "B - A", "95 % interval", "B better", "anomalous", "normal")


class Params(Sections):
    """Sections of params.yaml that the command reads."""

    evaluate: EvaluateParams


def main() -> None:
    """Compare the two models and print the differences."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("a", metavar="A", help="the first model, the reference")
    parser.add_argument("b", metavar="B", help="the second model")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    params = load_params(Params).evaluate
    differences = compare(_scored(args.a, params), _scored(args.b, params))
    if not differences:
        raise DataError("no level has both positives and negatives in the test set, so there is nothing to compare")
    print(json.dumps([vars(d) for d in differences], indent=1) if args.json else _table(args.a, args.b, differences))


def _scored(name: str, params: EvaluateParams) -> ScoredTest:
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        shards, predictions = _folders(name, Path(temporary))
        read = opened(predicted_scenarios(shards, predictions))
        parts = (part for pair in read for part in score_in_parts(*pair, params))
        return pool_test_set(parts, params, ("frame", "point"))


def _folders(name: str, temporary: Path) -> tuple[Path, Path]:
    """Folders of the shards and predictions that A or B refers to."""
    if name == "workspace":
        return SHARDS, PREDICTIONS
    if Path(name).is_dir():
        return SHARDS, Path(name)
    shards, predictions, cache = temporary / "shards", temporary / "predictions", _cache()
    link_output(Path(), cache, name, str(SHARDS), shards)
    link_output(Path(), cache, name, str(PREDICTIONS), predictions)
    return shards, predictions


def _cache() -> Path:
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    result = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=False)
    if result.returncode:
        raise DataError(f"`dvc cache dir` failed ({' '.join(result.stderr.split())}); run in the repository's root")
    return Path(result.stdout.strip())


def _table(a: str, b: str, differences: Sequence[Difference]) -> str:
    rows = [COLUMNS, *map(_row, differences)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    notes = f"A: {a}", f"B: {b}", "B better: fraction of resamples of the test scenarios in which B is above A."
    return "\n".join([*lines, "", *map(readable, notes)])


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        f"{cell:<{width}}" if column < 3 else f"{cell:>{width}}"
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(d: Difference) -> tuple[str, ...]:
    return (
        *(d.level, d.group, d.number.upper(), f"{d.first:.4f}", f"{d.second:.4f}", f"{d.difference:+.4f}"),
        *(f"[{d.low:+.4f}, {d.high:+.4f}]", f"{d.above:.1%}", f"{d.positives:,}", f"{d.negatives:,}"),
    )


if __name__ == "__main__":
    run_stage(main)
