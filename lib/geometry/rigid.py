"""Rigid transforms as 4 x 4 float64 matrices; `a_SE3_b` maps points of frame b to frame a."""

from math import atan2, degrees, hypot
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

BLOCK_POINTS: Final = 16_384
"""Points per matrix product. Small enough that BLAS starts no threads, which would wait for each other on busy cores.
"""


def yaw_transform(yaw_rad: float, translation_m: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Matrix:
    """Transform (4, 4): rotate counter-clockwise about z (x forward, y left, z up), then translate."""
    cosine, sine = float(np.cos(yaw_rad)), float(np.sin(yaw_rad))
    transform = np.eye(4)
    transform[:2, :2] = [[cosine, -sine], [sine, cosine]]
    transform[:3, 3] = translation_m
    return transform


def rotation_about(axis: npt.NDArray[np.float64], angle_rad: float) -> Matrix:
    """Rotation (3, 3) counter-clockwise about a unit axis (3,): Rodrigues' formula."""
    x, y, z = axis
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    rotation = np.eye(3) + np.sin(angle_rad) * across + (1 - np.cos(angle_rad)) * across @ across
    return np.asarray(rotation, dtype=np.float64)


def vehicle_SE3_sensor(location: tuple[float, float, float], rotation: tuple[float, float, float]) -> Matrix:
    """Extrinsics (4, 4) of an AnoVox sensor in the vehicle frame (x forward, y left, z up) [m].

    `location` [m] and `rotation` (roll, pitch, yaw) [degrees] as in sensor_setup.json: CARLA's left-handed frame, in
    which a sensor is rolled first (clockwise seen from behind), then pitched (its nose up), then yawed (clockwise seen
    from above).
    """
    roll_rad, pitch_rad, yaw_rad = (float(radians) for radians in np.deg2rad(rotation))
    x, y, z = location
    transform = yaw_transform(-yaw_rad, (x, -y, z))
    if roll_rad or pitch_rad:
        pitched = rotation_about(np.array([0.0, 1.0, 0.0]), -pitch_rad)
        transform[:3, :3] = transform[:3, :3] @ pitched @ rotation_about(np.array([1.0, 0.0, 0.0]), roll_rad)
    return transform


def sensor_place(vehicle_SE3: Matrix) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Location [m] and rotation (roll, pitch, yaw) [degrees] of extrinsics (4, 4): undoes `vehicle_SE3_sensor`."""
    x, y, z = vehicle_SE3[:3, 3].tolist()
    (r00, _, _), (r10, _, _), (r20, r21, r22) = vehicle_SE3[:3, :3].tolist()
    roll_rad, pitch_rad, yaw_rad = atan2(r21, r22), atan2(r20, hypot(r21, r22)), -atan2(r10, r00)
    return (x, -y, z), (degrees(roll_rad), degrees(pitch_rad), degrees(yaw_rad))


def invert(transform: Matrix) -> Matrix:
    """Inverse (4, 4) of a rigid transform."""
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    # Without BLAS: its last digit differs between processors, and the sample's files must not.
    inverse[:3, 3] = -(transform[:3, :3] * transform[:3, 3:]).sum(axis=0)
    return inverse


def apply(transform: Matrix, points_m: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Apply a transform (4, 4) to points (..., 3) [m]; float64."""
    points = np.asarray(points_m, dtype=np.float64)
    return np.asarray(points @ transform[:3, :3].T + transform[:3, 3], dtype=np.float64)


def apply_to_columns(transform: Matrix, columns_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Apply a transform (4, 4) to points as columns (3, N) [m]; for a cloud several times faster than `apply`."""
    moved = np.empty(columns_m.shape)
    for first in range(0, columns_m.shape[1], BLOCK_POINTS):
        block = slice(first, first + BLOCK_POINTS)
        np.matmul(transform[:3, :3], columns_m[:, block], out=moved[:, block])
    moved += transform[:3, 3:]
    return moved
