"""Contents of ACTION and ANOMALY files: the ego's pose and speed, and the anomalous object."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format.safe_names import plain
from lib.common.labels import ANOMALY_SIZES
from lib.geometry.frame import Anomaly
from lib.geometry.rigid import invert

Matrix = npt.NDArray[np.float64]

CAMERA_MATRIX: Final = "camera transformation matrix"
LIDAR_MATRIX: Final = "lidar transformation matrix"
SPEED: Final = "speed"
KMH_PER_MPS: Final = 3.6
ORTHONORMAL_TOLERANCE: Final = 1e-2

_MIRROR_Y: Final = np.diag([1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class EgoState:
    """The ego at one tick: world_SE3_ego (4, 4) [m, y left] and speed [m/s]; None if not in the file."""

    world_SE3_ego: Matrix | None
    speed_mps: float | None


def mirrored(transform: Matrix) -> Matrix:
    """Convert a rigid transform (4, 4) between CARLA's left-handed frames (y right) and y left; its own inverse."""
    return np.asarray(_MIRROR_Y @ transform @ _MIRROR_Y, dtype=np.float64)


def ego_state(values: Mapping[str, str], vehicle_SE3_lidar: Matrix) -> EgoState:
    """Pose and speed from ACTION's values; raises ValueError with the name of a key that cannot be parsed.

    `vehicle_SE3_lidar` (4, 4): pose of the LiDAR whose matrix is in ACTION (SensorSetup.action_pose).
    """
    pose = None
    if LIDAR_MATRIX in values:
        pose = mirrored(_rigid(values[LIDAR_MATRIX])) @ invert(vehicle_SE3_lidar)
    return EgoState(pose, _speed_mps(values[SPEED]) if SPEED in values else None)


def anomaly_of(values: Mapping[str, str]) -> Anomaly:
    """The anomalous object from ANOMALY's values; its size in AnoVox's spelling, regardless of the case in the file.

    The file of a braking vehicle has the keys of an ACTION file: `vehicle_type_id` instead of `anomaly_type_id`.
    """
    canonical = {size.lower(): size for size in ANOMALY_SIZES}
    return Anomaly(
        size=canonical.get(values.get("size", "").strip().lower()),
        blueprint=plain(values.get("anomaly_type_id") or values.get("vehicle_type_id") or "") or None,
    )


def _rigid(text: str) -> Matrix:
    try:
        matrix = np.asarray(json.loads(text), dtype=np.float64)
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f"`{LIDAR_MATRIX}` is not a 4 x 4 matrix") from None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"`{LIDAR_MATRIX}` is not a finite 4 x 4 matrix")
    rotation = matrix[:3, :3]
    orthonormal = np.allclose(rotation @ rotation.T, np.eye(3), atol=ORTHONORMAL_TOLERANCE)
    if not orthonormal or np.linalg.det(rotation) < 0 or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise ValueError(f"`{LIDAR_MATRIX}` is not a rotation and a translation")
    return matrix


def _speed_mps(text: str) -> float:
    try:
        speed_kmh = float(text)
    except ValueError:
        raise ValueError(f"`{SPEED}` is {text[:60]!r}, which is not a number") from None
    if not np.isfinite(speed_kmh):
        raise ValueError(f"`{SPEED}` is {text[:60]!r}, which is not finite")
    return speed_kmh / KMH_PER_MPS
