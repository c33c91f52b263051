"""AnoVox's voxel grid: its own output to the bit, and a slow reference."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.anovox.format import files, layout
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.grid import voxel_grid
from lib.anovox.format.sensor_setup import read_sensor_setup
from lib.geometry.camera import Camera
from lib.geometry.voxels import (
    GRID_SHAPE,
    LabelledCloud,
    grid_cells,
    nearest_to_corner,
    point_keys,
    points_to_grid,
    voxel_keys,
    voxelize,
)
from tests.anovox_sample import GOLDEN, MONO_STATIC, SCENARIOS, frame_path

GOLDEN_GRIDS = sorted(path for scenario in SCENARIOS for path in (scenario / "VOXEL_GRID").iterdir())


@pytest.mark.parametrize("path", GOLDEN_GRIDS, ids=lambda path: str(path.relative_to(GOLDEN)).replace("/", " ")[9:])
def test_every_golden_grid_to_the_bit(path):
    """Mono, stereo, and stereo with one LiDAR, whose other poses fill the grid from their depth images."""
    scenario, frame_id = path.parents[1], layout.frame_id_of(path)
    setup = read_sensor_setup(scenario / layout.SENSOR_SETUP)

    def file(folder, ending):
        return scenario / folder / f"{folder}_{frame_id}{ending}"

    lidars = [
        (rig.pose, files.read_semantic_lidar(file(rig.folders["SEMANTIC-LIDAR"], ".npy"))) for rig in setup.lidars
    ]
    camera = Camera.from_fov(72, 48, 90.0)
    cameras = [
        (
            rig.pose,
            camera,
            files.read_depth(file(rig.folders["DEPTH_CAM"], ".png"), 48, 72),
            read_class_image(file(rig.folders["SEMANTIC-CAM"], ".png"), 48, 72, 100),
        )
        for rig in setup.cameras
    ]
    computed, golden = voxel_grid(lidars, cameras), np.load(path)
    assert computed.dtype == golden.dtype == np.uint16
    assert np.array_equal(computed, golden)


def test_the_golden_set_covers_all_sensor_sets():
    poses = {p: len(json.loads((p / layout.SENSOR_SETUP).read_text())) for p in SCENARIOS}
    assert len(GOLDEN_GRIDS) == 8 and sorted(poses.values()) == [6, 6, 18, 18]


def naive_grid(cloud, size_m=0.5):
    """AnoVox's rule in plain loops, for a mono pose."""
    extent_m = [size_m * n for n in GRID_SHAPE]
    nearest: dict[tuple[int, ...], tuple[float, int]] = {}
    road_line = set()
    for point, class_id in zip(cloud.points_m, cloud.class_ids.tolist(), strict=True):
        shifted = [c - o + e / 2 for c, o, e in zip(point.tolist(), cloud.location, extent_m, strict=True)]
        if any(c < 0 or c >= e for c, e in zip(shifted, extent_m, strict=True)):
            continue
        cell = tuple(int(divmod(c, size_m)[0]) for c in shifted)
        distance = sum(divmod(c, size_m)[1] ** 2 for c in shifted)
        if cell not in nearest or distance < nearest[cell][0]:
            nearest[cell] = (distance, class_id)
        if class_id == 24:
            road_line.add(cell)
    order = sorted(nearest, key=lambda cell: (cell[2], cell[1], cell[0]))
    rows = [[*cell, 24 if cell in road_line else nearest[cell][1]] for cell in order]
    return np.array(rows, dtype=np.uint16).reshape(-1, 4)


# Multiples of 1/16 m: ties and points on cell borders are frequent, and sums are exact.
coordinates = st.integers(-64, 64).map(lambda n: n / 16)
points = st.integers(0, 60).flatmap(lambda n: hnp.arrays(np.float64, (n, 3), elements=coordinates))


@given(points, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 12.5, 17.0, -15.0, 250.0]))
def test_the_grid_equals_a_slow_reference(points_m, seed, lift_m):
    class_ids = np.random.default_rng(seed).choice(np.array([1, 14, 24, 33], dtype=np.uint8), len(points_m))
    cloud = LabelledCloud(points_m + np.array([0, 0, lift_m]), class_ids, (0.0, 0.0, 0.0))
    assert np.array_equal(voxelize([cloud]), naive_grid(cloud))


@given(points, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.2, 0.25, 0.3, 1.0]))
def test_other_voxel_sizes_change_the_extent_and_not_the_shape(points_m, seed, size_m):
    generator = np.random.default_rng(seed)
    class_ids = generator.choice(np.array([1, 14, 24, 33], dtype=np.uint8), len(points_m))
    edge_m = size_m * np.array(GRID_SHAPE) / 2
    points_m = points_m + generator.choice([-1, 0, 1], (len(points_m), 3)) * edge_m
    cloud = LabelledCloud(points_m, class_ids, (0.0, 0.0, 0.0))
    assert np.array_equal(voxelize([cloud], size_m), naive_grid(cloud, size_m))


def test_mono_points_lie_where_anovox_puts_them():
    """floor((p + [250, 250, 14.2]) / 0.5) for a LiDAR at (0, 0, 1.8)."""
    points_m = np.array([[10.1, -3.2, -1.8], [-250.1, 0, 0], [0, 0, 17.9], [249.9, 249.9, 17.7]])
    found = grid_cells(points_to_grid(points_m))
    assert found.tolist() == [[520, 493, 24], [-1, -1, -1], [-1, -1, -1], [999, 999, 63]]


@given(points)
def test_points_find_the_voxel_they_made(points_m):
    voxels = voxelize([LabelledCloud(points_m, np.full(len(points_m), 14, dtype=np.uint8))])
    keys = point_keys(points_m)
    assert set(keys.tolist()) == set(voxel_keys(voxels).tolist())
    assert (np.diff(voxel_keys(voxels)) > 0).all()


def test_golden_points_find_golden_voxels():
    cloud = np.load(frame_path(MONO_STATIC, "SEMANTIC-LIDAR", 1000))
    voxels = np.load(frame_path(MONO_STATIC, "VOXEL_GRID", 1000))
    assert set(point_keys(cloud).tolist()) - {-1} == set(voxel_keys(voxels).tolist())


def test_the_representative_of_a_voxel_is_nearest_to_its_lower_corner():
    points_m = points_to_grid(np.array([[0.4, 0.4, 0.4], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [9, 9, 99]]), (0, 0, 0))
    keys = voxel_keys(grid_cells(points_m))
    occupied, rows = nearest_to_corner(points_m, keys)
    assert len(occupied) == 1 and rows.tolist() == [1]


def test_no_clouds_make_an_empty_grid():
    assert voxelize([]).shape == (0, 4)


@given(
    hnp.arrays(np.float32, (30, 3), elements=st.floats(-300, 300, width=32)),
    st.sampled_from([(0.0, 0.0, 0.0), (0.0, 0.0, 180.0), (0.0, 0.0, 30.0)]),
)
def test_keys_of_points_are_those_of_their_voxels(points_m, rotation):
    location = 0.5, -1.0, 1.8
    expected = voxel_keys(grid_cells(points_to_grid(points_m, location, rotation)))
    assert np.array_equal(point_keys(points_m, location, rotation), expected)
