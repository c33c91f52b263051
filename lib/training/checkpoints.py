"""The checkpoint from which an interrupted training goes on to the same end."""

import io
import logging
import os
import time
import zipfile
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

import torch

from lib.common.errors import DataError, Stopped
from lib.common.outputs import atomic_file
from lib.common.reading import open_file
from lib.common.stopping import Asked
from lib.common.terminal import log
from lib.training.process_group import ProcessGroup
from lib.training.training_state import TrainingState

LARGEST_FRACTION: Final = 0.01
LOG = logging.getLogger("train")


class Checkpoints:
    """The checkpoint file of one training: a dictionary of tensors and numbers, written by the main process.

    Written every `every_s` seconds at the end of a step, less often where that would take more than 1 % of the time;
    0: after every step.
    """

    def __init__(self, path: Path | None, every_s: float, asked: Asked) -> None:
        """`path`: None in the processes that are not the main one. `asked`: which signal wants the training to end."""
        self._path, self._every_s, self._asked = path, every_s, asked
        self._start_s = time.monotonic()
        self._next_s = self._start_s + every_s
        self._written, self._spent_s, self._size_bytes = 0, 0.0, 0

    def cost(self) -> str:
        """Say what the checkpoints of this run have cost: time, its fraction of the run so far, and disk space."""
        fraction = self._spent_s / (time.monotonic() - self._start_s)
        written = f"{self._written} checkpoint{'s' * (self._written != 1)} of {self._size_bytes / 1e6:.1f} MB"
        return f"{written} took {self._spent_s:.3f} s, {100 * fraction:.2f} % of the training"

    def restore(self, state: TrainingState, group: ProcessGroup) -> None:
        """Go on where the checkpoint is; without one, or with a damaged one, the state stays at the beginning."""
        saved = group.from_main(self._load())
        if saved is None:
            return
        state.load_dict(saved)
        if group.is_main:
            _log(f"going on after {state}, from the checkpoint {self._path}")

    def poll(self, state: TrainingState, group: ProcessGroup) -> None:
        """Write a checkpoint when it is time; raise Stopped, after writing one, when any process is asked to end.

        All processes of the group call this together, between steps.
        """
        signal = self._asked()
        stop = group.any(signal is not None)
        if not stop and time.monotonic() < self._next_s:
            return
        saved = self._path is not None and self._save(self._path, state)
        if stop:
            number = signal or SIGTERM
            then = "run the same again to go on from there" if saved else "no checkpoint could be written"
            raise Stopped(number, f"by {number.name} after {state}; {then}")

    def _load(self) -> dict[str, Any] | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            with open_file(self._path) as stored:
                content = io.BytesIO(stored.read())
            with zipfile.ZipFile(content) as file:
                if file.testzip() is not None:  # torch.load checks no checksums
                    raise zipfile.BadZipFile("the content does not match its checksum")
            content.seek(0)
            saved: dict[str, Any] = torch.load(content, weights_only=True)
        except Exception as error:  # torch.load raises many kinds
            _log(f"{self._path}: damaged ({' '.join(str(error).split())[:300]}); the training starts anew")
            return None
        return saved

    def _save(self, path: Path, state: TrainingState) -> bool:
        start = time.monotonic()
        content = io.BytesIO()
        torch.save(state.to_dict(), content)
        try:
            with atomic_file(path) as partial, partial.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
        except (DataError, OSError) as error:
            _log(f"no checkpoint: {error}; the training goes on")
            return False
        finally:
            now = time.monotonic()
            self._spent_s += now - start
            self._next_s = now + (max(self._every_s, (now - start) / LARGEST_FRACTION) if self._every_s else 0.0)
        self._written, self._size_bytes = self._written + 1, content.getbuffer().nbytes
        return True


def _log(sentence: str) -> None:
    LOG.info("%s", sentence)
    log(sentence)
