"""KITTI's calibration files -> Calibration.

x = P2 R0_rect Tr_velo_to_cam X maps a point of the Velodyne to the left colour image. Source: the readme of KITTI's
object development kit. The tracking benchmark names the matrices R_rect and Tr_velo_cam; the odometry benchmark has Tr,
which includes the rectification (readme of its development kit: x = Pi * Tr * X).
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.reading import read_text
from lib.geometry.axes import VEHICLE_SE3_OPENCV, rigid
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.reading.file_errors import CORRECT, FileError, Reason, check_not_empty, unreadable

MAX_BYTES: Final = 100_000
P2: Final = ("P2",)
RECTIFICATION: Final = ("R0_rect", "R_rect")
FROM_VELODYNE: Final = ("Tr_velo_to_cam", "Tr_velo_cam", "Tr")

Matrix = npt.NDArray[np.float64]


def read_kitti_calibration(path: Path, height: int, width: int) -> Calibration:
    """The calibration of the left colour camera, whose images are height x width, and the Velodyne; raises FileError.

    K is P2 without its fourth column p4, which becomes the translation K^-1 p4 of the rectified frame.
    """
    values = _read(path)
    projection = _matrix(path, values, P2, (3, 4))
    velodyne = _matrix(path, values, FROM_VELODYNE, (3, 4))
    rectification = _matrix(path, values, RECTIFICATION, (3, 3)) if set(RECTIFICATION) & set(values) else np.eye(3)
    intrinsics = projection[:, :3]
    (fx, skew, cx), (below, fy, cy), (*sides, one) = intrinsics.tolist()
    if min(fx, fy) <= 0 or [skew, below, *sides, one] != [0, 0, 0, 0, 1]:
        raise FileError(path, Reason.BAD_TEXT, "P2 is no projection of a rectified camera", CORRECT)
    camera_SE3_rectified, rectified_SE3_camera0, camera0_SE3_velodyne = np.eye(4), np.eye(4), np.eye(4)
    camera_SE3_rectified[:3, 3] = np.linalg.solve(intrinsics, projection[:, 3])
    rectified_SE3_camera0[:3, :3] = rectification
    camera0_SE3_velodyne[:3] = velodyne
    try:
        camera_SE3_velodyne = rigid(camera_SE3_rectified @ rectified_SE3_camera0 @ camera0_SE3_velodyne)
    except ValueError as error:
        raise FileError(path, Reason.BAD_TEXT, f"the transform from the Velodyne: {error}", CORRECT) from None
    return Calibration(Camera(width, height, fx, fy, cx, cy), VEHICLE_SE3_OPENCV @ camera_SE3_velodyne)


def _read(path: Path) -> dict[str, str]:
    """The lines of the file by their names, which may end with a colon."""
    try:
        text = read_text(path, MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, Reason.BAD_TEXT, f"cannot be read as text ({error})", error) from None
    check_not_empty(path, text)
    lines = [line.strip().partition(" ") for line in text.splitlines() if line.strip()]
    return {name.rstrip(":"): numbers for name, _, numbers in lines}


def _matrix(path: Path, values: dict[str, str], names: tuple[str, ...], shape: tuple[int, int]) -> Matrix:
    name = next((name for name in names if name in values), None)
    if name is None:
        raise FileError(path, Reason.BAD_TEXT, f"it has no line {' or '.join(names)}", CORRECT)
    try:
        matrix = np.array([float(number) for number in values[name].split()])
        if not np.isfinite(matrix).all():
            raise ValueError
        return matrix.reshape(shape)
    except ValueError:
        problem = f"{name} is not {shape[0] * shape[1]} numbers"
        raise FileError(path, Reason.BAD_TEXT, problem, CORRECT) from None
