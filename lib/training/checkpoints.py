"""Where a training is, noted now and then, to go on from there after a kill."""

import logging
import time
from pathlib import Path
from signal import Signals
from typing import Final

import torch

from lib.common.array_files import read_state, write_state
from lib.common.errors import DataError, Stopped
from lib.common.stopping import Asked
from lib.common.terminal import log
from lib.training.training_state import TrainingState

LARGEST_SHARE: Final = 0.01
LOG = logging.getLogger("train")


class Checkpoints:
    """The checkpoint of one training: a file of its own, which `key` says what it is of.

    Written every `every_s` seconds at the end of a step, less often where that would take more than 1 % of the time;
    0: after every step.
    """

    def __init__(self, path: Path, key: str, every_s: float, asked: Asked) -> None:
        """`asked` says whether a signal wants the training to end."""
        self._path, self._key, self._every_s, self._asked = path, key, every_s, asked
        self._start_s = time.monotonic()
        self._next_s = self._start_s + every_s
        self._written, self._spent_s, self._size_bytes = 0, 0.0, 0
        self._noted: str | None = None  # the place that another run would go on from

    def cost(self) -> str:
        """Say what the checkpoints of this run have taken: time, its share of the run so far, and room on the disk."""
        share = self._spent_s / (time.monotonic() - self._start_s)
        written = f"{self._written} checkpoint{'s' * (self._written != 1)} of {self._size_bytes / 1e6:.1f} MB"
        return f"{written} took {self._spent_s:.3f} s, {100 * share:.2f} % of the training"

    def restore(self, state: TrainingState) -> None:
        """Go on where the checkpoint is; without one, or with one that is damaged, the state stays at the beginning."""
        if self._path.exists():
            try:
                values, arrays = read_state(self._path, self._key, "training")
            except DataError as error:
                _say(f"{error}; the training starts anew")
            else:
                state.restore({name: torch.from_numpy(value) for name, value in arrays.items()}, values)
                _say(f"going on after {_place(state)}, noted in {self._path}")
        self._noted = _place(state)

    def after_step(self, state: TrainingState) -> None:
        """Note the state when it is time, or when the training is asked to end: then raises Stopped."""
        signal = self._asked()
        if signal is None and time.monotonic() < self._next_s:
            return
        start = time.monotonic()
        saved = self._save(state)
        now = time.monotonic()
        self._spent_s += now - start
        self._next_s = now + (max(self._every_s, (now - start) / LARGEST_SHARE) if self._every_s else 0.0)
        if signal is not None:
            raise _stopped(signal, state, saved)

    def within_step(self, state: TrainingState) -> None:
        """Raise Stopped when the training is asked to end and has taken no step that is not noted.

        The step under way is dropped: another run takes it from its beginning.
        """
        signal = self._asked()
        if signal is not None and self._noted == _place(state):
            raise _stopped(signal, state, noted=True)

    def _save(self, state: TrainingState) -> bool:
        try:
            arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in state.tensors().items()}
            write_state(self._path, self._key, state.values(), arrays)
        except (DataError, OSError) as error:
            _say(f"no checkpoint: {error}; the training goes on")
            return False
        self._written, self._size_bytes = self._written + 1, self._path.stat().st_size
        self._noted = _place(state)
        return True


def _stopped(signal: Signals, state: TrainingState, noted: bool) -> Stopped:
    then = "run the same again to go on from there" if noted else "nothing could be noted"
    return Stopped(signal, f"by {signal.name} after {_place(state)}; {then}")


def _place(state: TrainingState) -> str:
    return f"step {state.step} of epoch {state.epoch}"


def _say(sentence: str) -> None:
    LOG.info("%s", sentence)
    log(sentence)
