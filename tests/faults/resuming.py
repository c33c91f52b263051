"""How long a killed training takes to be where it was, whether it ends in the same bytes, and what checkpoints cost."""

import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.faults.lab import Lab, must_succeed
from tests.faults.workspace import TIMEOUT_S, Running, Workspace, outs_of
from tools.smoke import ROOT

EPOCHS: Final = 40
KILLED_AT: Final = 0.7
CHECKPOINT_SECONDS: Final = 3
HISTORY: Final = Path("plots/training.csv")
LOG: Final = Path("logs/train.log")


@dataclass(frozen=True)
class Resumed:
    """Seconds of a training in one go, of one up to its kill after `epochs_before` epochs, and of the run after it,
    which began from a checkpoint in epoch `epoch_noted` and was ahead of the killed one after `ahead_s`.

    `cost`: what the checkpoints of the training in one go took, in its own words.
    """

    undisturbed_s: float
    killed_s: float
    ahead_s: float
    next_s: float
    epochs: int
    epochs_before: int
    epoch_noted: int
    every_s: float
    cost: str
    identical: bool


def resume_training(lab: Lab) -> Resumed:
    """Train in one go, then again with SIGKILL after KILLED_AT of the epochs, and let the next run end it.

    The model is of the default size, and so are its checkpoints.
    """
    model = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["model"]
    changes: dict[str, Any] = {f"model.{name}": value for name, value in model.items()}
    changes |= {"train.epochs": EPOCHS, "execution.checkpoint_seconds": CHECKPOINT_SECONDS}
    whole = lab.workspace("training-whole", "train")
    whole.set(changes)
    undisturbed = must_succeed("train", whole.stage("train"))
    parts = lab.workspace("training-parts", "train")
    parts.set(changes)
    (parts.root / HISTORY).unlink()
    running = parts.start_stage("train")
    _wait_for_epochs(parts, running, int(KILLED_AT * EPOCHS))
    running.process.send_signal(signal.SIGKILL)
    killed = running.end()
    epochs_before = _epochs(parts)
    (parts.root / HISTORY).unlink()
    running = parts.start_stage("train")
    _wait_for_epochs(parts, running, epochs_before + 1)
    ahead_s = time.monotonic() - running.start
    after = must_succeed("train", running.end())
    noted = re.search(r"going on after step \d+ of epoch (\d+)", after.output)
    outs = outs_of("train")
    resumed = Resumed(
        undisturbed_s=undisturbed.seconds,
        killed_s=killed.seconds,
        ahead_s=ahead_s,
        next_s=after.seconds,
        epochs=EPOCHS,
        epochs_before=epochs_before,
        epoch_noted=int(noted[1]) if noted else 0,
        every_s=CHECKPOINT_SECONDS,
        cost=_cost(whole),
        identical=whole.contents(outs) == parts.contents(outs),
    )
    for workspace in (whole, parts):
        shutil.rmtree(workspace.root)
    return resumed


def _cost(workspace: Workspace) -> str:
    [sentence] = re.findall(r"\d+ checkpoints? of .*", (workspace.root / LOG).read_text(encoding="utf-8"))
    return str(sentence)


def _wait_for_epochs(workspace: Workspace, running: Running, epochs: int) -> None:
    limit = time.monotonic() + TIMEOUT_S
    while _epochs(workspace) < epochs and running.process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)


def _epochs(workspace: Workspace) -> int:
    path = workspace.root / HISTORY
    return max(0, len(path.read_text().splitlines()) - 1) if path.is_file() else 0
