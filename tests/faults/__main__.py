"""Inject faults into small workspaces and clones, and write docs/reliability.md: `make faults`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from tqdm import tqdm

from tests.faults.clones import before_each_stage, kill_repro
from tests.faults.damage import KINDS, READERS, damaged_input
from tests.faults.disks import (
    full_disk,
    may_mount,
    odd_names,
    read_error,
    read_only_root,
    read_only_workspace,
    size_limit,
)
from tests.faults.incremental import add_and_change
from tests.faults.kills import kill_chain
from tests.faults.lab import Lab, Trial, build_lab
from tests.faults.report import report
from tests.faults.resuming import resume_training
from tests.faults.strangers import strangers
from tests.faults.together import WITH_WORKERS, two_repros, two_stages, worker_killed
from tests.faults.workspace import STAGES, Workspace
from tools.smoke import ROOT

REPORT: Final = ROOT / "docs" / "reliability.md"
CHAINS: Final = (1, 2, 3, 4)
KILLS_UNDER_DVC: Final = 6
TRIES: Final = 6

Job = Callable[[], list[Trial]]


def main() -> None:
    """Build what to compare with, do all the harm, write the report."""
    options = _options()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        print("two undisturbed runs, with and without DVC")
        lab = build_lab(Path(folder))
        clones = before_each_stage(Path(folder) / "clones")
        jobs = [*_kills(lab, clones, options.kills, options.seed), *_others(lab, clones, options.each, options.seed)]
        trials: list[Trial] = []
        with ThreadPoolExecutor(options.jobs) as pool:
            for found in tqdm(pool.map(lambda job: job(), jobs), total=len(jobs), desc="faults", unit="trial"):
                trials += found
        trials += odd_names(lab)
        resumed = resume_training(lab)
        rebuilt = add_and_change(Path(folder), options.scenarios)
    text = report(trials, resumed, rebuilt, options.seed, (time.monotonic() - start) / 60)
    options.report.write_text(text, encoding="utf-8")
    print(text)
    sound = resumed.identical and resumed.epoch_noted and all(run.identical for run in rebuilt)
    sys.exit(not sound or any(not trial.survived() for trial in trials))


def _kills(lab: Lab, clones: dict[str, Workspace], kills: int, seed: int) -> Iterator[Job]:
    """So many kills of each stage, in chains of runs that are killed one after another, and some of `dvc repro`."""
    under_dvc = min(KILLS_UNDER_DVC, kills // 3)
    for stage in STAGES:
        left = kills - under_dvc
        for number in count():
            length = min(left, CHAINS[number % len(CHAINS)])
            if not length:
                break
            yield partial(kill_chain, lab, stage, length, seed, number)
            left -= length
        for number in range(under_dvc):
            yield _until(partial(kill_repro, lab, clones[stage], stage, seed), number, len(STAGES))


def _others(lab: Lab, clones: dict[str, Workspace], each: int, seed: int) -> Iterator[Job]:
    """So many of each other fault for each stage that can meet it."""
    for number in range(each):
        for stage in STAGES:
            if may_mount():
                yield _until(partial(full_disk, lab, stage, seed), number)
            yield _until(partial(size_limit, lab, stage, seed), number)
            yield _one(partial(two_stages, lab, stage, seed, number))
            yield _until(partial(strangers, lab, stage, seed), number, 1)
            if stage != "simulate":
                yield _until(partial(read_error, lab, stage, seed), number)
            if stage in READERS:
                for kind in KINDS:
                    yield _until(partial(damaged_input, lab, stage, kind, seed), number)
            if stage in WITH_WORKERS:
                yield _until(partial(worker_killed, lab, stage, seed), number)
    for stage in STAGES:
        yield _one(partial(two_repros, lab, clones[stage], stage, seed, 0))
        if may_mount():
            yield _one(partial(read_only_workspace, lab, stage))
    if may_mount():
        yield _one(partial(read_only_root, lab))


def _one(trial: Callable[[], Trial]) -> Job:
    return lambda: [trial()]


def _until(trial: Callable[[int], Trial | None], number: int, step: int = 1000) -> Job:
    """Try with other numbers until the fault has met the stage."""

    def run() -> list[Trial]:
        for attempt in range(TRIES):
            found = trial(number + attempt * step)
            if found is not None:
                return [found]
        return []

    return run


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of each stage (default: %(default)s)")
    parser.add_argument(
        "--each", type=int, default=5, help="other faults of each kind, per stage (default: %(default)s)"
    )
    parser.add_argument(
        "--scenarios", type=int, default=1000, help="to which preprocess gets one more (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all moments, places and bits (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="trials at the same time (default: %(default)s)")
    parser.add_argument("--report", type=Path, default=REPORT, help="the file to write (default: docs/reliability.md)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
