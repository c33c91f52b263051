"""Tracks of shards: ticks, poses and the LiDAR's place are read from them."""

from dataclasses import replace

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.shards.sequences import is_sequence
from lib.shards.tracks import read_tracks, write_tracks
from lib.tracking.shard_tracks import is_posed, tracks_of
from lib.tracking.tracker import LOWEST_SCORE
from tests.tracking.rear_clouds import PARAMS, braked_way_m, drive_shard

FRAMES = 26
EGO_M = 8.0 * np.arange(FRAMES) * 0.1
RANGE_M = 14.0 + braked_way_m(8.0, 8.0, 1.5, FRAMES) - EGO_M


def test_a_drive_that_brakes(tmp_path):
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M)
    tracks = tracks_of(shard, PARAMS)
    assert tracks.scenario == "Scenario_1" and tracks.shard_fingerprint == shard.fingerprint
    assert np.isfinite(tracks.frame_score).all() and len(tracks.frame_score) == FRAMES
    assert tracks.frame_score[:16].max() < 2 and tracks.frame_score[20] > 4
    assert np.abs(tracks.range_m[5:] - RANGE_M[5:]).max() < 0.5
    points = np.asarray(shard.points[15])[tracks.points(15)]
    assert len(points) > 20 and np.abs(points[:, 0] - RANGE_M[15]).max() < 1.5 and np.abs(points[:, 1]).max() < 1.4


def test_the_lidars_place_is_read(tmp_path):
    """The same drive with the LiDAR 1.5 m ahead: nearer to the rear, and the same brake."""
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M, lidar_x_m=1.5)
    tracks = tracks_of(shard, PARAMS)
    assert np.abs(tracks.range_m[5:] - (RANGE_M[5:] - 1.5)).max() < 0.5
    assert tracks.frame_score[:16].max() < 2 and tracks.frame_score[20] > 4


def test_later_frames_change_nothing(tmp_path):
    whole = tracks_of(drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M), PARAMS)
    cut = tracks_of(drive_shard(tmp_path / "Scenario_2.h5", RANGE_M[:18], EGO_M[:18]), PARAMS)
    other = tracks_of(drive_shard(tmp_path / "Scenario_3.h5", RANGE_M, EGO_M, changed_from=18), PARAMS)
    assert np.array_equal(cut.frame_score, whole.frame_score[:18])
    assert np.array_equal(other.frame_score[:18], whole.frame_score[:18])
    assert np.array_equal(cut.places_m, whole.places_m[:18], equal_nan=True)
    assert np.array_equal(other.places_m[:18], whole.places_m[:18], equal_nan=True)
    assert not np.array_equal(other.frame_score[18:], whole.frame_score[18:])


def test_missing_double_and_unsorted_ticks(tmp_path):
    """Frames in another order are judged by their ticks; a tick's second frame takes over what its first one says."""
    order = [0, 1, 2, 3, 5, 4, 6, 7, 8, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M[order], EGO_M[order], ticks=order)
    tracks = tracks_of(shard, PARAMS)
    assert tracks.frame_score[order.index(15)] < 2 < 4 < tracks.frame_score[order.index(20)]
    assert tracks.frame_score[8] == tracks.frame_score[9] and len(tracks.points(8)) and not len(tracks.points(9))
    assert np.array_equal(tracks.places_m[8], tracks.places_m[9], equal_nan=True)
    assert np.flatnonzero(np.isnan(tracks.places_m[order.index(12)])).tolist() == [2, 3]  # ticks 10 and 9
    sorted_ticks = sorted(set(order))
    plain = drive_shard(tmp_path / "Scenario_2.h5", RANGE_M[sorted_ticks], EGO_M[sorted_ticks], ticks=sorted_ticks)
    assert len(tracks_of(plain, PARAMS).frame_score) == len(sorted_ticks)


def test_a_drive_shorter_than_the_window_has_finite_scores(tmp_path):
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M[:3], EGO_M[:3])
    assert not is_sequence(shard)
    assert tracks_of(shard, PARAMS).frame_score.tolist() == [LOWEST_SCORE] * 3


def test_places_are_stored_as_they_were_found(tmp_path):
    """Float32, by tick: the lead goes 0.8 m in each until it brakes; nan stays nan, and the file is the same twice."""
    tracks = tracks_of(drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M), PARAMS)
    for name in ("a.h5", "b.h5"):
        write_tracks(tmp_path / name, tracks)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    stored = read_tracks(tmp_path / "a.h5").places_m
    assert stored.shape == (FRAMES, 11) and stored.dtype == np.float32
    assert np.array_equal(stored, tracks.places_m, equal_nan=True)
    assert np.isnan(stored[0]).all() and np.isfinite(stored[1]).sum() == 2
    assert np.abs(stored[14] + 0.8 * np.arange(11)).max() < 0.15


def test_without_poses_there_is_one_sentence(tmp_path):
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M, posed=False)
    with pytest.raises(
        DataError, match=r"26 of 26 frames of Scenario_1 have no pose.*ACTION.*preprocess.poses=odometry"
    ):
        tracks_of(shard, PARAMS)


def test_half_of_the_poses_are_enough(tmp_path):
    shard = drive_shard(tmp_path / "Scenario_1.h5", RANGE_M, EGO_M)
    pose = np.array(shard.world_SE3_ego)
    for unknown, enough in ((13, True), (14, False)):
        pose[:unknown] = np.nan
        assert is_posed(replace(shard, world_SE3_ego=pose)) is enough
