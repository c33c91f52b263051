"""Worker processes that die, and two runs in one workspace."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

from tests.faults.clones import DVC_SECONDS, copied, damaged_cache, start_dvc, wrong_after_repro
from tests.faults.lab import Lab, Trial, draws, leftovers
from tests.faults.workspace import OTHER, SMALL, Running, Workspace

WITH_WORKERS: Final = ("simulate", "preprocess")


def worker_killed(lab: Lab, stage: str, seed: int, number: int) -> Trial | None:
    """SIGKILL for a random one of a stage's worker processes; None when none was found alive."""
    random = draws(seed, "worker", stage, number)
    workspace = lab.workspace(f"worker-{stage}-{number}", stage)
    workspace.set({"execution.workers": 2})
    running = workspace.start_stage(stage)
    workers = _wait_for_workers(running)
    time.sleep(float(random.uniform(0.0, lab.seconds[stage])))
    workers = [pid for pid in workers if pid in running.family()]
    if workers:
        os.kill(workers[int(random.integers(len(workers)))], signal.SIGKILL)
    ended = running.end()
    left = running.left_alone()
    if ended.status == 0:
        return None
    unclear = ended.unclear() or (f"{len(left)} processes outlived it" if left else None)
    lost = lab.lost(workspace, stage)
    trial = Trial("worker process killed", stage, lost, lab.wrong_after(workspace, stage), unclear)
    shutil.rmtree(workspace.root)
    return trial


def _wait_for_workers(running: Running) -> list[int]:
    while running.process.poll() is None:
        found = [pid for pid in running.family() if b"spawn_main" in _command(pid)]
        if found:
            return found
        time.sleep(0.02)
    return []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def two_stages(lab: Lab, stage: str, seed: int, number: int) -> Trial:
    """The same stage twice at once (`simulate` with other params): what is left is one's result or the other's, and
    whoever is refused hears why.
    """
    random = draws(seed, "two", stage, number)
    workspace = lab.workspace(f"two-{stage}-{number}", stage)
    if stage == "simulate":
        workspace.set(OTHER)
    first = workspace.start_stage(stage)
    time.sleep(float(random.uniform(0.0, lab.seconds[stage])))
    workspace.set(SMALL)
    second = workspace.start_stage(stage)
    ends = [first.end(), second.end()]
    lost = lab.lost(workspace, stage) or (None if any(e.status == 0 for e in ends) else "both runs failed")
    unclear = next((e.unclear() for e in ends if e.status), None)
    wrong = leftovers(workspace) or lab.wrong_after(workspace, stage)
    shutil.rmtree(workspace.root)
    return Trial("two runs of a stage at once", stage, lost, wrong, unclear)


def two_repros(lab: Lab, template: Workspace, stage: str, seed: int, number: int) -> Trial:
    """`dvc repro` twice at once in one workspace."""
    random = draws(seed, "two dvc", stage, number)
    workspace = copied(template, lab.folder / "trials" / f"two-dvc-{stage}-{number}")
    first = start_dvc(workspace, "repro", stage)
    time.sleep(float(random.uniform(0.0, lab.seconds[stage] + DVC_SECONDS)))
    ends = [start_dvc(workspace, "repro", stage).end(), first.end()]
    traceback = next((e.errors[-300:] for e in ends if "Traceback" in e.errors), None)
    lost = damaged_cache(workspace) or (None if any(e.status == 0 for e in ends) else "both runs failed")
    wrong = wrong_after_repro(lab, workspace, stage)
    shutil.rmtree(workspace.root)
    return Trial("two `dvc repro` at once", stage, lost, wrong, traceback and f"traceback: {traceback}")
