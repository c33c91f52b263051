"""docs/reliability.md: what was injected, and what came of it."""

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.faults.incremental import Rebuilt
from tests.faults.lab import Trial
from tests.faults.resuming import Resumed

INTRODUCTION = """# Reliability

`make faults` writes this page; do not edit it. It injects faults while real stages and real `dvc repro` run in
temporary workspaces and clones, on a sample of twelve frames. Trainings write a checkpoint after each step. A killed
training resumes, `preprocess` and `predict` continue with the next shard, the other stages start anew. A longer
training measures the time to resume. Every moment, place and bit follows from a seed
(`python -m tests.faults --help`).

A fault counts only if the stage meets it: not if the stage has ended, or does not read the damaged file. After each
fault, three things are checked:

| column | meaning |
|---|---|
| lost | an out is neither the old nor the new one, byte for byte, or a file in DVC's cache does not match its name |
| wrong | the next run fails, incomplete files remain, or its outs differ from those of an undisturbed run |
| unclear | not exactly one line `error: ...`, a traceback, a surviving process, or still running 10 s after SIGTERM |

DVC does not write `dvc.lock` and `.dvc/tmp/rwlock` atomically. If it is killed while it writes one of them, it stops
until you act ([what to do](dvc.md#killed-runs-two-runs)). Kills during `dvc.lock` have a row of their own and count as
survived if `git checkout dvc.lock` is enough. Kills during `.dvc/tmp/rwlock` count as not survived.
"""


def report(
    trials: Sequence[Trial], resumed: Resumed | None, rebuilt: Sequence[Rebuilt], seed: int, minutes: float
) -> str:
    """Tables of all trials, and a list of those that went wrong."""
    lines = [
        INTRODUCTION,
        f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}, Python {platform.python_version()}, DVC {version('dvc')}, "
        f"torch {version('torch')}, h5py {version('h5py')}; seed {seed}, {minutes:.0f} minutes.",
        "",
        *_table("fault", {name: [t for t in trials if t.fault == name] for name in _names(t.fault for t in trials)}),
        "",
    ]
    kills = [t for t in trials if t.fault.startswith("SIG")]
    if kills:
        by_stage = {name: [t for t in kills if t.where == name] for name in _names(t.where for t in kills)}
        lines += ["## Kills by stage", "", *_table("stage", by_stage), ""]
    if resumed is not None:
        lines += _resumed(resumed)
    if rebuilt:
        lines += _incremental(rebuilt)
    bad = [trial for trial in trials if not trial.survived()]
    if bad:
        lines += ["## Not survived", "", *map(_sentence, bad)]
    return "\n".join(lines).rstrip() + "\n"


def _names(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _table(what: str, groups: dict[str, list[Trial]]) -> Iterator[str]:
    yield f"| {what} | injected | survived | lost | wrong | unclear |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, trials in groups.items():
        yield _row(name, trials)
    yield _row("all", [trial for trials in groups.values() for trial in trials])


def _row(name: str, trials: Sequence[Trial]) -> str:
    counts = (
        len(trials),
        sum(trial.survived() for trial in trials),
        sum(trial.lost is not None for trial in trials),
        sum(trial.wrong is not None for trial in trials),
        sum(trial.unclear is not None for trial in trials),
    )
    return f"| {name} | {' | '.join(map(str, counts))} |"


def _resumed(resumed: Resumed) -> list[str]:
    same = "byte-identical to" if resumed.identical else "**different from**"
    begun = f"in epoch {resumed.epoch_noted}" if resumed.epoch_noted else "**at the beginning**"
    return [
        "## Time to resume, cost of checkpoints",
        "",
        f"An uninterrupted training of {resumed.epochs} epochs takes {resumed.undisturbed_s:.1f} s. Another one was "
        f"killed (SIGKILL) after {resumed.epochs_before} epochs and {resumed.killed_s:.1f} s. The next run resumed "
        f"{begun}. It passed the point of the kill after {resumed.ahead_s:.1f} s and ended after {resumed.next_s:.1f} "
        f"s. Model, curves and metrics are {same} those of the uninterrupted training.",
        "",
        f"In the uninterrupted training, {resumed.cost}. The model has the default size. A checkpoint was written "
        f"every {resumed.every_s:g} s (default: every 30 s).",
        "",
    ]


def _incremental(rebuilt: Sequence[Rebuilt]) -> list[str]:
    rows = [
        f"| {run.what} | {run.shards} | {run.anew} | {run.seconds:.1f} | {run.full_s:.1f} | "
        f"{'yes' if run.identical else '**no**'} |"
        for run in rebuilt
    ]
    return [
        "## Incremental preprocessing",
        "",
        "Each scenario has one small frame, so most of the time goes into listing files, linking shards and proof",
        "sheets. `preprocess.max_points` is set. If it is null, a new largest cloud changes the padding of all shards.",
        "",
        "| change | shards | converted | seconds | full rebuild, seconds | same bytes |",
        "|---|--:|--:|--:|--:|---|",
        *rows,
        "",
    ]


def _sentence(trial: Trial) -> str:
    parts = (("lost", trial.lost), ("wrong", trial.wrong), ("unclear", trial.unclear))
    return f"- {trial.fault}, {trial.where}: " + "; ".join(f"{name}: {text}" for name, text in parts if text)


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"
