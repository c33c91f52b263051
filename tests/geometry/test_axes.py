"""Calibrations as others write them: what is not rigid, mirrored or in other axes is noticed."""

import numpy as np
import pytest

from lib.geometry.axes import check_view, rigid, vehicle_axes
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.rigid import invert, rotation_about
from tests.sensor_files import OPENCV_SE3_LIDAR, cloud

CAMERA = Camera(124, 40, 72.0, 71.0, 60.5, 18.5)
OPENCV = np.vstack([OPENCV_SE3_LIDAR, [0, 0, 0, 1]])


def turned(angle_deg, axis):
    transform = np.eye(4)
    transform[:3, :3] = rotation_about(np.array(axis, dtype=np.float64), np.deg2rad(angle_deg))
    return transform


def test_opencv_axes_become_ours():
    points = cloud(0)[:, :3].astype(np.float64)
    x, y, z = (OPENCV[:3, :3] @ points.T) + OPENCV[:3, 3:]
    u, v, visible = Calibration(CAMERA, vehicle_axes(OPENCV, "opencv")).project(points)
    ahead = z > 0
    np.testing.assert_allclose(u[ahead], (72.0 * x / z + 60.5)[ahead], rtol=1e-12)
    np.testing.assert_allclose(v[ahead], (71.0 * y / z + 18.5)[ahead], rtol=1e-12)
    assert visible.sum() > 20


def test_the_nearest_rotation_is_taken():
    rounded = np.round(turned(33, [0.6, 0.0, 0.8]), 3)
    found = rigid(rounded)
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(found, rounded, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (np.diag([1.01, 1, 1, 1]), "not rigid"),
        (np.diag([np.nan, 1, 1, 1]), "not rigid"),
        (np.diag([1, 1, 1, 2]), "not rigid"),
        (np.diag([1, -1, 1, 1]), "it mirrors"),
    ],
)
def test_other_matrices_are_refused(change, part):
    with pytest.raises(ValueError, match=part):
        rigid(OPENCV @ change)


@pytest.mark.parametrize("turn", [turned(0, [0, 0, 1]), turned(180, [0, 0, 1]), turned(30, [1, 0, 0])])
def test_cameras_that_look_anywhere_upright_pass(turn):
    points = cloud(0)
    check_view(CAMERA, OPENCV @ turn, "opencv", points)
    check_view(CAMERA, vehicle_axes(OPENCV @ turn, "opencv"), "vehicle", points)


@pytest.mark.parametrize(
    ("transform", "axes", "part"),
    [
        (OPENCV, "vehicle", "up axis is .* fits with camera_axes: opencv"),
        (vehicle_axes(OPENCV, "opencv"), "opencv", "fits with camera_axes: vehicle"),
        (invert(OPENCV), "opencv", "fits with the inverse of camera_SE3_lidar"),
        (OPENCV @ turned(180, [1, 0, 0]), "opencv", "up axis is 180 degrees off the LiDAR's: check the order"),
    ],
)
def test_swapped_axes_are_noticed(transform, axes, part):
    with pytest.raises(ValueError, match=part):
        check_view(CAMERA, transform, axes, cloud(0))


def test_a_camera_that_sees_no_point_is_noticed():
    behind = cloud(0)
    behind = behind[behind[:, 0] < -1]
    with pytest.raises(ValueError, match=r"0\.0% of the points of a cloud are in the image: check"):
        check_view(CAMERA, OPENCV, "opencv", behind)


def test_a_telephoto_camera_passes_and_others_are_suggested_only_if_asked_for():
    generator = np.random.default_rng(1)
    azimuth = generator.uniform(-np.pi, np.pi, 20_000)
    even = np.column_stack([20 * np.cos(azimuth), 20 * np.sin(azimuth), generator.uniform(-1, 1, len(azimuth))])
    narrow = Camera(124, 40, 900.0, 900.0, 62.0, 20.0)  # 8 x 2.5 degrees
    assert Calibration(narrow, vehicle_axes(OPENCV, "opencv")).project(even)[2].mean() < 0.01
    check_view(narrow, OPENCV, "opencv", even)
    with pytest.raises(ValueError, match="fits with camera_axes: opencv"):
        check_view(CAMERA, OPENCV, "vehicle", even)
    with pytest.raises(ValueError, match="degrees off the LiDAR's: check"):
        check_view(CAMERA, OPENCV, "vehicle", even, others=False)
