"""Label sources that agree, and the mistakes that their agreement must show."""

from dataclasses import fields, replace

import numpy as np
import pytest

from lib.anovox.point_labels import LabelSource
from lib.anovox.reader import read_frames
from lib.anovox.scenario import open_scenario
from lib.shards.agreement import Agreement, frame_agreement
from tests.anovox_sample import MONO_STATIC, SCENARIOS


def golden(path=MONO_STATIC):
    return next(read_frames(open_scenario(path, None)))


def agreement(read, **changes):
    return frame_agreement(replace(read.frame, **changes), read.point_labels)


@pytest.mark.parametrize("path", SCENARIOS)
def test_golden_sources_agree(path):
    read = golden(path)
    found = frame_agreement(read.frame, read.point_labels)
    assert len(read.frame.points) == found.labelled > found.projected
    assert found.projected >= found.compared >= found.clear >= found.clear_same > 0
    assert found.clear_same / found.clear > 0.95
    assert found.same_class / found.compared > 0.85
    assert found.mirrored_same / found.mirrored < 0.9
    assert found.same_voxel / found.in_voxel > 0.97


def test_a_mirrored_cloud_is_seen():
    """What a loader that takes y as right would do: all agreements fall, and the other way round they are fine."""
    read = golden()
    flip = np.array([1, -1, 1, 1], dtype=np.float32)
    right, mirrored = agreement(read), agreement(read, points=read.frame.points * flip)
    assert (mirrored.clear, mirrored.clear_same) == (right.mirrored, right.mirrored_same)
    assert (mirrored.mirrored, mirrored.mirrored_same) == (right.clear, right.clear_same)
    assert mirrored.same_depth / mirrored.projected < right.same_depth / right.projected - 0.1
    assert mirrored.in_voxel / mirrored.labelled < right.in_voxel / right.labelled - 0.1


def counted(same, turned_same, points=1000):
    return Agreement(clear=points, clear_same=same, mirrored=points, mirrored_same=turned_same)


def test_mirrored_means_clearly_better_the_other_way_round():
    assert counted(730, 999).looks_mirrored and counted(960, 990).looks_mirrored
    assert not counted(999, 730).looks_mirrored
    assert not counted(985, 999).looks_mirrored, "a straight empty road looks the same either way"
    assert not counted(600, 700).looks_mirrored, "labels of other frames"
    assert not counted(7, 10, points=10).looks_mirrored, "too few points"
    assert not Agreement().looks_mirrored


def test_another_grid_is_seen():
    """Voxels shifted by one cell hold other classes, or none, where the points are."""
    read = golden()
    shifted = read.frame.voxels + np.array([0, 0, 2, 0], dtype=np.uint16)
    assert agreement(read, voxels=shifted).same_voxel < 0.5 * agreement(read).same_voxel


def test_unknown_labels_are_not_compared():
    read = golden()
    unknown = np.full(len(read.frame.points), 255, dtype=np.uint8)
    labels = replace(read.point_labels, class_ids=unknown)
    found = frame_agreement(replace(read.frame, point_class=unknown), labels)
    assert (found.compared, found.same_class, found.labelled) == (0, 0, 0)


def test_labels_from_voxels_are_not_compared_with_voxels():
    read = golden()
    labels = replace(read.point_labels, source=np.full_like(read.point_labels.source, LabelSource.VOXEL))
    found = frame_agreement(read.frame, labels)
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
