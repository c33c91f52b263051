"""How far an evaluation is, noted now and then, to go on from there after a kill: safetensors and JSON, no pickle."""

import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lib.errors import DataError
from lib.evaluation.tallies import State
from lib.outputs import whole_file

LARGEST_SHARE: Final = 0.01
_ARRAY, _PLAIN = "__array__", "state"


class Notes:
    """The noted state of one evaluation: a file of its own, which `key` says what it is of.

    Written every `every_s` seconds at the end of a shard, less often where that would take more than 1 % of the time;
    0: after every shard.
    """

    def __init__(self, path: Path, key: str, every_s: float, say: Callable[[str], None]) -> None:
        """`say` tells the user where the evaluation goes on, or why it does not."""
        self._path, self._key, self._every_s, self._say = path, key, every_s, say
        self._next_s = time.monotonic() + every_s

    def found(self) -> State | None:
        """The state that an earlier run has noted; None without one, or with one that is damaged."""
        if not self._path.exists():
            return None
        try:
            return read_state(self._path, self._key)
        except DataError as error:
            self._say(f"{error}; the evaluation starts anew")
            return None

    def going_on(self, where: str) -> None:
        """Say that the state found is taken up."""
        self._say(f"going on after {where}, noted in {self._path}")

    def after_shard(self, state: Callable[[], State]) -> None:
        """Note the state when it is time."""
        start = time.monotonic()
        if start < self._next_s:
            return
        try:
            write_state(self._path, self._key, state())
        except (DataError, OSError) as error:
            self._say(f"nothing noted: {error}; the evaluation goes on")
        now = time.monotonic()
        self._next_s = now + (max(self._every_s, (now - start) / LARGEST_SHARE) if self._every_s else 0.0)


def write_state(path: Path, key: str, state: State) -> None:
    """Write a state whole or not at all, also when the machine fails. Raises DataError or OSError."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    text = json.dumps(_without_arrays(state, arrays))
    arrays[_PLAIN] = np.frombuffer(text.encode(), dtype=np.uint8)
    content = save(arrays, metadata={"key": key, "crc32": str(_checksum(key, arrays))})
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_state(path: Path, key: str) -> State:
    """Read a state; raises DataError when it is damaged, or of another evaluation."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if int(metadata["crc32"]) != _checksum(metadata["key"], arrays):
            raise ValueError("the content does not match its checksum")
        state: State = _with_arrays(json.loads(arrays[_PLAIN].tobytes()), arrays)
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, MemoryError) as error:
        raise DataError(f"{path}: damaged ({' '.join(str(error).split())[:300]})") from None
    if metadata["key"] != key:
        raise DataError(f"{path}: of another evaluation")
    return state


def _without_arrays(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """A value in JSON's terms; its arrays are put into `arrays`, and named in their place."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {_ARRAY: name}
    if isinstance(value, dict):
        return {key: _without_arrays(each, arrays) for key, each in value.items()}
    return [_without_arrays(each, arrays) for each in value] if isinstance(value, list | tuple) else value


def _with_arrays(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _with_arrays(each, arrays) for key, each in value.items()}
    return [_with_arrays(each, arrays) for each in value] if isinstance(value, list) else value


def _checksum(key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    """CRC-32 of the key and of the arrays' names and bytes."""
    checksum = zlib.crc32(key.encode())
    for name, value in sorted(arrays.items()):
        checksum = zlib.crc32(value.tobytes(), zlib.crc32(name.encode(), checksum))
    return checksum
