import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.geometry.rigid import BLOCK_POINTS, apply, apply_to_columns, invert, vehicle_SE3_sensor, yaw_transform

metres = st.floats(-100, 100)
transforms = st.builds(yaw_transform, st.floats(-4, 4), st.tuples(metres, metres, metres))
points = st.lists(st.tuples(metres, metres, metres), min_size=1, max_size=5).map(np.array)


@given(transforms, points)
def test_the_inverse_undoes_a_transform(transform, points_m):
    assert np.allclose(apply(invert(transform), apply(transform, points_m)), points_m, atol=1e-9)
    assert np.allclose(invert(transform) @ transform, np.eye(4), atol=1e-9)


@given(transforms, transforms, points)
def test_transforms_compose(first, second, points_m):
    assert np.allclose(apply(first @ second, points_m), apply(first, apply(second, points_m)), atol=1e-8)


@pytest.mark.parametrize("count", [0, 1, BLOCK_POINTS, 2 * BLOCK_POINTS + 3])
def test_columns_are_moved_as_points_are(count):
    points_m = np.random.default_rng(1).normal(size=(count, 3)) * 50
    transform = yaw_transform(0.3, (1.0, -2.0, 3.0))
    assert np.allclose(apply_to_columns(transform, points_m.T), apply(transform, points_m).T, rtol=0, atol=1e-12)


def test_sensors_to_the_left_look_to_the_left():
    """CARLA counts y to the right and yaw clockwise: (0, -1, 1.8) with yaw -15 stands left and looks left."""
    vehicle_SE3_lidar = vehicle_SE3_sensor((0, -1, 1.8), (0, 0, -15))
    assert np.allclose(apply(vehicle_SE3_lidar, np.zeros(3)), [0, 1, 1.8])
    ahead = apply(vehicle_SE3_lidar, np.array([1.0, 0, 0]))
    assert ahead == pytest.approx([np.cos(np.deg2rad(15)), 1 + np.sin(np.deg2rad(15)), 1.8])


@pytest.mark.parametrize("rotation", [(0, 0, -15), (10, 0, 0), (0, -20, 0), (3, -8, 130)])
def test_rotations_are_those_of_carlas_matrix(rotation):
    """LibCarla's Transform::GetMatrix, left-handed, with y turned to the left."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(np.deg2rad(rotation)), np.sin(np.deg2rad(rotation))
    carla = [
        [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
        [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
        [sp, -cp * sr, cp * cr],
    ]
    to_left = np.diag([1.0, -1.0, 1.0])
    assert np.allclose(vehicle_SE3_sensor((0, 0, 0), rotation)[:3, :3], to_left @ carla @ to_left, rtol=0, atol=1e-12)


@given(transforms)
def test_the_inverse_is_the_same_to_the_last_bit_on_every_processor(transform):
    """The sample's files hold it: sums of rounded products, as Python makes them, whatever the BLAS does."""
    rows, (x, y, z) = transform[:3, :3].tolist(), transform[:3, 3].tolist()
    expected = [-(a * x + b * y + c * z) for a, b, c in zip(*rows, strict=True)]
    assert invert(transform)[:3, 3].tolist() == expected
