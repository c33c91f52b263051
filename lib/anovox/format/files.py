"""Readers of AnoVox's single files, with all checks for damaged files.

Each reader raises FileError (a DataError), whose message names the file, what is wrong and what to do.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import UNKNOWN, is_known
from lib.common.reading import check_regular, open_file, read_text
from lib.geometry.voxels import GRID_SHAPE
from lib.reading import png
from lib.reading.arrays import ArrayHeader, read_header
from lib.reading.file_errors import (
    CORRECT,
    IMAGE_DAMAGE,
    MAX_PIXELS,
    MAX_ROWS,
    FileError,
    Reason,
    check_coordinates,
    check_not_empty,
    unreadable,
)

DEPTH_STEPS: Final = 2**24 - 1
DEPTH_MAX_M: Final = 1000.0
MAX_TEXT_BYTES: Final = 16_000_000
MAX_FRAME_TEXT_BYTES: Final = 1_000_000
PNG_TAIL_BYTES: Final = 1024
JPEG_MAGIC: Final = b"\xff\xd8\xff"
_ALL_IDS: Final = np.arange(256, dtype=np.uint8)
_KNOWN_OR_UNKNOWN: Final = np.where(is_known(_ALL_IDS), _ALL_IDS, np.uint8(UNKNOWN)).tobytes()


Undefined = set[int] | None
"""A set for the class ids (or colours as 0xRRGGBB) in a file that AnoVox does not define."""


@dataclass(frozen=True)
class ArrayKind:
    """A kind of .npy file: its four columns, and the accepted number types (dtype.kind and bytes)."""

    name: str
    columns: str
    types: tuple[str, ...]


LIDAR: Final = ArrayKind("LIDAR", "x, y, z, intensity", ("f4", "f8"))
SEMANTIC_LIDAR: Final = ArrayKind("SEMANTIC-LIDAR", "x, y, z, class id", ("f4", "f8"))
VOXEL_GRID: Final = ArrayKind("VOXEL_GRID", "ix, iy, iz, class id", ("u2", "u4", "u8", "i2", "i4", "i8"))


def read_rgb(path: Path, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Read RGB-CAM or INSTANCE-CAM: (H, W, 3) uint8."""
    pixels = read_png(path, height, width)
    if pixels.ndim == 2:
        raise FileError(path, Reason.DAMAGED_IMAGE, "a grey image, but red, green and blue are needed", CORRECT)
    return pixels.astype(np.uint8, copy=False)


def read_depth(path: Path, height: int, width: int) -> npt.NDArray[np.float64]:
    """Read DEPTH_CAM: (H, W) float64 planar depth [m], sky = 1000."""
    colors = np.empty(3 * height * width + 1, dtype=np.uint8)
    colors[:-1], colors[-1] = read_rgb(path, height, width).reshape(-1), 0
    # View each pixel's three bytes and the next pixel's red as one little-endian uint32, then mask the latter.
    steps = np.ndarray((height, width), "<u4", colors, strides=(3 * width, 3)) & 0xFFFFFF
    depth_m = np.asarray(DEPTH_MAX_M * steps, dtype=np.float64)
    depth_m /= DEPTH_STEPS
    return depth_m


def read_lidar(path: Path) -> npt.NDArray[np.float32]:
    """Read LIDAR: (N, 4) float32 x forward, y left, z up [m, sensor frame], intensity."""
    values = _read_array(path, LIDAR)
    # A float64 beyond float32's range becomes infinite; check_coordinates refuses infinite values and NaN.
    with np.errstate(over="ignore", invalid="ignore"):
        cloud = _row_major(values)
    check_coordinates(path, cloud)
    return cloud


def read_semantic_lidar(path: Path, undefined: Undefined = None) -> npt.NDArray[np.float64]:
    """Read SEMANTIC-LIDAR: (N, 4) float64 x, y, z [m, sensor frame], class id (undefined ids become 255).

    In the memory order of the file (AnoVox's is column-major), which saves a copy. Undefined ids go to `undefined`.
    """
    with np.errstate(invalid="ignore"):  # check_coordinates refuses NaN
        cloud = _read_array(path, SEMANTIC_LIDAR).astype(np.float64, copy=False)
    check_coordinates(path, cloud)
    cloud[:, 3] = byte_ids(path, cloud[:, 3], undefined)
    return cloud


def read_voxels(path: Path, undefined: Undefined = None) -> npt.NDArray[np.uint16]:
    """Read VOXEL_GRID: (M, 4) uint16 ix, iy, iz, class id (undefined ids become 255 and go to `undefined`)."""
    values = _read_array(path, VOXEL_GRID)
    if (values[:, :3] >= GRID_SHAPE).any() or (values.dtype.kind == "i" and (values[:, :3] < 0).any()):
        raise FileError(path, Reason.BAD_ARRAY, f"it holds a voxel outside the grid of {GRID_SHAPE}", CORRECT)
    voxels = np.empty(values.shape, dtype=np.uint16)
    voxels[:, :3], voxels[:, 3] = values[:, :3], byte_ids(path, values[:, 3], undefined)
    return voxels


def byte_ids(path: Path, ids: npt.NDArray[Any], undefined: Undefined = None) -> npt.NDArray[np.uint8]:
    """Convert class ids (N,) of any number type to uint8; those that AnoVox does not define become 255."""
    byte_ids = np.clip(ids, 0, UNKNOWN).astype(np.uint8)
    if not np.array_equal(byte_ids, ids):
        if not np.array_equal(ids, np.rint(ids)):
            raise FileError(path, Reason.BAD_ARRAY, "its class ids (column 4) are not whole numbers", CORRECT)
        byte_ids[ids != byte_ids] = UNKNOWN
    return known_ids(byte_ids, ids, undefined)


def png_size(path: Path) -> tuple[int, int]:
    """Height and width of a PNG, from its header; raises FileError if it is not a PNG."""
    try:
        with open_file(path) as file:
            head = file.read(24)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise unreadable(path, Reason.DAMAGED_IMAGE, f"the image cannot be read ({error})", error) from None
    check_not_empty(path, head)
    if len(head) < 24 or not head.startswith(png.MAGIC):
        if head.startswith(JPEG_MAGIC):
            raise FileError(path, Reason.DAMAGED_IMAGE, "a JPEG image, not a PNG", "take AnoVox's own PNG")
        raise FileError(path, Reason.DAMAGED_IMAGE, f"not a PNG image ({size} bytes)")
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def lidar_size(path: Path) -> int:
    """Number of points of a LIDAR file, from its header; raises FileError if the header is damaged."""
    return _array_header(path, LIDAR).shape[0]


def check_image(path: Path, height: int, width: int) -> None:
    """Check only the size, first and last bytes of a PNG; raises FileError as its reader would."""
    _check_png_size(path, height, width)
    try:
        with open_file(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - PNG_TAIL_BYTES))
            tail = file.read(PNG_TAIL_BYTES)
    except OSError as error:
        raise unreadable(path, Reason.DAMAGED_IMAGE, f"the image cannot be read ({error})", error) from None
    if png.END not in tail:
        raise FileError(path, Reason.DAMAGED_IMAGE, "the image is cut off")


def check_array(path: Path, kind: ArrayKind) -> None:
    """Check only the header and size of an .npy file (N, 4); raises FileError as its reader would."""
    _array_header(path, kind)


def check_text(path: Path) -> None:
    """Check only the size of an ACTION or ANOMALY file; raises FileError as its reader would."""
    try:
        size = _size(path)
    except OSError as error:
        raise unreadable(path, Reason.BAD_TEXT, f"cannot be read as text ({error})", error) from None
    if size > MAX_FRAME_TEXT_BYTES:
        problem = f"{size} bytes of text, but such files have at most {MAX_FRAME_TEXT_BYTES}"
        raise FileError(path, Reason.BAD_TEXT, problem)


def read_key_values(path: Path, last_key: str = "") -> dict[str, str]:
    """Read the `key ; value` lines of an ACTION or ANOMALY file, in order.

    A file that neither ends with a newline nor holds `last_key` counts as truncated.
    """
    text = _read_text(path, MAX_FRAME_TEXT_BYTES)
    if not text.endswith("\n") and last_key not in text:
        raise FileError(path, Reason.BAD_TEXT, f"the file is cut off before `{last_key}`")
    pairs = [line.partition(";") for line in text.splitlines() if line.strip()]
    if not pairs:
        raise FileError(path, Reason.BAD_TEXT, "the file is empty")
    if not all(separator and key.strip() for key, separator, _ in pairs):
        raise FileError(path, Reason.BAD_TEXT, "a line is not of the form `key ; value`")
    return {key.strip(): value.strip() for key, _, value in pairs}


def read_json(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> Any:
    """Read a JSON file of AnoVox (sensor_setup.json, a scenario configuration) of at most `max_bytes`."""
    text = _read_text(path, max_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(path, Reason.BAD_TEXT, f"not valid JSON ({error})") from None


def known_ids(
    class_ids: npt.NDArray[np.uint8], stored: npt.NDArray[Any], undefined: Undefined = None
) -> npt.NDArray[np.uint8]:
    """Replace class ids (any shape) that AnoVox does not define by 255 (unknown).

    Of the same ids as they are `stored`, those that AnoVox does not define go to `undefined`.
    """
    translated = bytearray(class_ids.tobytes()).translate(_KNOWN_OR_UNKNOWN)  # several times faster than NumPy's take
    known = np.frombuffer(translated, dtype=np.uint8).reshape(class_ids.shape)
    if undefined is not None:
        undefined |= {int(class_id) for class_id in np.unique(stored[known == UNKNOWN])} - {UNKNOWN}
    return known


def read_png(path: Path, height: int, width: int) -> npt.NDArray[Any]:
    """Read a PNG of the given size: (H, W) uint8 or uint16 grey, or (H, W, 3) uint8 RGB; alpha is dropped.

    The size in the header is checked before decoding, which bounds the memory. Raises FileError.
    """
    _check_png_size(path, height, width)
    try:
        return png.read_pixels(path, height, width)
    except png.UnsupportedPixelsError as error:
        raise FileError(path, Reason.DAMAGED_IMAGE, str(error), CORRECT) from None
    except IMAGE_DAMAGE as error:
        problem = f"the image cannot be decoded ({' '.join(str(error).split())[:200]})"
        raise unreadable(path, Reason.DAMAGED_IMAGE, problem, error) from None


def _check_png_size(path: Path, height: int, width: int) -> None:
    found = png_size(path)
    if found[0] * found[1] > MAX_PIXELS:
        problem = f"{found[0]} x {found[1]} pixels (height x width), more than the {MAX_PIXELS:,} of any camera here"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, CORRECT)
    if found != (height, width):
        problem = f"{found[0]} x {found[1]} pixels (height x width), but its camera's images are {height} x {width}"
        raise FileError(path, Reason.DAMAGED_IMAGE, problem, CORRECT)


def _size(path: Path) -> int:
    """Size of a file [bytes], which is not empty."""
    size = check_regular(path).st_size
    check_not_empty(path, b"." * min(1, size))
    return size


def _array_header(path: Path, kind: ArrayKind) -> ArrayHeader:
    """Header of an .npy file, checked: shape (N, 4), a number type of the kind, and a file size that fits."""
    try:
        size, header = _size(path), read_header(path)
    except FileError:
        raise
    except OSError as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"not a readable .npy array ({error.strerror})", error) from None
    except ValueError as error:
        raise FileError(path, Reason.BAD_ARRAY, str(error)) from None
    shape, size = header.shape, size - header.start
    if len(shape) != 2 or shape[1] != 4 or header.dtype.str[1:] not in kind.types:
        raise FileError(path, Reason.BAD_ARRAY, *_shape_problem(header, kind))
    if shape[0] == 0:
        raise FileError(path, Reason.BAD_ARRAY, "the array is empty (0 rows)")
    if size != header.num_bytes:
        raise FileError(path, Reason.BAD_ARRAY, f"{size} bytes of data, but its header declares {shape[0]} rows")
    if shape[0] > MAX_ROWS:
        raise FileError(path, Reason.BAD_ARRAY, f"{shape[0]} rows, but such files have at most {MAX_ROWS}", CORRECT)
    return header


def _shape_problem(header: ArrayHeader, kind: ArrayKind) -> tuple[str, str]:
    """Problem and remedy for an array of another shape or number type than its kind's."""
    problem = f"{header.dtype} array of shape {header.shape}, but {kind.name} is (N, 4): {kind.columns}"
    types = " or ".join(np.dtype(name).name for name in kind.types)
    if len(header.shape) != 2:
        return problem, "rewrite the array in two dimensions"
    if header.shape[0] == 4 and header.shape[1] != 4:
        return problem, "write its transpose"
    if header.shape[1] > 4:
        return problem, "write only these four columns, if the file has them"
    if header.shape[1] < 4:
        return problem, "add the columns that are missing"
    return f"{problem}, as {types}", f"rewrite it as {np.dtype(kind.types[0]).name}"


def _read_array(path: Path, kind: ArrayKind) -> npt.NDArray[Any]:
    """Read an array (N, 4) in the memory order of the file; AnoVox's clouds are column-major."""
    header = _array_header(path, kind)
    try:
        with open_file(path) as file:
            values = np.fromfile(file, header.dtype, 4 * header.shape[0], offset=header.start)
    except OSError as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"not a readable .npy array ({error})", error) from None
    if values.size != 4 * header.shape[0]:
        raise FileError(path, Reason.BAD_ARRAY, "the file changed while it was read")
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def _row_major(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Copy an array (N, 4) to C order as float32, column by column: 2.5 times faster than NumPy's own copy."""
    if array.flags.c_contiguous and array.dtype == np.float32:
        return array
    copy = np.empty(array.shape, dtype=np.float32)
    for column in range(array.shape[1]):
        copy[:, column] = array[:, column]
    return copy


def _read_text(path: Path, max_bytes: int) -> str:
    try:
        check_not_empty(path, text := read_text(path, max_bytes))
        return text
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, Reason.BAD_TEXT, f"cannot be read as text ({error})", error) from None
