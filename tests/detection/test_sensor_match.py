from dataclasses import replace

import numpy as np
import pytest

from lib.detection.sensor_match import range_view_of, scaled_to_training
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Frame, Lidar
from lib.geometry.rings import find_lidar
from lib.reading.recorded_frames import unlabelled_frame
from lib.sensors.sensor_statistics import measure
from lib.views.range_view import RangeGrid

GRID = RangeGrid(16, 180, 180, 15.0, -15.0)


def cloud(elevations_deg, rays, sweep_deg=360.0):
    """A point on each ray, 10 m away, ring by ring."""
    azimuth = np.deg2rad(np.arange(rays) * sweep_deg / rays - sweep_deg / 2)
    elevation, azimuth = (part.ravel() for part in np.meshgrid(np.deg2rad(elevations_deg), azimuth, indexing="ij"))
    places = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
    return np.column_stack([*(10 * part for part in places), np.full(len(azimuth), 0.5)]).astype(np.float32)


def frame(camera: Camera, lidar: Lidar, points) -> Frame:
    image = np.random.default_rng(1).integers(0, 256, (camera.height_px, camera.width_px, 3), dtype=np.uint8)
    return unlabelled_frame("a", 1, image, points, Calibration(camera, np.eye(4)), (lidar,), None).frame


EVEN = Lidar(16, 15.0, -15.0, 100.0)
TRAINED = frame(Camera.from_fov(192, 128, 90.0), EVEN, cloud(np.linspace(15, -15, 16), 180))
SENSORS = measure([TRAINED])


@pytest.mark.parametrize(
    "camera",
    [
        TRAINED.camera,
        Camera(100, 60, 96.0, 96.0, 40.0, 31.0),  # sees less, at the same focal length
        Camera(192, 128, 190.0, 190.0, 96.0, 64.0),  # finer, but not twice
        Camera(192, 128, 60.0, 60.0, 96.0, 64.0),  # coarser
    ],
)
def test_an_image_that_is_not_much_finer_stays_as_it_is(camera):
    given = frame(camera, EVEN, TRAINED.points)
    assert scaled_to_training(given, SENSORS) is given


@pytest.mark.parametrize(
    ("camera", "size"),
    [
        (Camera.from_fov(1920, 1280, 90.0), (192, 128)),  # the training's field of view
        (Camera(1242, 375, 721.5, 721.5, 609.6, 172.9), (331, 100)),  # KITTI's
        (Camera(400, 400, 96.0, 384.0, 200.0, 200.0), (400, 200)),  # pixels that are not square
        (Camera(640, 480, 3000.0, 3000.0, 320.0, 240.0), (41, 32)),  # no smaller than 32 pixels
    ],
)
def test_finer_images_are_scaled(camera, size):
    scaled = scaled_to_training(frame(camera, EVEN, TRAINED.points), SENSORS)
    assert (scaled.camera.width_px, scaled.camera.height_px) == size and scaled.image.shape == (*size[::-1], 3)
    assert max(scaled.camera.fx_px, scaled.camera.fy_px) / 96 < 2.1
    u, v, _ = camera.project(TRAINED.points[:, :3])
    u_scaled, v_scaled, _ = scaled.camera.project(TRAINED.points[:, :3])
    np.testing.assert_allclose(u_scaled / size[0], u / camera.width_px)
    np.testing.assert_allclose(v_scaled / size[1], v / camera.height_px)


def test_the_training_s_lidar_has_the_training_s_range_view():
    assert range_view_of(TRAINED, SENSORS, GRID) is GRID
    assert range_view_of(TRAINED, SENSORS, replace(GRID, rows=8)) == replace(GRID, rows=8)  # fewer rows than rings
    for rings in (16, 12):  # found in a cloud, where some rings may hit nothing
        points = cloud(np.linspace(15, -15, 16)[-rings:], 180)
        found = frame(TRAINED.camera, find_lidar(points, None, 100.0), points)
        assert found.lidars[0].channels == rings and range_view_of(found, SENSORS, GRID) is GRID


def test_another_lidar_has_rows_at_its_rings():
    rings_deg = np.array([10.0, 6.0, 2.0, -2.0, -6.0, -12.0])
    points = cloud(rings_deg, 90)
    found = range_view_of(frame(TRAINED.camera, find_lidar(points, None, 100.0), points), SENSORS, GRID)
    assert found.elevations_deg == pytest.approx(rings_deg, abs=1e-3) and found.columns == 90


@pytest.mark.parametrize("rays", [90, 360])
def test_other_rays_per_turn_are_noticed(rays):
    points = cloud(np.linspace(15, -15, 16), rays)
    found = range_view_of(frame(TRAINED.camera, find_lidar(points, None, 100.0), points), SENSORS, GRID)
    assert found is not GRID and found.columns == min(rays, 180)  # no denser than in training


def test_merged_clouds_keep_the_training_s_range_view():
    both = replace(TRAINED, lidars=(EVEN, EVEN), cloud_sizes=(len(TRAINED.points), 0))
    assert range_view_of(both, SENSORS, GRID) is GRID
