"""Label sources that agree, and the mistakes that their agreement must show."""

from dataclasses import fields, replace

import numpy as np
import pytest

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.preprocessing.agreement import Agreement, read_agreement
from tests.anovox_sample import MONO_STATIC, SCENARIOS


def golden(path=MONO_STATIC):
    return next(read_frames(open_scenario(path, None)))


def agreement(read, **changes):
    return read_agreement(replace(read, frame=replace(read.frame, **changes)))


@pytest.mark.parametrize("path", SCENARIOS)
def test_golden_sources_agree(path):
    read = golden(path)
    found = read_agreement(read)
    assert len(read.frame.points) >= found.labelled > found.projected
    assert found.projected >= found.compared >= found.clear >= found.clear_same > 0
    assert found.clear_same / found.clear > 0.95
    assert found.same_class / found.compared > 0.85
    assert found.off_outlines_same_depth / (found.off_outlines - found.hidden) > 0.95
    assert found.in_voxel == found.labelled, "semantic points have no noise, and AnoVox made its grid of them"
    assert found.same_voxel / found.in_voxel > 0.97


def test_a_mirrored_cloud_is_seen():
    """What a loader that takes y as right would do: depth and classes agree less."""
    read = golden()
    flip = np.array([1, -1, 1, 1], dtype=np.float32)
    right, mirrored = agreement(read), agreement(read, points=read.frame.points * flip)
    assert mirrored.off_outlines_same_depth / mirrored.off_outlines < 0.9
    assert mirrored.clear_same / mirrored.clear < 0.9 < 0.98 < right.clear_same / right.clear


def test_what_hides_points_counts_only_where_the_sensors_stand_apart():
    read = golden()
    near = np.full_like(read.frame.depth_m, 0.1)
    assert agreement(read, depth_m=near).hidden == 0
    apart = read.frame.calibration.camera_SE3_lidar.copy()
    apart[0, 3] += 1.0
    found = agreement(read, depth_m=near, calibration=replace(read.frame.calibration, camera_SE3_lidar=apart))
    assert found.hidden == found.off_outlines > 0


def test_another_grid_is_seen():
    """Voxels shifted by one cell hold other classes, or none, where the points are."""
    read = golden()
    shifted = read.frame.voxels + np.array([0, 0, 2, 0], dtype=np.uint16)
    assert agreement(read, voxels=shifted).same_voxel < 0.5 * agreement(read).same_voxel


def test_unknown_labels_are_not_compared():
    read = golden()
    unknown = np.full(len(read.frame.points), 255, dtype=np.uint8)
    semantic = read.clouds[0].semantic_points * [1, 1, 1, 0] + [0, 0, 0, 255]
    clouds = (replace(read.clouds[0], semantic_points=semantic),)
    found = read_agreement(replace(read, frame=replace(read.frame, point_class=unknown), clouds=clouds))
    assert (found.compared, found.same_class, found.labelled) == (0, 0, 0)


def test_without_semantic_lidar_nothing_is_compared_with_voxels():
    read = golden()
    found = read_agreement(replace(read, clouds=(replace(read.clouds[0], semantic_points=None),)))
    assert found.clear > 0 and (found.labelled, found.in_voxel, found.same_voxel) == (0, 0, 0)


def test_points_behind_something_are_not_compared():
    """A wall right before the camera hides every point."""
    read = golden()
    found = agreement(read, depth_m=np.full_like(read.frame.depth_m, 0.1))
    assert found.projected > 0 and found.compared == found.same_depth == 0


def test_outlines_are_left_out():
    """One pixel of another class, or one in front of the others, keeps its 3 x 3 surroundings out."""
    read = golden()
    flat = np.ones_like(read.frame.pixel_class), np.full_like(read.frame.depth_m, 1000.0)
    everywhere = agreement(read, pixel_class=flat[0], depth_m=flat[1])
    assert everywhere.clear == everywhere.compared > 0
    pixel_class, depth_m = flat[0].copy(), flat[1].copy()
    pixel_class[::2, ::2] = 2
    assert agreement(read, pixel_class=pixel_class, depth_m=flat[1]).clear == 0
    depth_m[::3, ::3] = 500.0
    assert agreement(read, pixel_class=flat[0], depth_m=depth_m).clear == 0


def test_counts_add_up():
    ones = Agreement(*[1] * len(fields(Agreement)))
    assert Agreement() + ones == ones and ones + ones == Agreement(*[2] * len(fields(Agreement)))
