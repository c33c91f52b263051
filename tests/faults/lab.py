"""What every trial is measured against: two undisturbed runs of the pipeline, and the judgement of a disturbed one."""

import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.faults.workspace import (
    ALL_OUTS,
    OTHER,
    SMALL,
    STAGES,
    Ended,
    Workspace,
    content,
    inputs_of,
    new_workspace,
    outs_of,
    take,
)

WRITTEN_EACH_EPOCH: Final = "plots/training.csv"
"""Written whole after each epoch, so that a run can be watched."""


@dataclass(frozen=True)
class Trial:
    """One injected fault and what came of it; None where all is well."""

    fault: str
    where: str
    lost: str | None = None
    wrong: str | None = None
    unclear: str | None = None

    def survived(self) -> bool:
        """Nothing lost, nothing wrong, nothing unclear."""
        return self.lost is None and self.wrong is None and self.unclear is None


@dataclass(frozen=True)
class Lab:
    """Results of two undisturbed runs: `old` with other params, `new` with those of every trial.

    `seconds` and `operations` are how long each stage takes and how often it changes a file.
    """

    folder: Path
    old: Workspace
    new: Workspace
    old_contents: Mapping[str, str | None]
    new_contents: Mapping[str, str | None]
    seconds: Mapping[str, float]
    operations: Mapping[str, int]

    def workspace(self, name: str, stage: str) -> Workspace:
        """A fresh workspace before a stage: its inputs are new, its outs those of the old run."""
        root = self.folder / "trials" / name
        shutil.rmtree(root, ignore_errors=True)
        workspace = new_workspace(root, SMALL)
        take(inputs_of(stage), self.new, workspace)
        take(outs_of(stage), self.old, workspace)
        return workspace

    def lost(self, workspace: Workspace, stage: str) -> str | None:
        """Which outs of a disturbed stage are neither old nor new, nor as they were."""
        for path, found in workspace.contents(outs_of(stage)).items():
            if found not in (self.old_contents[path], self.new_contents[path]) and not self._first_epochs(
                workspace, path
            ):
                return f"{path} is {'gone' if found is None else 'half-written'}"
        return None

    def _first_epochs(self, workspace: Workspace, path: str) -> bool:
        if path != WRITTEN_EACH_EPOCH:
            return False
        text = (workspace.root / path).read_text() if (workspace.root / path).is_file() else ""
        return text.endswith("\n") and (self.new.root / path).read_text().startswith(text)

    def wrong(self, workspace: Workspace, stage: str) -> str | None:
        """How a stage's outs differ from those of the undisturbed run, or what it left beside them."""
        return difference(self.new_contents, workspace, outs_of(stage)) or leftovers(workspace)

    def wrong_after(self, workspace: Workspace, stage: str) -> str | None:
        """Run a stage undisturbed: what is wrong with it or with its outs."""
        return failure(workspace.stage(stage)) or self.wrong(workspace, stage)


def difference(expected: Mapping[str, str | None], workspace: Workspace, paths: Iterable[str]) -> str | None:
    """The first of some paths whose content is not the expected one."""
    for path in paths:
        if content(workspace.root / path) != expected[path]:
            return f"{path} differs from an undisturbed run"
    return None


def leftovers(workspace: Workspace) -> str | None:
    """What a run left half-written."""
    left = workspace.leftovers()
    return f"left behind: {', '.join(left)}" if left else None


def failure(ended: Ended) -> str | None:
    """What a run that had to succeed said instead."""
    return f"the next run failed: {ended.errors.strip()[-500:]!r}" if ended.status else None


def draws(seed: int, *names: str | int) -> np.random.Generator:
    """Random numbers of one trial, whatever runs beside it."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def build_lab(folder: Path, stages: Sequence[str] = STAGES) -> Lab:
    """Run the pipeline (its first stages) twice, undisturbed, and time it."""
    old, new = new_workspace(folder / "old", {**SMALL, **OTHER}), new_workspace(folder / "new", SMALL)
    seconds, operations = {}, {}
    for stage in stages:
        report = folder / f"{stage}.operations"
        first = must_succeed(stage, old.stage(stage))
        second = must_succeed(stage, new.stage(stage, **new.hooked(COUNT_OPERATIONS=str(report))))
        seconds[stage], operations[stage] = min(first.seconds, second.seconds), int(report.read_text())
    return Lab(folder, old, new, old.contents(ALL_OUTS), new.contents(ALL_OUTS), seconds, operations)


def must_succeed(stage: str, ended: Ended) -> Ended:
    if ended.status:
        raise RuntimeError(f"{stage} fails without any fault: {ended.errors}")
    return ended
