"""What is wrong with a file of any format, in a sentence; and the limits that bound the memory of a reader."""

import struct
import zlib
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lib.common.errors import DataError, is_of_the_process, refused, system_refusal

MAX_CLOUD_BYTES: Final = 256_000_000
MAX_ROWS: Final = 4_000_000
"""Of a cloud or grid; the densest LiDARs record fewer than a million points in 0.1 s."""
MAX_PIXELS: Final = 4096 * 4096
"""Of an image; one of this size takes 0.5 GB to read. AnoVox's have 0.4 million, large cameras 12 million."""
MAX_COORDINATE_M: Final = 10_000.0
# Exceptions that Pillow raises for damaged files.
IMAGE_DAMAGE: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error, zlib.error, MemoryError),
    *(Image.DecompressionBombError, Warning),
)
REMEDY: Final = "unpack the archive again or delete the file"
"""For truncated or damaged files, where another copy of the file can help."""
CORRECT: Final = "correct the file or delete it"
"""For intact files with values that their format never has, where another copy would hold the same."""


class Reason(StrEnum):
    """Why a frame cannot be used; also the keys of the counts in metrics/data.json."""

    MISSING_IMAGE = "missing_image"
    MISSING_DEPTH = "missing_depth"
    MISSING_PIXEL_LABELS = "missing_pixel_labels"
    MISSING_LIDAR = "missing_lidar"
    MISSING_POINT_LABELS = "missing_point_labels"
    EMPTY_FILE = "empty_file"
    DUPLICATE_FRAME = "duplicate_frame"
    DAMAGED_IMAGE = "damaged_image"
    BAD_ARRAY = "bad_array"
    BAD_TEXT = "bad_text"


class FileError(DataError):
    """One file is missing or cannot be used."""

    def __init__(self, path: Path, reason: Reason, problem: str, remedy: str = REMEDY) -> None:
        super().__init__(path, reason, problem, remedy)
        self.reason = reason

    def __str__(self) -> str:
        path, _, problem, remedy = self.args
        return f"{path}: {problem}; {remedy}"


def unreadable(path: Path, reason: Reason, problem: str, error: BaseException) -> DataError:
    """Error for a file whose reading raised `error`: FileError, or DataError if other files would fail as well."""
    if is_of_the_process(error):
        return refused(path, error) or DataError(f"{path}: {problem}")
    return FileError(path, reason, *(system_refusal(error) or (problem, REMEDY)))


def check_not_empty(path: Path, content: bytes | str) -> None:
    """Raise FileError if a file is empty; `content`: at least its first byte, if there is one."""
    if not content:
        raise FileError(path, Reason.EMPTY_FILE, "the file is empty (0 bytes)")


def check_coordinates(path: Path, cloud: npt.NDArray[np.floating]) -> None:
    """Raise FileError if a cloud (N, 4) holds a value that is not finite or a point beyond any LiDAR's range."""
    lowest, highest = float(cloud.min()), float(cloud.max())  # NaN if any is
    if not np.isfinite([lowest, highest]).all():
        raise FileError(path, Reason.BAD_ARRAY, "it holds NaN or infinite values", CORRECT)
    if max(-lowest, highest) > MAX_COORDINATE_M and np.abs(cloud[:, :3]).max() > MAX_COORDINATE_M:
        problem = f"it holds a point farther than {MAX_COORDINATE_M:.0f} m away"
        raise FileError(path, Reason.BAD_ARRAY, problem, "check the unit (metres) and correct the file or delete it")
