"""Clouds of a plain folder: .npy and .bin with the columns of calibration.yaml, .pcd and .ply by their fields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.common.reading import check_regular, open_file
from lib.folder.calibration_file import LidarSection
from lib.reading.arrays import read_header
from lib.reading.bin_rows import bin_size, read_bin
from lib.reading.file_errors import (
    CORRECT,
    MAX_CLOUD_BYTES,
    FileError,
    Reason,
    check_coordinates,
    check_not_empty,
    unreadable,
)
from lib.reading.pcd import pcd_size, read_pcd
from lib.reading.ply import ply_size, read_ply

CLOUD_ENDINGS: Final = (".npy", ".bin", ".pcd", ".ply")
LIKELY_RANGES: Final = (1.0, 100.0, 255.0, 4095.0, 65535.0)
DECLARE: Final = "name the file's columns, in order, in lidar.columns of calibration.yaml"

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Cloud:
    """points (N, 4) float32 x, y, z [m, LiDAR frame], intensity from 0 to 1; ring (N,) of each point, None if unknown;
    kept (rows,) bool: which rows of the file these points are.
    """

    points: npt.NDArray[np.float32]
    ring: npt.NDArray[Any] | None
    kept: npt.NDArray[np.bool_]


def cloud_size(path: Path, lidar: LidarSection) -> int:
    """Number of points in a file, from its header or size; raises FileError if these are wrong."""
    if path.suffix.lower() == ".npy":
        return _npy_shape(path, lidar)[0]
    if path.suffix.lower() == ".bin":
        return bin_size(path, len(lidar.columns), DECLARE)
    return pcd_size(path) if path.suffix.lower() == ".pcd" else ply_size(path)


def read_cloud(path: Path, lidar: LidarSection) -> Cloud:
    """Read a cloud.

    Intensities are scaled by `intensity_range`; without any they are 0. Points at (0, 0, 0) and those with NaN or
    infinite coordinates are rays without an echo: they are left out. Raises FileError.
    """
    columns = _columns(path, lidar)
    with np.errstate(over="ignore", invalid="ignore"):
        xyz = np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float32)
    echo = np.isfinite(xyz).all(axis=1) & (xyz != 0).any(axis=1)
    if not echo.any():
        raise FileError(path, Reason.BAD_ARRAY, "it holds no point: all are at (0, 0, 0) or not finite", CORRECT)
    points = np.zeros((int(echo.sum()), 4), dtype=np.float32)
    points[:, :3] = xyz[echo]
    if "intensity" in columns:
        points[:, 3] = _scaled(path, columns["intensity"][echo], lidar.intensity_range)
    check_coordinates(path, points)
    return Cloud(points, columns["ring"][echo] if "ring" in columns else None, echo)


def _scaled(path: Path, intensity: npt.NDArray[Any], ends: list[float]) -> npt.NDArray[np.float64]:
    low, high = ends
    values = intensity.astype(np.float64)
    if not np.isfinite(values).all():
        raise FileError(path, Reason.BAD_ARRAY, "it holds intensities that are NaN or infinite", CORRECT)
    found = float(values.min()), float(values.max())
    if found[0] < low or found[1] > high:
        likely = next((end for end in LIKELY_RANGES if found[0] >= 0 and found[1] <= end), None)
        what = "the lowest and highest that the LiDAR has" if likely is None else f"[0, {likely:g}], probably"
        problem = f"its intensities are {found[0]:g} to {found[1]:g}, beyond lidar.intensity_range [{low:g}, {high:g}]"
        raise FileError(path, Reason.BAD_ARRAY, problem, f"set it to {what}")
    return (values - low) / (high - low)


def _columns(path: Path, lidar: LidarSection) -> Columns:
    """The columns of a file by name, each (N,)."""
    if path.suffix.lower() in (".npy", ".bin"):
        raw = path.suffix.lower() == ".bin"
        rows = read_bin(path, len(lidar.columns), DECLARE) if raw else _read_npy(path, lidar)
        return dict(zip(lidar.columns, rows.T, strict=True))
    cloud = read_pcd(path) if path.suffix.lower() == ".pcd" else read_ply(path)
    columns: Columns = dict(zip("xyz", cloud.points_m.T, strict=True))
    named = {"intensity": cloud.intensity, "ring": cloud.ring}
    return columns | {name: values for name, values in named.items() if values is not None}


def _npy_shape(path: Path, lidar: LidarSection) -> tuple[int, int]:
    try:
        size = check_regular(path).st_size
        check_not_empty(path, b"." * min(1, size))
        header = read_header(path)
    except FileError:
        raise
    except OSError as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"not a readable .npy array ({error.strerror})", error) from None
    except ValueError as error:
        raise FileError(path, Reason.BAD_ARRAY, str(error)) from None
    if len(header.shape) != 2 or header.shape[1] != len(lidar.columns):
        problem = f"an array of shape {header.shape}, but calibration.yaml names {len(lidar.columns)} columns"
        raise FileError(path, Reason.BAD_ARRAY, f"{problem} ({', '.join(lidar.columns)})", DECLARE)
    if header.num_bytes > MAX_CLOUD_BYTES or size - header.start != header.num_bytes:
        problem = f"{size - header.start} bytes of data, but its header declares {header.num_bytes}"
        raise FileError(path, Reason.BAD_ARRAY, problem)
    if header.shape[0] == 0:
        raise FileError(path, Reason.BAD_ARRAY, "the array is empty (0 rows)")
    return header.shape[0], header.shape[1]


def _read_npy(path: Path, lidar: LidarSection) -> npt.NDArray[Any]:
    shape = _npy_shape(path, lidar)
    try:
        with open_file(path) as file:
            array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise unreadable(path, Reason.BAD_ARRAY, f"not a readable .npy array ({error})", error) from None
    if array.shape != shape:
        raise FileError(path, Reason.BAD_ARRAY, "the file changed while it was read")
    return array
