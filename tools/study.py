"""Run the study behind docs/results.md: all variants and baselines, with several training seeds.

Runs take place in a clone that uses this repository's DVC cache. Finished runs are stored in docs/results.json, so that
an interrupted study can be resumed; --again repeats them. docs/results.md is rendered after every run.
"""

import argparse
from pathlib import Path
from typing import get_args

from lib.common.errors import ParamsError, run_stage
from lib.common.outputs import exclusive_lock
from lib.common.terminal import log
from lib.study.comparisons import add_comparisons, read_comparisons
from lib.study.result_rows import add_rows, read_rows
from lib.study.results_page import missing, put_tables
from lib.study.runs import compare_with, execute, open_clone
from lib.study.study_plan import Scale, Value, command, commands, plan


def main() -> None:
    """Execute the missing runs, the most important first."""
    parser = argparse.ArgumentParser(prog="python -m tools.study", description=__doc__)
    parser.add_argument("scale", choices=[*get_args(Scale), "render"], help="render: only render docs/results.md")
    parser.add_argument("--runs", type=int, default=None, metavar="N", help="stop after N runs")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these variants, or `baselines`")
    parser.add_argument("--again", action="store_true", help="repeat finished runs")
    parser.add_argument("--list", action="store_true", help="only print the commands of the missing runs")
    parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="KEY=VALUE", help="change a param in every run"
    )
    parser.add_argument("--clone", type=Path, default=Path(".study"), help="default: %(default)s, not in Git")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the results; default: %(default)s")
    args = parser.parse_args()
    results, comparisons, page = (args.docs / name for name in ("results.json", "comparisons.json", "results.md"))
    if args.scale == "render":
        put_tables(page, read_rows(results), read_comparisons(comparisons))
        return
    runs = [run for run in plan(args.scale, dict(map(_change, args.set))) if _wanted(run.kind, run.names, args.only)]
    waiting = (runs if args.again else missing(runs, read_rows(results)))[: args.runs]
    log(f"{args.scale}: {len(runs) - len(missing(runs, read_rows(results)))} of {len(runs)} runs are finished")
    if args.list:
        print("\n".join(line for run in waiting for line in commands(run)))
        return
    clone = args.clone.resolve()
    with exclusive_lock(clone):
        revision = open_clone(Path.cwd(), clone) if waiting else ""
        for number, run in enumerate(waiting, 1):
            log(f"run {number} of {len(waiting)}: {command(run)}")
            rows = add_rows(results, execute(run, clone, revision, clone / "kept"))
            done = [row for row in rows if (row.scale, row.seed, row.revision) == (run.scale, run.seed, revision)]
            compared = compare_with(run, [row.name for row in done], clone, clone / "kept")
            put_tables(page, rows, add_comparisons(comparisons, compared))
    log(f"wrote {results} and {page}")


def _wanted(kind: str, names: tuple[str, ...], only: list[str] | None) -> bool:
    return only is None or kind in only or any(name in only for name in names)


def _change(text: str) -> tuple[str, Value]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise ParamsError(f"--set {text}: expected SECTION.KEY=VALUE, as in train.epochs=3")
    return key, value


if __name__ == "__main__":
    run_stage(main)
