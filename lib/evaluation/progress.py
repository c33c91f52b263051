"""How far an evaluation is, noted now and then, to go on from there after a kill."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.array_files import read_state, write_state
from lib.common.errors import DataError
from lib.evaluation.tallies import State

LARGEST_SHARE: Final = 0.01
_ARRAY: Final = "__array__"


class EvaluationCheckpoint:
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
            values, arrays = read_state(self._path, self._key, "evaluation")
        except DataError as error:
            self._say(f"{error}; the evaluation starts anew")
            return None
        state: State = _with_arrays(values, arrays)
        return state

    def going_on(self, where: str) -> None:
        """Say that the state found is taken up."""
        self._say(f"going on after {where}, noted in {self._path}")

    def after_shard(self, state: Callable[[], State]) -> None:
        """Note the state when it is time."""
        start = time.monotonic()
        if start < self._next_s:
            return
        try:
            arrays: dict[str, npt.NDArray[Any]] = {}
            values = _without_arrays(state(), arrays)
            write_state(self._path, self._key, values, arrays)
        except (DataError, OSError) as error:
            self._say(f"nothing noted: {error}; the evaluation goes on")
        now = time.monotonic()
        self._next_s = now + (max(self._every_s, (now - start) / LARGEST_SHARE) if self._every_s else 0.0)


def _without_arrays(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """A value in JSON's terms; its arrays are put into `arrays`, and named in their place."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
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
