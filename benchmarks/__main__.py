"""Measure speed in comparison with alternatives: `python -m benchmarks [SUBJECT ...]`.

Prints the tables, merges the subjects into benchmarks/results.json and renders docs/benchmarks.md from it. The default
are all subjects. If there are several, each runs in its own process. benchmarks/subject.py describes how to write one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.report import merge, terminal_text, write_page
from benchmarks.subject import Subject
from lib.common.errors import DataError, run_stage

SUBJECTS: Final[tuple[str, ...]] = (
    *("pipeline", "loading", "storage", "preprocess", "checking"),
    *("training", "evaluation"),
)
RESULTS: Final = Path("benchmarks/results.json")
PAGE: Final = Path("docs/benchmarks.md")


def main() -> None:
    """Measure the given subjects."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; none: all")
    wanted = parser.parse_args().subjects or list(SUBJECTS)
    for name in wanted:
        if name not in SUBJECTS:
            raise DataError(f"{name}: no such subject; there are {', '.join(SUBJECTS)}")
    if len(wanted) == 1:
        _measure(wanted[0])
        return
    failed = [name for name in wanted if subprocess.run([sys.executable, "-m", "benchmarks", name]).returncode]
    if failed:
        raise DataError(f"not measured: {', '.join(failed)}; the reasons stand above")


def _measure(name: str) -> None:
    print(f"== {name}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        subject: Subject = import_module(f"benchmarks.{name}").measure(Path(folder))
    seconds = time.perf_counter() - start
    write_page(PAGE, merge(RESULTS, name, subject, seconds), SUBJECTS)
    print(f"{terminal_text(subject)}\n\n{name}: {seconds:.0f} s; written to {RESULTS} and {PAGE}\n", flush=True)


if __name__ == "__main__":
    run_stage(main)
