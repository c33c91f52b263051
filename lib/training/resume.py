"""Where a training is, noted now and then, to go on from there after a kill: safetensors and JSON, no pickle."""

import json
import logging
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from signal import Signals
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lib.errors import DataError, Stopped
from lib.outputs import whole_file
from lib.stopping import Asked
from lib.training.state import TrainingState
from lib.workers import say

FORMAT: Final = 1
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
                tensors, values = read_state(self._path, self._key)
            except DataError as error:
                _say(f"{error}; the training starts anew")
            else:
                state.restore(tensors, values)
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
            write_state(self._path, self._key, state.tensors(), state.values())
        except (DataError, OSError) as error:
            _say(f"no checkpoint: {error}; the training goes on")
            return False
        self._written, self._size_bytes = self._written + 1, self._path.stat().st_size
        self._noted = _place(state)
        return True


def write_state(path: Path, key: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a training's state whole or not at all, also when the machine fails. Raises DataError."""
    kept = {name: value.detach().cpu().contiguous() for name, value in sorted(tensors.items())}
    text = json.dumps({"format": FORMAT, "key": key, **values}, sort_keys=True)
    content = save(kept, metadata={"state": text, "crc32": str(_checksum(text, kept))})
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_state(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a training's state on the CPU; raises DataError when it is damaged or of other params, code or data."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        text = metadata["state"]
        if int(metadata["crc32"]) != _checksum(text, tensors):
            raise DataError(f"{path}: damaged (the content does not match its checksum)")
        values = json.loads(text)
    except (SafetensorError, OSError, LookupError, TypeError, RuntimeError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a checkpoint ({' '.join(str(error).split())[:300]})") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not a checkpoint ({' '.join(str(error).split())[:300]})") from None
    if values["format"] != FORMAT or values["key"] != key:
        raise DataError(f"{path}: a checkpoint of another training")
    return tensors, values


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 of the values and of the tensors' names and bytes."""
    checksum = zlib.crc32(text.encode())
    for name, value in sorted(tensors.items()):
        checksum = zlib.crc32(value.numpy().tobytes(), zlib.crc32(name.encode(), checksum))
    return checksum


def _stopped(signal: Signals, state: TrainingState, noted: bool) -> Stopped:
    then = "run the same again to go on from there" if noted else "nothing could be noted"
    return Stopped(signal, f"by {signal.name} after {_place(state)}; {then}")


def _place(state: TrainingState) -> str:
    return f"step {state.step} of epoch {state.epoch}"


def _say(sentence: str) -> None:
    LOG.info("%s", sentence)
    say(sentence)
