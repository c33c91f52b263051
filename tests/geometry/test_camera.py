import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.geometry.camera import Camera

cameras = st.builds(Camera.from_fov, st.integers(2, 60), st.integers(2, 60), st.floats(20, 150))


@given(cameras, st.data())
def test_unprojected_pixels_project_to_their_centres(camera, data):
    depth_m = data.draw(hnp.arrays(np.float64, (camera.height_px, camera.width_px), elements=st.floats(0.1, 1000)))
    points_m = camera.unproject(depth_m)
    u, v, visible = camera.project(points_m.reshape(-1, 3))
    column, row = np.meshgrid(np.arange(camera.width_px), np.arange(camera.height_px))
    assert visible.all()
    assert np.allclose(u.reshape(depth_m.shape), column + 0.5, atol=1e-6)
    assert np.allclose(v.reshape(depth_m.shape), row + 0.5, atol=1e-6)
    assert np.array_equal(points_m[..., 0], depth_m)


@given(cameras, hnp.arrays(np.float64, (20, 3), elements=st.floats(-50, 50)))
def test_projected_points_unproject_to_themselves(camera, points_m):
    points_m[:, 0] = np.abs(points_m[:, 0]) + 0.1
    u, v, _ = camera.project(points_m)
    depth_m = points_m[:, 0]
    assert np.allclose((camera.cx_px - u) / camera.fx_px * depth_m, points_m[:, 1], atol=1e-6)
    assert np.allclose((camera.cy_px - v) / camera.fy_px * depth_m, points_m[:, 2], atol=1e-6)


def test_left_is_left_and_up_is_up():
    camera = Camera.from_fov(72, 48, 90.0)
    u, v, visible = camera.project(np.array([[10.0, 1.0, 2.0], [10.0, 0.0, 0.0]]))
    assert np.allclose(u, [36 - 3.6, 36]) and np.allclose(v, [24 - 7.2, 24]) and visible.all()


def test_points_behind_and_outside_are_not_visible():
    camera = Camera.from_fov(72, 48, 90.0)
    points_m = np.array([[-5.0, 0, 0], [0, 0, 0], [10, 10.001, 0], [10, 9.999, 0], [10, -9.999, 0], [10, -10, 0]])
    u, v, visible = camera.project(points_m)
    assert visible.tolist() == [False, False, False, True, True, False]
    assert np.isnan(u[:2]).all() and np.isnan(v[:2]).all()


@given(cameras, st.integers(1, 90), st.integers(1, 90), hnp.arrays(np.float64, (9, 3), elements=st.floats(1, 50)))
def test_resizing_scales_projections(camera, width, height, points_m):
    u, v, _ = camera.project(points_m)
    resized = camera.resized(width, height)
    again_u, again_v, _ = resized.project(points_m)
    assert np.allclose(again_u, u * width / camera.width_px) and np.allclose(again_v, v * height / camera.height_px)
    back = resized.resized(camera.width_px, camera.height_px)
    assert (back.fx_px, back.cy_px) == pytest.approx((camera.fx_px, camera.cy_px))


@given(cameras, hnp.arrays(np.float64, (3, 40), elements=st.floats(-50, 50, width=32)))
def test_pixels_are_those_of_projected_points(camera, columns_m):
    points, row, column = camera.pixels_of(columns_m)
    u, v, visible = camera.project(columns_m.T)
    assert np.array_equal(points, np.flatnonzero(visible))
    assert np.array_equal(row, v[visible].astype(int)) and np.array_equal(column, u[visible].astype(int))
