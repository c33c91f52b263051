"""Point Cloud Data files (.pcd), read with pypcd4.

The header is checked against the file's size before pypcd4 reads any data, so that memory is bounded by the file size.
Format: https://pointclouds.org/documentation/tutorials/pcd_file_format.html
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError
from lib.common.reading import open_file
from lib.common.terminal import readable
from lib.reading.file_errors import MAX_CLOUD_BYTES, MAX_ROWS, FileError, Reason, check_not_empty, unreadable

MAX_HEADER_LINES: Final = 64
MAX_LINE_BYTES: Final = 1024
MAX_NUMBERS: Final = 256
"""Numbers per point, over all fields and their counts."""
MAX_ASCII_NUMBER: Final = 32
MAX_LZF_RATIO: Final = 100
"""LZF compresses at most 264 bytes to 3."""
COLOR_FIELDS: Final = ("rgb", "rgba")
# Exceptions that pypcd4 and NumPy raise for damaged files.
_DAMAGE: Final = (OSError, ValueError, LookupError, RuntimeError, TypeError, struct.error, MemoryError, OverflowError)


@dataclass(frozen=True, eq=False)
class StoredCloud:
    """Cloud of a .pcd or .ply file: points_m (N, 3) float32 or float64 [sensor frame]; intensity (N,) float32, colors
    (N, 3) uint8 RGB, class_ids (N,) float64 and ring (N,), the number of each point's channel; each None if not in the
    file.
    """

    points_m: npt.NDArray[np.floating]
    intensity: npt.NDArray[np.float32] | None = None
    colors: npt.NDArray[np.uint8] | None = None
    class_ids: npt.NDArray[np.float64] | None = None
    ring: npt.NDArray[Any] | None = None


def read_pcd(path: Path) -> StoredCloud:
    """Read a .pcd file (ascii, binary or binary_compressed); fields other than x, y, z, intensity, rgb and
    ring are ignored, and so is padding (`_`).

    Raises FileError if the file is damaged or has no x, y, z.
    """
    library = require_pcd_library()
    with cloud_file(path, "PCD") as file:
        metadata = _checked_header(path, file, library)
        file.seek(0)
        data = np.atleast_1d(library.PointCloud.from_fileobj(file).pc_data)
    if len(data) != metadata.points:
        raise damaged(path, f"{len(data)} points of data, but its header declares {metadata.points}")
    names = data.dtype.names or ()
    color = next((data[name] for name in COLOR_FIELDS if name in names), None)
    with np.errstate(invalid="ignore", over="ignore"):  # `check_coordinates` refuses NaN and infinite values
        points_m = np.stack([data[axis] for axis in "xyz"], axis=1)
        intensity = data["intensity"].astype(np.float32) if "intensity" in names else None
    return StoredCloud(
        points_m=points_m,
        intensity=intensity,
        colors=None if color is None else _unpacked(path, np.ascontiguousarray(color)),
        ring=data["ring"] if "ring" in names else None,
    )


def pcd_size(path: Path) -> int:
    """Number of points of a .pcd file, from its header; raises FileError if the header is damaged."""
    library = require_pcd_library()
    with cloud_file(path, "PCD") as file:
        return int(_checked_header(path, file, library).points)


@contextmanager
def cloud_file(path: Path, kind: str) -> Iterator[BinaryIO]:
    """Open the file of a cloud, which is not empty; damage that the block meets becomes a FileError."""
    try:
        with open_file(path) as file:
            check_not_empty(path, file.read(1))
            file.seek(0)
            yield file
    except FileError:
        raise
    except _DAMAGE as error:
        problem = f"not a readable {kind} file ({' '.join(str(error).split())[:200]})"
        raise unreadable(path, Reason.BAD_ARRAY, problem, error) from None


def damaged(path: Path, problem: str) -> FileError:
    """The error for a cloud that is not as its format wants it."""
    return FileError(path, Reason.BAD_ARRAY, readable(problem))


def require_pcd_library() -> ModuleType:
    """Return pypcd4; raises DataError with the command to install it if it is missing."""
    try:
        import pypcd4
    except ImportError:
        raise DataError(
            "the data set has .pcd files, but the package pypcd4, which reads them, is missing; "
            "install it: python -m pip install pypcd4"
        ) from None
    return pypcd4


def _checked_header(path: Path, file: BinaryIO, library: ModuleType) -> Any:
    """pypcd4's MetaData of a file, after checking that the header is complete and declares what the file holds."""
    lines: list[str] = []
    for _ in range(MAX_HEADER_LINES):
        line = file.readline(MAX_LINE_BYTES).decode("utf-8").strip()
        if line and not line.startswith("#"):
            lines.append(line)
            if line.startswith("DATA"):
                break
    if not lines or not lines[-1].startswith("DATA"):
        raise damaged(path, "not a PCD file: it has no header that ends with DATA")
    metadata = library.MetaData.parse_header(lines)
    shape = {len(getattr(metadata, key)) for key in ("fields", "size", "type", "count")}
    if len(shape) > 1 or sum(metadata.count) > MAX_NUMBERS:
        problem = f"its header's FIELDS, SIZE, TYPE and COUNT do not agree, or count over {MAX_NUMBERS} numbers a point"
        raise damaged(path, problem)
    fields = dict(zip(metadata.fields, zip(metadata.type, metadata.count, strict=True), strict=True))
    if [fields.get(axis) for axis in "xyz"] != [("F", 1)] * 3 or len(fields) < len(metadata.fields):
        raise damaged(path, f"its fields are {' '.join(metadata.fields)[:200]}, not single floats x, y, z and others")
    if metadata.points == 0:
        raise damaged(path, "the cloud is empty (0 points)")
    if metadata.points > MAX_ROWS:
        raise damaged(path, f"its header declares more than {MAX_ROWS} points")
    _check_size(path, file, metadata)
    return metadata


def _check_size(path: Path, file: BinaryIO, metadata: Any) -> None:
    """Compare the size of the data with what the header declares."""
    size = os.fstat(file.fileno()).st_size - file.tell()
    expected = metadata.points * sum(size * count for size, count in zip(metadata.size, metadata.count, strict=True))
    numbers = metadata.points * sum(metadata.count)
    if max(size, expected) > MAX_CLOUD_BYTES:
        raise damaged(path, f"{max(size, expected)} bytes of points, more than the {MAX_CLOUD_BYTES} of any LiDAR")
    promise = f"its header declares {metadata.points} points"
    if metadata.data.value == "ascii":
        if not 2 * numbers - 1 <= size <= (MAX_ASCII_NUMBER + 1) * numbers:
            raise damaged(path, f"{size} bytes of text, but {promise}")
    elif metadata.data.value == "binary":
        if size < expected:
            raise damaged(path, f"{size} bytes of data, but {promise} ({expected} bytes)")
    else:
        compressed, uncompressed = struct.unpack("<II", file.read(8))
        if compressed > size - 8 or uncompressed != expected or uncompressed > MAX_LZF_RATIO * compressed:
            raise damaged(path, f"{size} bytes of compressed data, which do not match, as {promise}")


def _unpacked(path: Path, packed: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if packed.dtype.itemsize != 4:
        raise damaged(path, f"its rgb field is {packed.dtype}, not packed into 4 bytes")
    bits = packed.view(np.uint32)
    return np.stack([bits >> shift & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
