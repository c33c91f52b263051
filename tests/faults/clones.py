"""Real repositories with real DVC: killed `dvc repro`, and what must hold of cache, lock and outs afterwards."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from tests.faults.lab import Lab, Trial, difference, draws, failure, leftovers
from tests.faults.workspace import OTHER, SMALL, STAGES, Ended, Running, Workspace, outs_of
from tests.processes import python_path
from tools.smoke import copy_project

CACHE: Final = Path(".dvc/cache/files/md5")
DVC_SECONDS: Final = 2.5
"""What DVC takes beside the stage, about."""
KILLS: Final = ("dvc and its stage", "dvc alone", "the stage under dvc")


def new_clone(root: Path, changes: dict[str, Any]) -> Workspace:
    """A repository with one commit: the project as it stands, with some params changed."""
    root.mkdir(parents=True)
    copy_project(root)
    workspace = Workspace(root)
    workspace.set(changes)
    commit(workspace, "The pipeline")
    return workspace


def commit(workspace: Workspace, message: str) -> None:
    """Commit everything that Git does not ignore."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", message]):
        git(workspace, *command)


def git(workspace: Workspace, *arguments: str) -> None:
    """Run Git in a clone; it has to succeed."""
    subprocess.run(["git", *arguments], cwd=workspace.root, env=environment(workspace), check=True)


def environment(workspace: Workspace) -> dict[str, str]:
    """As the workspace's, but with the code of the clone."""
    return workspace.environment(GIT_CONFIG_GLOBAL=os.devnull, PYTHONPATH=python_path())


def start_dvc(workspace: Workspace, *arguments: str) -> Running:
    """Start DVC in a clone."""
    return workspace.start(sys.executable, "-m", "dvc", *arguments, environment=environment(workspace))


def dvc(workspace: Workspace, *arguments: str) -> Ended:
    """Run DVC in a clone to its end."""
    return start_dvc(workspace, *arguments).end()


def must(ended: Ended) -> Ended:
    """A command of the harness itself, which has to succeed."""
    if ended.status:
        raise RuntimeError(f"fails without any fault: {ended.errors}")
    return ended


def copied(source: Workspace, root: Path) -> Workspace:
    """A copy, in which links into the cache are links into its own cache."""
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", source.root, root], check=True)
    return Workspace(root)


def before_each_stage(folder: Path) -> dict[str, Workspace]:
    """For each stage, a clone with old results of the whole pipeline, new params, and new results before that stage."""
    first = new_clone(folder / "clone-old", {**SMALL, **OTHER})
    must(dvc(first, "repro"))
    commit(first, "Old results")
    first.set(SMALL)
    commit(first, "New params")
    found = {STAGES[0]: first}
    for previous, stage in pairwise(STAGES):
        found[stage] = copied(found[previous], folder / f"clone-{stage}")
        must(dvc(found[stage], "repro", previous))
    return found


def damaged_cache(workspace: Workspace) -> str | None:
    """A file in DVC's cache that does not hold what its name promises."""
    for path in sorted((workspace.root / CACHE).glob("??/*")):
        name = (path.parent.name + path.name).removesuffix(".dir")
        if len(name) == 32 and hashlib.md5(path.read_bytes()).hexdigest() != name:
            return f"{path.relative_to(workspace.root)} in the cache is damaged"
    return None


def missing_from_cache(workspace: Workspace, lock: dict[str, Any], stages: tuple[str, ...]) -> str | None:
    """An out of a lock file that could not be had back."""
    for path, out in _cached_outs(lock, stages):
        if not (workspace.root / CACHE / out["md5"][:2] / out["md5"][2:]).is_file():
            return f"{path} is gone from the cache"
    return None


def _cached_outs(lock: dict[str, Any], stages: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for stage in stages:
        for out in lock["stages"][stage]["outs"]:
            if out["path"].split("/")[0] in ("data", "models") or "." not in out["path"]:
                yield out["path"], out


@dataclass(frozen=True)
class DvcKill:
    """Which process of a `dvc repro` gets SIGKILL, and when."""

    what: str
    after_s: float


def kill_repro(lab: Lab, template: Workspace, stage: str, seed: int, number: int) -> Trial | None:
    """Kill a `dvc repro` of one stage; None when it was over before."""
    random = draws(seed, "dvc", stage, number)
    kill = DvcKill(KILLS[number % len(KILLS)], float(random.uniform(0.3, 1.0)) * (lab.seconds[stage] + DVC_SECONDS))
    workspace = copied(template, lab.folder / "trials" / f"dvc-{stage}-{number}")
    lock = yaml.safe_load((workspace.root / "dvc.lock").read_text())
    running = start_dvc(workspace, "repro", stage)
    try:
        running.process.wait(kill.after_s)
        return None
    except subprocess.TimeoutExpired:
        _kill(running, kill.what)
    name = f"SIGKILL of {kill.what}"
    if kill.what != "dvc alone":
        ended = running.end()
        left = running.left_alone()
        unclear = f"{len(left)} processes outlived it" if left else None
        unclear = unclear or (f"traceback: {ended.errors[-300:]}" if "Traceback" in ended.errors else None)
    else:
        unclear = _after_the_orphan(workspace, running, stage)
    lost = damaged_cache(workspace) or missing_from_cache(workspace, lock, STAGES)
    wrong = wrong_after_repro(lab, workspace, stage)
    if wrong and kill.what != "the stage under dvc":
        # DVC writes dvc.lock in place, and reads no half of it: docs/dvc.md says what to do then.
        git(workspace, "checkout", "-q", "--", "dvc.lock")
        wrong = wrong_after_repro(lab, workspace, stage)
        name = "SIGKILL of dvc while it writes dvc.lock, restored from Git"
    shutil.rmtree(workspace.root)
    return Trial(name, stage, lost, wrong, unclear)


def wrong_after_repro(lab: Lab, workspace: Workspace, stage: str) -> str | None:
    """Run `dvc repro` of a stage undisturbed: what is wrong with its outs, the cache or DVC's view of it."""
    ended = dvc(workspace, "repro", stage)
    wrong = failure(ended) or difference(lab.new_contents, workspace, outs_of(stage)) or leftovers(workspace)
    status = dvc(workspace, "status", stage)
    if "up to date" not in status.output:
        wrong = wrong or f"stale after dvc repro: {status.output.strip()}"
    return wrong or damaged_cache(workspace)


def _kill(running: Running, what: str) -> None:
    family = running.family()
    if what == "the stage under dvc":
        for pid in family or [running.process.pid]:
            _kill_one(pid)
        return
    running.process.kill()
    if what == "dvc and its stage":
        for pid in family:
            _kill_one(pid)


def _kill_one(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _after_the_orphan(workspace: Workspace, running: Running, stage: str) -> str | None:
    """DVC is dead and its stage goes on: a `dvc repro` meanwhile may be refused, in a clear way, and harm nothing."""
    running.process.wait()
    ended = dvc(workspace, "repro", stage)
    running.left_alone()
    for stream in (running.process.stdout, running.process.stderr):
        if stream is not None:
            stream.close()
    return f"a run beside the orphan: {ended.errors[-300:]}" if "Traceback" in ended.errors else None
