"""Contents of ACTION and ANOMALY files: the ego's pose and speed, and the anomalous object.

ACTION files are written as by AnoVox's generator (Scenarios/Util.py).
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lib.common.labels import ANOMALY_SIZES
from lib.geometry.frame import Anomaly
from lib.geometry.rigid import invert
from lib.reading.safe_names import plain

Matrix = npt.NDArray[np.float64]

CAMERA_MATRIX: Final = "camera transformation matrix"
LIDAR_MATRIX: Final = "lidar transformation matrix"
SPEED: Final = "speed"
KMH_PER_MPS: Final = 3.6
ORTHONORMAL_TOLERANCE: Final = 1e-2

EGO_ACTOR_ID: Final = 10_000
"""Larger than all instance ids of the simulator's scenes; the ego is never visible in its own images."""
EGO_BLUEPRINT: Final = "vehicle.lincoln.mkz_2020"
DRIVING_THROTTLE: Final = 0.4
_WHEELS: Final = ("FR", "FL", "BR", "BL")
_PHYSICS: Final[Mapping[str, str]] = {
    "max_rpm": "5800.0",
    "final_ratio": "4.0",
    "mass": "1696.0",
    "center_of_mass": "(0.05000000074505806, 0.0, -0.30000001192092896)",
    "steering_curve": "('0.0,1.0)', '(20.0/0.8999999761581421')",
    **{f"{wheel}_wheel max steer angle": "70.0" if wheel[0] == "F" else "0.0" for wheel in _WHEELS},
    **{f"{wheel}_wheel tire friction": "3.5" for wheel in _WHEELS},
}
"""The same in all frames; AnoVox's punctuation of `steering_curve` is kept."""

_MIRROR_Y: Final = np.diag([1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class EgoState:
    """The ego at one tick: world_SE3_ego (4, 4) [m, y left] and speed [m/s]; None if not in the file.

    pedals: throttle and brake, 0 to 1. They are written and never read: no input of a detector.
    """

    world_SE3_ego: Matrix | None
    speed_mps: float | None
    pedals: tuple[float, float] | None = None


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


def carla_number(value: float) -> float:
    """Round a number to float32, as CARLA does; -0.0 becomes 0.0."""
    return float(np.float32(value)) + 0.0


def carla_tuple(values: Iterable[float]) -> str:
    """Format numbers as AnoVox prints a location or a velocity: `(1.5, 0.10000000149011612, 0.0)`."""
    return str(tuple(carla_number(value) for value in values))


def action_values(
    frame_id: int, scenario_id: str, ego: EgoState, vehicle_SE3_camera: Matrix, vehicle_SE3_lidar: Matrix
) -> dict[str, str]:
    """All keys and values of an ACTION file, in AnoVox's order, for an ego of known pose and speed.

    Without pedals the speed is taken for constant.

    AnoVox's visualizer reads the first eight by their position. `vehicle_SE3_camera`, `vehicle_SE3_lidar` (4, 4): poses
    of the sensors whose matrices the file holds (SensorSetup.action_pose).
    """
    pose, speed_mps = ego.world_SE3_ego, ego.speed_mps
    assert pose is not None and speed_mps is not None, "ACTION files always hold pose and speed"
    throttle, brake = ego.pedals or (DRIVING_THROTTLE if speed_mps > 0 else 0.0, 0.0)
    velocity_mps = [carla_number(speed_mps * part) for part in mirrored(pose)[:3, 0].tolist()]
    values = {
        "frame_id": str(frame_id),
        "scenario_id": scenario_id,
        "vehicle_id": str(EGO_ACTOR_ID),
        "vehicle_type_id": EGO_BLUEPRINT,
        SPEED: repr(KMH_PER_MPS * math.sqrt(sum(part**2 for part in velocity_mps))),
        "throttle": repr(carla_number(throttle)),
        "steer": "0.0",
        "brake": repr(carla_number(brake)),
        "hand_brake": "False",
        "reverse": "False",
        "gear": "1",
        **_PHYSICS,
    }
    for key, vehicle_SE3_sensor in [(CAMERA_MATRIX, vehicle_SE3_camera), (LIDAR_MATRIX, vehicle_SE3_lidar)]:
        matrix = mirrored(pose @ vehicle_SE3_sensor)
        values[key] = _matrix_text(matrix)
        values[key.replace(" ", " inverse ", 1)] = _matrix_text(invert(matrix))
    return values


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


def _matrix_text(matrix: Matrix) -> str:
    return repr([[carla_number(value) for value in row] for row in matrix.tolist()])
