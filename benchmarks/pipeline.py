"""Duration of the whole pipeline with DVC in a new clone: each stage, all stages, and with nothing to do."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml

from benchmarks.subject import Measure, Spread, Subject, Table, number_text
from lib.common.cache import VARIABLE as SCRATCH
from lib.common.errors import DataError
from lib.common.workers import available_cores

ROOT: Final = Path(__file__).resolve().parents[1]
REPRO: Final = (sys.executable, "-m", "dvc", "repro")
RUNNING: Final = re.compile(r"Running stage '(.+)':")
AGAIN: Final = 5
BEFORE: Final = "DVC, before the first stage"


def measure(folder: Path) -> Subject:
    """Clone the committed state, time `dvc repro` from scratch, then repeatedly with nothing to do."""
    clone, environment = folder / "clone", _environment(folder)
    _run(["git", "clone", "-q", str(ROOT), str(clone)], folder, environment)
    (clone / "dvc.lock").unlink()  # or stages whose results are in Git would be skipped where they come out the same
    # The user's own settings may name a cache for several repositories, which could already hold results.
    _run([*REPRO[:-1], "config", "--local", "cache.dir", str(clone / ".dvc" / "cache")], clone, environment)
    stages, total = _first(clone, environment)
    again = [_nothing_to_do(clone, environment) for _ in range(AGAIN)]
    commit = _run(["git", "rev-parse", "--short=10", "HEAD"], clone, environment)[0]
    rows = tuple(
        (name, number_text(seconds), f"{100 * seconds / total:.1f} %")
        for name, seconds in [*stages.items(), ("all", total)]
    )
    nothing = Spread.of(again)
    return Subject(
        title="Pipeline",
        setting=(
            f"`dvc repro` with the committed params on the default sample (commit {commit}), in a new clone without "
            f"results and cache, on {available_cores()} cores; the environment is installed. Then again, with "
            "nothing to do."
        ),
        packages=("dvc", "torch", "numpy"),
        tables=(
            Table("From nothing, seconds", ("stage", "s", "share"), rows, "Measured once; start and caching included."),
            Table("Nothing to do", ("", "s"), (("`dvc repro`", nothing.text()),)),
        ),
        measures=(
            Measure(
                "from_nothing",
                "`dvc repro` on the default sample, from nothing",
                Spread.once(total),
                at_most=150,
                unit="s",
            ),
            Measure("nothing_to_do", "`dvc repro` with nothing to do", nothing, at_most=3, unit="s"),
        ),
    )


def _environment(folder: Path) -> dict[str, str]:
    """Environment with the current `python`, isolated from caches of DVC and of stages outside the clone."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "DVC_SITE_CACHE_DIR": str(folder / "site"), SCRATCH: str(folder / "scratch")}


def _first(clone: Path, environment: dict[str, str]) -> tuple[dict[str, float], float]:
    """Seconds of each stage, from its first output line to that of the next, and in total; all stages must run."""
    start = time.perf_counter()
    begun = [(BEFORE, start)]
    lines: list[str] = []
    with subprocess.Popen(
        REPRO, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := RUNNING.match(line):
                begun.append((found[1], time.perf_counter()))
    end = time.perf_counter()
    _succeeded(REPRO, process.returncode, lines)
    stages = list(yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    missing = [stage for stage in stages if stage not in dict(begun)]
    if missing:
        raise DataError(f"pipeline: {', '.join(missing)} did not run in the new clone:\n{''.join(lines)}")
    return {name: until - since for (name, since), (_, until) in pairwise([*begun, ("", end)])}, end - start


def _nothing_to_do(clone: Path, environment: dict[str, str]) -> float:
    start = time.perf_counter()
    lines = _run(REPRO, clone, environment)
    seconds = time.perf_counter() - start
    if any(RUNNING.match(line) for line in lines):
        raise DataError(f"pipeline: a second `dvc repro` ran stages again:\n{''.join(lines)}")
    return seconds


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = done.stdout.splitlines()
    _succeeded(command, done.returncode, [f"{line}\n" for line in lines])
    return lines


def _succeeded(command: Sequence[str], status: int, lines: Sequence[str]) -> None:
    if status:
        words = " ".join(command[1:] if command[0] == sys.executable else command)
        raise DataError(f"pipeline: `{words}` failed with status {status}; its last words:\n{''.join(lines[-20:])}")
