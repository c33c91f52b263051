"""Labels from SEMANTIC-LIDAR by row, by direction, by voxel; 255 where nothing fits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.format.recording import SensorPose
from lib.anovox.reading.point_labels import NO_VOXEL, rows_of_keys, transfer_labels
from lib.geometry.voxels import LabelledCloud, point_keys, voxelize
from lib.reading.recorded_frames import LabelSource
from tests.anovox_sample import lidar_recording

POSE = SensorPose()
seeds = st.integers(0, 2**32 - 1)


def clouds(seed, points=300):
    made = lidar_recording(np.random.default_rng(seed), points, anomaly_id=33)
    return made.lidar, made.semantic_lidar


@given(seeds)
def test_rows_that_match_give_every_label(seed):
    lidar, semantic = clouds(seed)
    labels = transfer_labels(lidar, semantic, None, POSE, 0.1)
    assert np.array_equal(labels.class_ids, semantic[:, 3])
    assert labels.count(LabelSource.ROW) == len(lidar)


@given(seeds)
def test_shuffled_rows_are_matched_by_direction(seed):
    lidar, semantic = clouds(seed)
    order = np.random.default_rng(seed).permutation(len(lidar))
    labels = transfer_labels(lidar, semantic[order], None, POSE, 0.1)
    assert np.array_equal(labels.class_ids, semantic[:, 3])


@given(seeds)
def test_dropped_rows_are_matched_by_direction_and_never_by_row(seed):
    lidar, semantic = clouds(seed)
    labels = transfer_labels(np.delete(lidar, 5, axis=0), semantic, None, POSE, 0.1)
    assert np.array_equal(labels.class_ids, np.delete(semantic[:, 3], 5))
    assert labels.count(LabelSource.ROW) == 0


def test_a_shift_of_rows_at_equal_length_is_noticed():
    """Each sensor lost another point: same N, but most rows are off by one."""
    lidar, semantic = clouds(1)
    labels = transfer_labels(np.delete(lidar, 5, axis=0), np.delete(semantic, 200, axis=0), None, POSE, 0.1)
    expected = np.delete(semantic[:, 3], 5)
    expected[199] = 255
    assert np.array_equal(labels.class_ids, expected)
    assert labels.count(LabelSource.ROW) == 104 and labels.count(LabelSource.DIRECTION) == 194


def test_a_return_at_another_range_gives_no_label():
    """The same ray saw something 5 m away in one sensor and 10 m away in the other."""
    lidar = np.array([[5, 0, 0, 1], [0, 5, 0, 1]], dtype=np.float32)
    semantic = np.array([[10, 0, 0, 33], [0, 5.3, 0, 14]])
    assert transfer_labels(lidar, semantic, None, POSE, 0.1).class_ids.tolist() == [255, 14]


def test_the_voxel_that_holds_a_point_labels_it_where_nothing_else_does():
    _, semantic = clouds(3)
    semantic = semantic[np.abs(semantic[:, 2]) < 14]
    voxels = voxelize([LabelledCloud(semantic[:, :3], semantic[:, 3].astype(np.uint8))])
    exact = semantic.astype(np.float32)
    labels = transfer_labels(exact, None, voxels, POSE, 0.1)
    assert labels.count(LabelSource.VOXEL) == len(semantic) > 100
    assert (labels.class_ids == semantic[:, 3]).mean() > 0.9
    far = exact + np.float32(1000)
    assert (transfer_labels(far, None, voxels, POSE, 0.1).class_ids == 255).all()


def test_the_order_of_voxels_does_not_matter():
    _, semantic = clouds(4)
    voxels = voxelize([LabelledCloud(semantic[:, :3], semantic[:, 3].astype(np.uint8))])
    shuffled = np.random.default_rng(0).permutation(voxels)
    first, second = (transfer_labels(semantic.astype(np.float32), None, v, POSE, 0.1) for v in (voxels, shuffled))
    assert np.array_equal(first.class_ids, second.class_ids)


def test_a_point_finds_the_first_row_of_its_voxel():
    voxels = np.array([[501, 500, 35, 7], [500, 500, 35, 1], [500, 500, 35, 2]], dtype=np.uint16)
    points = np.array([[0.1, 0.1, 3.4], [0.2, 0.1, 3.4], [0.6, 0.1, 3.4], [0.1, 0.1, 3.4], [1e4, 0, 0], [0, 0, 0]])
    assert rows_of_keys(point_keys(points, *POSE), voxels).tolist() == [1, 1, 0, 1, NO_VOXEL, NO_VOXEL]
    assert rows_of_keys(point_keys(points[:0], *POSE), voxels).tolist() == []


def test_a_point_at_the_sensor_is_no_problem():
    lidar, semantic = np.zeros((1, 4), dtype=np.float32), np.array([[1.0, 2.0, 3.0, 14.0]])
    assert transfer_labels(lidar, semantic, None, POSE, 0.1).class_ids.tolist() == [255]
