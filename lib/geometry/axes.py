"""Checks and conversions of a calibration as others write it: axes, rigidity, direction."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.rigid import Matrix, invert

RIGID_TOLERANCE: Final = 1e-3
MAX_UP_DEG: Final = 60.0
"""Angle between the up axes of camera and LiDAR, beyond which the axes are taken for swapped."""
MIN_IN_VIEW: Final = 0.2
"""Fraction of a cloud's points in the image, of that in an equal field of view of an even sweep, below which the axes
are taken for swapped; at most MOST_IN_VIEW is asked for.
"""
MOST_IN_VIEW: Final = 0.01
VEHICLE_SE3_OPENCV: Final = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
"""From a camera's axes x right, y down, z forward to ours: x forward, y left, z up."""


def rigid(matrix: npt.NDArray[np.float64]) -> Matrix:
    """The rigid transform (4, 4) nearest to a matrix (4, 4) that is one up to rounding.

    Raises ValueError if it is not rigid, or mirrors.
    """
    rotation = matrix[:3, :3]
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if not off <= RIGID_TOLERANCE or np.abs(matrix[3] - [0, 0, 0, 1]).max() > RIGID_TOLERANCE:
        raise ValueError(
            "it is not rigid: its first three columns must be a rotation (orthogonal rows of length 1), the fourth a "
            "translation in metres"
        )
    if np.linalg.det(rotation) < 0:
        raise ValueError("it mirrors (its determinant is -1): negate the axis that points the wrong way, or swap two")
    left, _, right = np.linalg.svd(rotation)
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = left @ right, matrix[:3, 3]
    return found


def check_view(
    camera: Camera,
    camera_SE3_lidar: Matrix,
    camera_axes: str,
    points_m: npt.NDArray[np.floating],
    others: bool = True,
) -> None:
    """Check a calibration by a cloud (N, 3 or more) [m, LiDAR frame, z up]; `camera_axes`: opencv or vehicle.

    Raises ValueError if the camera is not upright or hardly any point is in its view; with `others`, it says what would
    fit.
    """
    width_rad = np.arctan(camera.cx_px / camera.fx_px) + np.arctan((camera.width_px - camera.cx_px) / camera.fx_px)
    least = min(MIN_IN_VIEW * width_rad / (2 * np.pi), MOST_IN_VIEW)
    tilt_deg, seen = _fit(camera, vehicle_axes(camera_SE3_lidar, camera_axes), points_m)
    if tilt_deg <= MAX_UP_DEG and seen >= least:
        return
    problem = (
        f"its camera's up axis is {tilt_deg:.0f} degrees off the LiDAR's"
        if tilt_deg > MAX_UP_DEG
        else f"{seen:.1%} of the points of a cloud are in the image"
    )
    for what, transform, axes in _others(camera_SE3_lidar, camera_axes) if others else ():
        tilt_deg, seen = _fit(camera, vehicle_axes(transform, axes), points_m)
        if tilt_deg <= MAX_UP_DEG and seen >= least:
            raise ValueError(f"{problem}, which fits with {what}")
    raise ValueError(f"{problem}: check the order and signs of its axes, and its direction (from LiDAR to camera)")


def vehicle_axes(camera_SE3_lidar: Matrix, camera_axes: str) -> Matrix:
    """The transform (4, 4) to a camera with our axes: x forward, y left, z up."""
    return VEHICLE_SE3_OPENCV @ camera_SE3_lidar if camera_axes == "opencv" else camera_SE3_lidar


def _others(camera_SE3_lidar: Matrix, camera_axes: str) -> Iterator[tuple[str, Matrix, str]]:
    other = "vehicle" if camera_axes == "opencv" else "opencv"
    yield f"camera_axes: {other}", camera_SE3_lidar, other
    yield "the inverse of camera_SE3_lidar", invert(camera_SE3_lidar), camera_axes
    yield f"the inverse of camera_SE3_lidar and camera_axes: {other}", invert(camera_SE3_lidar), other


def _fit(camera: Camera, camera_SE3_lidar: Matrix, points_m: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Angle between the up axes [degrees], and the fraction of points in view."""
    tilt_deg = float(np.rad2deg(np.arccos(np.clip(camera_SE3_lidar[2, 2], -1, 1))))
    _, _, visible = Calibration(camera, camera_SE3_lidar).project(points_m)
    return tilt_deg, float(np.mean(visible))
