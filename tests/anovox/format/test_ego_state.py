import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.format.ego_state import LIDAR_MATRIX, EgoState, action_values, anomaly_of, ego_state, mirrored
from lib.anovox.format.recording import SensorPose
from lib.geometry.frame import Anomaly
from lib.geometry.rigid import apply, invert, vehicle_SE3_sensor, yaw_transform
from tests.present import present

LIDAR_POSE = SensorPose((0.3, -1, 1.8), (0, 0, -15))
VEHICLE_SE3_LIDAR = vehicle_SE3_sensor(LIDAR_POSE.location, LIDAR_POSE.rotation)
metres = st.floats(-500, 500)


@given(st.floats(-3.2, 3.2), st.tuples(metres, metres, metres), st.floats(0, 60))
def test_ego_state_round_trip(yaw_rad, place_m, speed_mps):
    ego = EgoState(yaw_transform(yaw_rad, place_m), speed_mps)
    values = action_values(7, "uuid", ego, np.eye(4), VEHICLE_SE3_LIDAR)
    found = ego_state(values, VEHICLE_SE3_LIDAR)
    assert np.allclose(present(found.world_SE3_ego), present(ego.world_SE3_ego), atol=1e-4)  # the file holds float32
    assert found.speed_mps == pytest.approx(speed_mps)


def test_carla_turns_clockwise_and_counts_y_to_the_right():
    """A LiDAR 10 m north (x) and 3 m to the right of the origin, turned 90 degrees to the right, as CARLA prints it."""
    carla = [[0, -1, 0, 10], [1, 0, 0, 3], [0, 0, 1, 1.8], [0, 0, 0, 1]]
    ego = ego_state({LIDAR_MATRIX: json.dumps(carla)}, vehicle_SE3_sensor((0, 0, 1.8), (0, 0, 0)))
    pose = present(ego.world_SE3_ego)
    assert np.allclose(apply(pose, np.zeros(3)), [10, -3, 0])
    assert np.allclose(apply(pose, np.array([1.0, 0, 0])), [10, -4, 0])


@given(st.floats(-3.2, 3.2), st.tuples(metres, metres, metres))
def test_mirroring_twice_changes_nothing(yaw_rad, place_m):
    transform = yaw_transform(yaw_rad, place_m)
    assert np.array_equal(mirrored(mirrored(transform)), transform)
    assert np.allclose(mirrored(invert(transform)), invert(mirrored(transform)))


def test_what_the_file_does_not_say_is_unknown():
    ego = ego_state({"frame_id": "7"}, VEHICLE_SE3_LIDAR)
    assert ego.world_SE3_ego is None and ego.speed_mps is None


def test_speed_is_converted_from_kmh():
    assert ego_state({"speed": "36.0"}, VEHICLE_SE3_LIDAR).speed_mps == 10.0


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"speed": "fast"}, "`speed` is 'fast', which is not a number"),
        ({"speed": "nan"}, "not finite"),
        ({LIDAR_MATRIX: "[[1, 0], [0, 1]]"}, "not a finite 4 x 4 matrix"),
        ({LIDAR_MATRIX: "[[1, 0, 0"}, "not a 4 x 4 matrix"),
        ({LIDAR_MATRIX: json.dumps((2 * np.eye(4)).tolist())}, "not a rotation and a translation"),
        ({LIDAR_MATRIX: json.dumps(np.diag([1, -1, 1, 1]).tolist())}, "not a rotation and a translation"),
    ],
)
def test_damaged_values_are_named(values, part):
    with pytest.raises(ValueError, match=r"`.*`") as caught:
        ego_state(values, VEHICLE_SE3_LIDAR)
    assert part in str(caught.value)


@pytest.mark.parametrize(("text", "size"), [("medium", "Medium"), (" HUGE ", "Huge"), ("", None), ("enormous", None)])
def test_sizes_come_in_any_case(text, size):
    assert anomaly_of({"size": text, "anomaly_type_id": "static.prop.x"}) == Anomaly(size, "static.prop.x")


def test_the_file_of_a_braking_vehicle_has_the_keys_of_action():
    """AnoVox's generator (Scenarios/Util.py) writes the vehicle's action in place of an object's state."""
    values = {"frame_id": "150", "vehicle_id": "33", "vehicle_type_id": "vehicle.audi.tt", "speed": "0.0"}
    assert anomaly_of(values) == Anomaly(blueprint="vehicle.audi.tt")
