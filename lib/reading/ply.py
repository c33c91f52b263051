"""Polygon files (.ply), as CARLA and Open3D save point clouds.

The header is checked against the file's size before any data is read, so that memory is bounded by the file size.
Format: http://paulbourke.net/dataformats/ply/
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from warnings import catch_warnings

import numpy as np
import numpy.typing as npt

from lib.reading.file_errors import CORRECT, MAX_CLOUD_BYTES, MAX_ROWS, FileError, Reason
from lib.reading.pcd import StoredCloud, cloud_file, damaged

MAX_HEADER_LINES: Final = 128
MAX_LINE_BYTES: Final = 1024
MAX_PROPERTIES: Final = 64
TYPES: Final = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
BYTE_ORDERS: Final = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
INTENSITY_NAMES: Final = ("I", "intensity", "scalar_intensity", "scalar_Intensity")
CLASS_NAMES: Final = ("ObjTag", "objtag")
RING_NAMES: Final = ("ring", "scalar_ring")


@dataclass(frozen=True)
class _Header:
    """`format` (ascii, ...), number of points, fields of a point, and offset [bytes] of the data."""

    format: str
    points: int
    dtype: np.dtype[Any]
    start: int


def read_ply(path: Path) -> StoredCloud:
    """Read a .ply file (ascii, binary); properties other than x, y, z, intensity, colour, ObjTag and ring are
    ignored.

    Raises FileError if the file is damaged or has no x, y, z.
    """
    with cloud_file(path, "PLY") as file:
        header = _checked_header(path, file)
        if header.format == "ascii":
            with catch_warnings(action="ignore", category=UserWarning):  # about empty lines, which are skipped
                columns = np.loadtxt(file, np.float64, max_rows=header.points, ndmin=2, comments=None)
            data = dict(zip(header.dtype.names or (), columns.T, strict=True))
            number = len(columns)
        else:
            packed = np.frombuffer(file.read(header.points * header.dtype.itemsize), header.dtype)
            data = {name: packed[name] for name in packed.dtype.names or ()}
            number = len(packed)
    if number != header.points:
        raise damaged(path, f"{number} points of data, but its header declares {header.points}")
    return _stored_cloud(path, data)


def ply_size(path: Path) -> int:
    """Number of points of a .ply file, from its header; raises FileError if the header is damaged."""
    with cloud_file(path, "PLY") as file:
        return _checked_header(path, file).points


def _stored_cloud(path: Path, data: dict[str, npt.NDArray[Any]]) -> StoredCloud:
    def first(names: tuple[str, ...]) -> npt.NDArray[Any] | None:
        return next((data[name] for name in names if name in data), None)

    with np.errstate(invalid="ignore", over="ignore"):  # `check_coordinates` refuses NaN and infinite values
        points_m = np.stack([data[axis] for axis in "xyz"], axis=1)
        points_m = np.asarray(points_m, dtype=np.float64 if points_m.dtype.itemsize == 8 else np.float32)
        intensity, classes = first(INTENSITY_NAMES), first(CLASS_NAMES)
        colors = None
        if {"red", "green", "blue"} <= data.keys():
            channels = np.stack([data[name] for name in ("red", "green", "blue")], axis=1)
            if ((channels < 0) | (channels > 255) | (channels != np.rint(channels))).any():
                raise FileError(path, Reason.BAD_ARRAY, "its colours are not whole numbers from 0 to 255", CORRECT)
            colors = channels.astype(np.uint8)
        return StoredCloud(
            points_m=points_m,
            intensity=None if intensity is None else intensity.astype(np.float32),
            colors=colors,
            class_ids=None if classes is None else classes.astype(np.float64),
            ring=first(RING_NAMES),
        )


def _checked_header(path: Path, file: BinaryIO) -> _Header:
    lines = [file.readline(MAX_LINE_BYTES).decode("ascii", "replace").split() for _ in range(2)]
    if lines[0] != ["ply"] or lines[1][:1] != ["format"] or lines[1][1:2] == [] or lines[1][1] not in BYTE_ORDERS:
        raise damaged(path, "not a PLY file: it does not begin with `ply` and its format")
    for _ in range(MAX_HEADER_LINES):
        lines.append(file.readline(MAX_LINE_BYTES).decode("ascii", "replace").split())
        if lines[-1] == ["end_header"]:
            break
    else:
        raise damaged(path, "not a PLY file: it has no header that ends with end_header")
    points, fields = _vertices(path, [line for line in lines[2:] if line and line[0] in ("element", "property")])
    order = BYTE_ORDERS[lines[1][1]]
    header = _Header(lines[1][1], points, np.dtype([(name, order + kind) for name, kind in fields]), file.tell())
    size = os.fstat(file.fileno()).st_size - header.start
    least = 2 * points * len(fields) - 1 if header.format == "ascii" else points * header.dtype.itemsize
    if size > MAX_CLOUD_BYTES:
        raise damaged(path, f"{size} bytes of points, more than the {MAX_CLOUD_BYTES} of any LiDAR")
    if size < least:
        raise damaged(path, f"{size} bytes of data, but its header declares {points} points")
    return header


def _vertices(path: Path, lines: list[list[str]]) -> tuple[int, list[tuple[str, str]]]:
    """Number and fields (name, type) of the points, the first element of a point cloud's file."""
    if not lines or len(lines[0]) != 3 or lines[0][:2] != ["element", "vertex"] or not lines[0][2].isdecimal():
        raise damaged(path, "its header does not begin with the points (element vertex)")
    if len(lines[0][2]) > 12 or not 0 < (points := int(lines[0][2])) <= MAX_ROWS:
        raise damaged(path, f"its header declares {lines[0][2][:20]} points, not 1 to {MAX_ROWS}")
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[0] == "element":
            break
        if len(line) != 3 or line[1] not in TYPES or len(fields) == MAX_PROPERTIES:
            raise damaged(path, f"its points have a property that is no number ({' '.join(line)[:60]})")
        fields.append((line[2], TYPES[line[1]]))
    names = [name for name, _ in fields]
    if not {"x", "y", "z"} <= set(names) or len(set(names)) < len(names):
        raise damaged(path, f"its properties are {' '.join(names)[:200]}, not x, y and z and others, each once")
    return points, fields
