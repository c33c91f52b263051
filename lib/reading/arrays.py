"""Safe reading of .npy headers: nothing is executed or unpickled, and no large memory is allocated."""

import ast
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from lib.common.reading import open_file

MAGIC: Final = b"\x93NUMPY"
MAX_HEADER_BYTES: Final = 10_000
MAX_DIMENSIONS: Final = 8
NUMERIC_TYPE: Final = re.compile(r"[<>|=]?[fiu][1248]")
# Exceptions of Python's and NumPy's parsers for a text that is not a header.
_PARSE_ERRORS: Final = (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True)
class ArrayHeader:
    """Header of an .npy file, and `start`: the offset [bytes] of its data."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @property
    def num_bytes(self) -> int:
        """Size of the data according to the header."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(path: Path) -> ArrayHeader:
    """Read the header of an .npy file (format 1.0 to 3.0) of plain numbers.

    Raises ValueError if there is no such header or the array does not hold numbers; OSError as `open_file`.
    """
    with open_file(path) as file:
        start = file.read(len(MAGIC) + 2)
        if len(start) < len(MAGIC) + 2 or not start.startswith(MAGIC) or start[-2] not in (1, 2, 3):
            raise ValueError("not a readable .npy array (it does not begin as one)")
        width = 2 if start[-2] == 1 else 4
        length = int.from_bytes(file.read(width), "little")
        text = file.read(length) if length <= MAX_HEADER_BYTES else b""
    if len(text) != length:
        raise ValueError("not a readable .npy array (its header is cut off or too long)")
    return ArrayHeader(*_parsed(text), len(start) + width + length)


@lru_cache(maxsize=64)
def _parsed(text: bytes) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Parse a header: dtype, shape, whether in Fortran order. Cached, as many files have the same header."""
    try:
        fields = ast.literal_eval(text.decode("latin-1").strip())
        shape, fortran_order, descr = fields["shape"], fields["fortran_order"], fields["descr"]
        dtype = np.dtype(descr) if isinstance(descr, str) and NUMERIC_TYPE.fullmatch(descr) else None
    except _PARSE_ERRORS:
        raise ValueError("not a readable .npy array (its header is damaged)") from None
    if descr in ("O", "|O"):
        raise ValueError("the array holds pickled Python objects, which are never loaded")
    if dtype is None:
        raise ValueError(f"the array holds {str(descr)[:60]!r}, not numbers")
    sizes = shape if isinstance(shape, tuple) and len(shape) <= MAX_DIMENSIONS else (None,)
    if not all(type(size) is int and 0 <= size < 2**40 for size in sizes) or not isinstance(fortran_order, bool):
        raise ValueError("not a readable .npy array (its header is damaged)")
    return dtype, shape, fortran_order
