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

Made by `make faults`, which does harm to small workspaces and clones in a temporary folder: real stages and real
`dvc repro` of a sample of twelve frames, in which trainings note their state after each step; and, for the time to
resume, a longer training. A killed training resumes, `preprocess` and `predict` go on with the next shard, the other
stages start anew. Every moment, place and bit is drawn from a seed (`python -m tests.faults --help`). After each fault:

- **lost**: an out is neither the old nor the new one, byte for byte, or a file in DVC's cache does not hold what its
  name promises
- **wrong**: the next run fails, something half-written stays behind, or outs differ in one byte from those of an
  undisturbed run
- **unclear**: a failure without exactly one sentence `error: ...`, or with a traceback, a process that outlives its
  stage, or a stage that goes on ten seconds after SIGTERM

A fault counts when the stage has met it: kills after its end and damage in files that it does not read do not.

DVC writes `dvc.lock` in place. Killed within that, it cannot go on until `git checkout dvc.lock`
([what to do](dvc.md#killed-runs-two-runs)): such kills have a row of their own, survived where that mends all. The same
holds for `.dvc/tmp/rwlock`, which is to be deleted then: such kills count as not survived.
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
        f"A training of {resumed.epochs} epochs takes {resumed.undisturbed_s:.1f} s in one go. Killed (SIGKILL) after "
        f"{resumed.epochs_before} epochs and {resumed.killed_s:.1f} s, it went on {begun}: the next run was ahead of "
        f"the killed one {resumed.ahead_s:.1f} s after its start, and at the end after {resumed.next_s:.1f} s. Model, "
        f"curves and metrics are {same} those of the training in one go.",
        "",
        f"In the training in one go, {resumed.cost}: a model of the default size, a checkpoint every "
        f"{resumed.every_s:g} s (by default every 30 s).",
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
        "Scenarios of one small frame each, so that what is not conversion weighs most: listing, links, proof sheets.",
        "`preprocess.max_points` is set: where it is null, a cloud larger than all before makes every shard anew.",
        "",
        "| change | shards | made anew | seconds | full rebuild, seconds | the same bytes |",
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
