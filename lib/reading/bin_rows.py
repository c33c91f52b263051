"""Raw clouds (.bin): rows of float32, little-endian, without a header, as KITTI stores them."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.reading import check_regular, read_bytes
from lib.reading.file_errors import MAX_CLOUD_BYTES, REMEDY, FileError, Reason, check_not_empty, unreadable

NUMBER: Final = np.dtype("<f4")


def bin_size(path: Path, columns: int, remedy: str = REMEDY) -> int:
    """Number of rows of a file with so many columns, from its size; raises FileError if it is empty or has no rows."""
    try:
        size = check_regular(path).st_size
    except OSError as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"cannot be read ({error})", error) from None
    check_not_empty(path, b"." * min(1, size))
    if size % (columns * NUMBER.itemsize) or size > MAX_CLOUD_BYTES:
        problem = f"{size} bytes, which are no rows of {columns} float32: it is cut off, or has other columns"
        raise FileError(path, Reason.BAD_ARRAY, problem, remedy)
    return size // (columns * NUMBER.itemsize)


def read_bin(path: Path, columns: int, remedy: str = REMEDY) -> npt.NDArray[np.float32]:
    """Read a file of rows: (N, columns) float32; raises FileError as `bin_size`."""
    rows = bin_size(path, columns, remedy)
    try:
        content = read_bytes(path, MAX_CLOUD_BYTES)
    except OSError as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"cannot be read ({error})", error) from None
    if len(content) != rows * columns * NUMBER.itemsize:
        raise FileError(path, Reason.BAD_ARRAY, "the file changed while it was read")
    return np.frombuffer(content, NUMBER).reshape(rows, columns).astype(np.float32)
