"""A small workspace to do harm to: its stages really run, and what they leave is compared byte by byte."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.processes import python_path
from tools.smoke import ROOT, TINY, set_params, stage_environment

PIPELINE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES: Final = tuple(PIPELINE)
SMALL: Final[dict[str, Any]] = {
    **TINY,
    "simulate.frames_per_scenario": 1,
    "simulate.image_height": 32,
    "simulate.image_width": 48,
    "simulate.lidar_channels": 8,
    "simulate.lidar_rays_per_channel": 64,
    "simulate.seed": 1,
    "split.validation_fraction": 0.25,  # what is pasted into so coarse frames is easily missed
    "train.seed": 1,
    "train.epochs": 4,
    "train.micro_batch": 2,
    "train.clean_fraction": 0.0,
    "train.pseudo_anomalies_per_frame": 8,
    "execution.processes": 2,
    "evaluate.seed": 1,
    "plot.dpi": 110,
    "execution.device": "cpu",
    "execution.checkpoint_seconds": 0,
}
"""The sample of every trial: twelve frames; two processes train, with a checkpoint after each step; notes after each
shard.
"""
OTHER: Final = {"simulate.seed": 2, "train.seed": 2, "evaluate.seed": 2, "plot.dpi": 60}
"""What was different in the run before, whose results lie in the outs."""
HOOK: Final = Path(__file__).parent / "hook"
SECONDS_TO_END: Final = 10.0
TIMEOUT_S: Final = 300.0


def _paths(entries: Iterable[str | dict[str, Any]]) -> tuple[str, ...]:
    return tuple(entry if isinstance(entry, str) else next(iter(entry)) for entry in entries)


def outs_of(stage: str) -> tuple[str, ...]:
    """Paths of a stage's outs, metrics and plots, relative to the workspace."""
    return tuple(path for kind in ("outs", "metrics", "plots") for path in _paths(PIPELINE[stage].get(kind, [])))


def inputs_of(stage: str) -> tuple[str, ...]:
    """Paths of the data that a stage reads, relative to the workspace."""
    deps = ("data/sample" if dep == "${data.root}" else dep for dep in PIPELINE[stage]["deps"])
    return tuple(dep for dep in deps if not dep.startswith(("lib/", "stages/")))


ALL_OUTS: Final = tuple(out for stage in STAGES for out in outs_of(stage))


def content(path: Path) -> str | None:
    """A hash of a file's or folder's names and bytes, None where there is nothing."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        return None
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(repr([(str(f.relative_to(path)), content(f)) for f in files]).encode()).hexdigest()


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status (negative: the signal), what it said, and how long it took."""

    status: int
    output: str
    errors: str
    seconds: float

    def unclear(self) -> str | None:
        """Why a failure is not clear to its user; None for one sentence, status 1 and no traceback."""
        sentences = [line for line in self.errors.splitlines() if line.startswith("error: ")]
        if "Traceback" in self.errors or "Traceback" in self.output:
            return f"traceback: {self.errors.strip().splitlines()[-1]}"
        if self.status != 1 or len(sentences) != 1:
            return f"status {self.status}, {len(sentences)} sentences: {self.errors.strip()[-300:]!r}"
        return None


@dataclass(frozen=True)
class Running:
    """A command under way, in a session of its own."""

    process: subprocess.Popen[str]
    start: float

    def end(self) -> Ended:
        """Wait until it is over."""
        output, errors = self.process.communicate(timeout=TIMEOUT_S)
        return Ended(self.process.returncode, output, errors, time.monotonic() - self.start)

    def family(self) -> list[int]:
        """Processes of its session that still run, itself left out."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z" and stat.parent.name != str(self.process.pid):
                found.append(int(stat.parent.name))
        return found

    def left_alone(self) -> list[int]:
        """Processes that outlive it by more than SECONDS_TO_END; they are ended."""
        limit = time.monotonic() + SECONDS_TO_END
        while (left := self.family()) and time.monotonic() < limit:
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left


@dataclass(frozen=True)
class Workspace:
    """A folder with params.yaml and results; the stages' code is the project's own."""

    root: Path

    def environment(self, **extra: str) -> dict[str, str]:
        """Everything that a stage or DVC meets; nothing of it is seen outside the folder."""
        inherited = {key: value for key, value in stage_environment().items() if not key.startswith(("GIT_", "DVC_"))}
        return {
            **inherited,
            "PYTHONPATH": python_path(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root / ".dvc" / "site"),
            **extra,
        }

    def hooked(self, **orders: str) -> dict[str, str]:
        """Environment variables with which a stage obeys `hook/sitecustomize.py`."""
        return {"PYTHONPATH": os.pathsep.join([str(HOOK), python_path(ROOT)]), **orders}

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> Running:
        """Start a command in a session of its own."""
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=environment or self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Running(process, time.monotonic())

    def start_stage(self, stage: str, **extra: str) -> Running:
        """Start a stage as DVC does."""
        command = (sys.executable, "-m", f"stages.{stage}")
        return self.start(*command, environment=self.environment(**extra))

    def stage(self, stage: str, **extra: str) -> Ended:
        """Run a stage to its end."""
        return self.start_stage(stage, **extra).end()

    def dvc(self, *arguments: str) -> Ended:
        """Run DVC to its end."""
        return self.start(sys.executable, "-m", "dvc", *arguments).end()

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml; keys as in `dvc exp run -S`."""
        set_params(self.root / "params.yaml", dict(changes))

    def contents(self, paths: Iterable[str]) -> dict[str, str | None]:
        """`content` of each of some paths."""
        return {path: content(self.root / path) for path in paths}

    def leftovers(self) -> list[str]:
        """Half-written files that nobody removed."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob(".*.partial"))


def take(paths: Iterable[str], source: Workspace, target: Workspace) -> None:
    """Copy files and folders from one workspace to another, in place of what is there."""
    for path in paths:
        remove(target.root / path)
        (target.root / path).parent.mkdir(parents=True, exist_ok=True)
        if (source.root / path).is_dir():
            shutil.copytree(source.root / path, target.root / path)
        elif (source.root / path).is_file():
            shutil.copy(source.root / path, target.root / path)


def remove(path: Path) -> None:
    """Remove a file, link or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def new_workspace(root: Path, changes: Mapping[str, Any]) -> Workspace:
    """A folder with the project's params, changed, and nothing else."""
    root.mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    workspace = Workspace(root)
    workspace.set(changes)
    return workspace
