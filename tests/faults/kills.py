"""Kills at random moments: by the clock and before the Nth change of a file, of a stage alone and of a `dvc repro`."""

import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tests.faults.lab import Lab, Trial, draws
from tests.faults.workspace import Workspace

TRIES: Final = 20
EARLIEST: Final = 0.3
"""Kills by the clock come after this share of the stage's time: before it, Python is loading libraries."""


@dataclass(frozen=True)
class Kill:
    """A signal `after_s` seconds, or SIGKILL before the `operation`-th change of a file."""

    name: str
    signal: signal.Signals
    after_s: float = 0.0
    operation: int = 0


def draw_kill(lab: Lab, stage: str, random: np.random.Generator) -> Kill:
    """Any of the three, at a moment within the stage's usual time."""
    after_s = float(random.uniform(EARLIEST, 1.0)) * lab.seconds[stage]
    kinds = (
        Kill("SIGKILL at a random time", signal.SIGKILL, after_s),
        Kill("SIGTERM at a random time", signal.SIGTERM, after_s),
        Kill("SIGKILL before a random change of a file", signal.SIGKILL, 0.0, _operation(lab, stage, random)),
    )
    return kinds[int(random.integers(len(kinds)))]


def _operation(lab: Lab, stage: str, random: np.random.Generator) -> int:
    return int(random.integers(1, lab.operations[stage] + 1))


def kill_chain(lab: Lab, stage: str, kills: int, seed: int, number: int) -> list[Trial]:
    """Kill a stage so often, one run after another, then let it run: nothing may be lost, and the result be right."""
    random = draws(seed, stage, number)
    workspace = lab.workspace(f"kill-{stage}-{number}", stage)
    trials: list[Trial] = []
    for _ in range(kills * TRIES):
        trial = _killed(lab, workspace, stage, draw_kill(lab, stage, random))
        if trial is not None:
            trials.append(trial)
        if len(trials) == kills:
            break
    trials[-1] = replace(trials[-1], wrong=lab.wrong_after(workspace, stage))
    shutil.rmtree(workspace.root)
    return trials


def _killed(lab: Lab, workspace: Workspace, stage: str, kill: Kill) -> Trial | None:
    """One killed run; None when it was over before."""
    extra = workspace.hooked(KILL_AT_OPERATION=str(kill.operation)) if kill.operation else {}
    running = workspace.start_stage(stage, **extra)
    if not kill.operation:
        try:
            running.process.wait(kill.after_s)
        except subprocess.TimeoutExpired:
            running.process.send_signal(kill.signal)
    sent = time.monotonic()
    ended = running.end()
    if ended.status == 0:
        return None
    lost = lab.lost(workspace, stage)
    left = running.left_alone()
    unclear = f"{len(left)} processes outlived it" if left else None
    if kill.signal is signal.SIGTERM:
        unclear = unclear or _unclear_end(ended.errors, time.monotonic() - sent)
    return Trial(kill.name, stage, lost=lost, unclear=unclear)


def _unclear_end(errors: str, seconds: float) -> str | None:
    if "Traceback" in errors:
        return f"traceback after SIGTERM: {errors.strip().splitlines()[-1]}"
    return f"SIGTERM took {seconds:.0f} s" if seconds > 10.0 else None
