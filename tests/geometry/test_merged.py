"""Points of one LiDAR are placed on the vehicle; clouds that are merged are there already."""

import numpy as np

from lib.geometry.frame import Lidar
from lib.geometry.merged import in_vehicle_frame, merge_clouds, split_clouds

CLOUDS = [np.random.default_rng(seed).normal(0, 20, (30, 4)).astype(np.float32) for seed in range(2)]
POSES = [((1.5, 0.4, 1.8), (3.0, -5.0, 90.0)), ((-1.0, 0.0, 2.0), (0.0, 0.0, 180.0))]
LIDARS = [Lidar(32, 15.0, -25.0, 100.0, location=location, rotation=rotation) for location, rotation in POSES]


def test_the_points_of_one_lidar_are_placed_on_the_vehicle():
    for cloud, pose, lidar in zip(CLOUDS, POSES, LIDARS, strict=True):
        placed = in_vehicle_frame(cloud, [lidar])
        assert placed.shape == (30, 3) and placed.dtype == np.float64
        assert np.abs(placed - merge_clouds([cloud], [pose])[:, :3]).max() < 1e-4


def test_a_lidar_that_looks_to_the_right():
    """CARLA's yaw is clockwise seen from above, and its y is to the right."""
    lidar = Lidar(32, 15.0, -25.0, 100.0, location=(1.0, 2.0, 1.8), rotation=(0.0, 0.0, 90.0))
    assert np.allclose(in_vehicle_frame(np.array([[10.0, 0.0, 0.0]]), [lidar]), [[1.0, -12.0, 1.8]])


def test_merged_clouds_stay():
    merged = merge_clouds(CLOUDS, POSES)
    assert np.array_equal(in_vehicle_frame(merged, LIDARS), merged[:, :3].astype(np.float64))


def test_splitting_undoes_merging():
    for cloud, found in zip(CLOUDS, split_clouds(merge_clouds(CLOUDS, POSES), [30, 30], POSES), strict=True):
        assert np.abs(found - cloud).max() < 1e-4
