"""How long a killed training takes to be where it was, and whether it ends in the same bytes."""

import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.lab import Lab, must_succeed
from tests.faults.workspace import TIMEOUT_S, Workspace, outs_of

EPOCHS: Final = 40
KILLED_AT: Final = 0.7
HISTORY: Final = Path("plots/training.csv")


@dataclass(frozen=True)
class Resumed:
    """Seconds of a training in one go, of one up to its kill after `epochs_before` epochs, and of the run after it."""

    undisturbed_s: float
    killed_s: float
    next_s: float
    epochs: int
    epochs_before: int
    identical: bool


def resume_training(lab: Lab) -> Resumed:
    """Train in one go, then again with SIGKILL after KILLED_AT of the epochs, and let the next run end it."""
    whole = lab.workspace("training-whole", "train")
    whole.set({"train.epochs": EPOCHS})
    undisturbed = must_succeed("train", whole.stage("train"))
    parts = lab.workspace("training-parts", "train")
    parts.set({"train.epochs": EPOCHS})
    (parts.root / HISTORY).unlink()
    running = parts.start_stage("train")
    limit = time.monotonic() + TIMEOUT_S
    while _epochs(parts) < KILLED_AT * EPOCHS and time.monotonic() < limit:
        time.sleep(0.01)
    running.process.send_signal(signal.SIGKILL)
    killed = running.end()
    epochs_before = _epochs(parts)
    after = must_succeed("train", parts.stage("train"))
    outs = outs_of("train")
    resumed = Resumed(
        undisturbed_s=undisturbed.seconds,
        killed_s=killed.seconds,
        next_s=after.seconds,
        epochs=EPOCHS,
        epochs_before=epochs_before,
        identical=whole.contents(outs) == parts.contents(outs),
    )
    for workspace in (whole, parts):
        shutil.rmtree(workspace.root)
    return resumed


def _epochs(workspace: Workspace) -> int:
    path = workspace.root / HISTORY
    return max(0, len(path.read_text().splitlines()) - 1) if path.is_file() else 0
