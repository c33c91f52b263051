"""Files of arrays and text that know when they are damaged: safetensors with a checksum inside, no pickle."""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lib.common.errors import DataError, refused
from lib.common.outputs import atomic_file
from lib.common.reading import open_file

Arrays = Mapping[str, npt.NDArray[Any]]

# Whatever safetensors, NumPy, torch and json raise over a damaged file.
UNREADABLE: Final = (
    *(SafetensorError, OSError, LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),
)
_VALUES: Final = "values"


def checksum(text: str, arrays: Arrays) -> int:
    """CRC-32 of a text, and of the arrays' names and bytes."""
    found = zlib.crc32(text.encode())
    for name, value in sorted(arrays.items()):
        found = zlib.crc32(value.tobytes(), zlib.crc32(name.encode(), found))
    return found


def write_arrays(path: Path, arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write a file whole or not at all, also when the machine fails. Raises DataError or OSError."""
    rows_first = {
        name: np.asarray(value, order="C") for name, value in arrays.items()
    }  # as safetensors takes them to be
    content = save(rows_first, metadata=dict(metadata))
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The arrays of a file and its metadata; raises one of UNREADABLE."""
    open_file(path).close()  # safetensors calls whatever the system refuses a missing file
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 (not a dict)


def write_state(path: Path, key: str, values: Any, arrays: Arrays) -> None:
    """Write what work needs to go on after a kill: `values` as JSON, and arrays; `key` says what it is of.

    Raises DataError or OSError.
    """
    text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    content = {**arrays, _VALUES: text}
    write_arrays(path, content, {"key": key, "crc32": str(checksum(key, content))})


def read_state(path: Path, key: str, work: str) -> tuple[Any, dict[str, npt.NDArray[Any]]]:
    """The values and the arrays of a state.

    Raises DataError when it is damaged, of another `work` than `key`, or refused by the system.
    """
    try:
        arrays, metadata = read_arrays(path)
        if int(metadata["crc32"]) != checksum(metadata["key"], arrays):
            raise ValueError("the content does not match its checksum")
        values = json.loads(arrays.pop(_VALUES).tobytes())
    except UNREADABLE as error:
        raise refused(path, error) or DataError(f"{path}: damaged ({' '.join(str(error).split())[:300]})") from None
    if metadata["key"] != key:
        raise DataError(f"{path}: of another {work}")
    return values, arrays
