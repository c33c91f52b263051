"""Lines of ACTION files as AnoVox's generator (Scenarios/Util.py) writes them."""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from lib.anovox.format.ego_state import CAMERA_MATRIX, KMH_PER_MPS, LIDAR_MATRIX, SPEED, EgoState, Matrix, mirrored
from lib.geometry.rigid import invert

EGO_ACTOR_ID: Final = 10_000
"""Larger than all instance ids of the simulator's scenes; the ego is never visible in its own images."""
EGO_BLUEPRINT: Final = "vehicle.lincoln.mkz_2020"
DRIVING_THROTTLE: Final = 0.4
_WHEELS: Final = ("FR", "FL", "BR", "BL")
_PHYSICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_rpm": "5800.0",
        "final_ratio": "4.0",
        "mass": "1696.0",
        "center_of_mass": "(0.05000000074505806, 0.0, -0.30000001192092896)",
        "steering_curve": "('0.0,1.0)', '(20.0/0.8999999761581421')",
        **{f"{wheel}_wheel max steer angle": "70.0" if wheel[0] == "F" else "0.0" for wheel in _WHEELS},
        **{f"{wheel}_wheel tire friction": "3.5" for wheel in _WHEELS},
    }
)
"""The same in all frames; AnoVox's punctuation of `steering_curve` is kept."""


def carla_number(value: float) -> float:
    """Round a number to float32, as CARLA does; -0.0 becomes 0.0."""
    return float(np.float32(value)) + 0.0


def carla_tuple(values: Iterable[float]) -> str:
    """Format numbers as AnoVox prints a location or a velocity: `(1.5, 0.10000000149011612, 0.0)`."""
    return str(tuple(carla_number(value) for value in values))


def action_values(
    frame_id: int, scenario_id: str, ego: EgoState, vehicle_SE3_camera: Matrix, vehicle_SE3_lidar: Matrix
) -> dict[str, str]:
    """All keys and values of an ACTION file, in AnoVox's order, for an ego of known pose and constant speed.

    AnoVox's visualizer reads the first eight by their position. `vehicle_SE3_camera`, `vehicle_SE3_lidar` (4, 4): poses
    of the sensors whose matrices the file holds (SensorSetup.action_pose).
    """
    pose, speed_mps = ego.world_SE3_ego, ego.speed_mps
    assert pose is not None and speed_mps is not None, "ACTION files always hold pose and speed"
    velocity_mps = [carla_number(speed_mps * part) for part in mirrored(pose)[:3, 0].tolist()]
    values = {
        "frame_id": str(frame_id),
        "scenario_id": scenario_id,
        "vehicle_id": str(EGO_ACTOR_ID),
        "vehicle_type_id": EGO_BLUEPRINT,
        SPEED: repr(KMH_PER_MPS * math.sqrt(sum(part**2 for part in velocity_mps))),
        "throttle": repr(carla_number(DRIVING_THROTTLE if speed_mps > 0 else 0.0)),
        "steer": "0.0",
        "brake": "0.0",
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


def _matrix_text(matrix: Matrix) -> str:
    return repr([[carla_number(value) for value in row] for row in matrix.tolist()])
