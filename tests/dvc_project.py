"""Repositories of their own with the pipeline in them, for tests that call real DVC."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.smoke import TINY, copy_project, set_params, stage_environment

STAGES = ["check", "simulate", "preprocess", "track", "train", "predict", "evaluate", "export", "plot"]
SMALLEST = {
    **TINY,
    "simulate.image_height": 32,
    "simulate.image_width": 48,
    "simulate.lidar_channels": 8,
    "simulate.lidar_rays_per_channel": 64,
    "split.validation_fraction": 0.25,  # two scenarios: what is pasted into so coarse frames is easily missed
    "train.epochs": 1,
    "execution.device": "cpu",
}


@dataclass(frozen=True)
class Project:
    """A repository of its own with the pipeline in it; nothing it does is seen outside its folder."""

    root: Path

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in stage_environment().items() if not key.startswith(("GIT_", "DVC_"))}
        who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        site = self.root.parent / f"{self.root.name}-site"
        return {**inherited, **who, "GIT_CONFIG_GLOBAL": os.devnull, "DVC_SITE_CACHE_DIR": str(site)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False, timeout=600
        )

    def ok(self, *command: str) -> str:
        """Run a command that must succeed; its standard output."""
        result = self.run(*command)
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def dvc(self, *arguments: str) -> str:
        return self.ok(sys.executable, "-m", "dvc", *arguments)

    def start_queue(self) -> None:
        """Start a worker for what is queued. It keeps the command's output open, so that a pipe would end with it."""
        command = [sys.executable, "-m", "dvc", "queue", "start", "--jobs", "1"]
        subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=600,
        )

    def queue_status(self) -> str:
        """What `dvc queue status` prints; asked again where it meets a file that the queue's worker is writing."""
        for _ in range(5):
            done = self.run(sys.executable, "-m", "dvc", "queue", "status")
            if "Expecting value" not in done.stderr:
                break
        return done.stdout + done.stderr

    def processes(self, part_of_command: bytes = b"") -> list[int]:
        """What runs in its folder or below, workers of the queue and their experiments included."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                ours = (process / "cwd").resolve(strict=True).is_relative_to(self.root)
                if ours and part_of_command in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def end(self, how: signal.Signals) -> None:
        """Send a signal to all that runs in its folder, and wait for their end."""
        limit = time.monotonic() + 60
        while processes := self.processes():
            assert time.monotonic() < limit, processes
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, how)
            time.sleep(0.1)

    def commit(self, message: str) -> None:
        self.ok("git", "add", "-A")
        self.ok("git", "commit", "-q", "-m", message)

    def set(self, **changes: object) -> None:
        """Change params.yaml: train__epochs=2."""
        set_params(self.root / "params.yaml", {key.replace("__", "."): value for key, value in changes.items()})

    def digest(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file in some folders."""
        files = sorted(path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def create(root: Path) -> Project:
    """A repository with one commit: the pipeline as it stands in the working tree, with the smallest parameters."""
    root.mkdir()
    copy_project(root)
    set_params(root / "params.yaml", SMALLEST)
    project = Project(root)
    project.ok("git", "init", "-q", "-b", "main")
    project.commit("The pipeline")
    return project


def copied(source: Path, root: Path) -> Project:
    """A copy of a repository with all that it holds, its cache included."""
    shutil.copytree(source, root, symlinks=True)
    return Project(root)


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)
