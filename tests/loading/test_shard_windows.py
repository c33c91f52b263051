"""What came before a frame, read by tick from shards whose frames are missing, twice there, unsorted, without pose."""

import pickle
from dataclasses import replace
from operator import itemgetter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lib.common.errors import DataError
from lib.common.labels import CAR
from lib.common.ticks import HISTORY_TICKS
from lib.geometry.frame import Lidar
from lib.geometry.ground_fit import fit_ground
from lib.geometry.merged import in_vehicle_frame
from lib.geometry.rigid import vehicle_SE3_sensor, yaw_transform
from lib.loading.dataset import FrameRef, ShardDataset, as_read, batches
from lib.loading.shard_windows import ShardWindows, fastest_mps, windows_of
from lib.shards.sequences import NO_FRAME
from lib.shards.tracks import write_tracks
from lib.views.past_views import GROUND_REACH_M
from tests.present import present
from tests.views.moving_street import LIDAR, Box, Rig, Street, driving, straight, street_shard, true_tracks

CPU = torch.device("cpu")
LAGS = (0, 1, 3)
WAY = driving(6.0)
STREET = Street((Box((14.0, -0.9, 0.4), (18.0, 0.9, 1.9), CAR, (220, 40, 40), WAY),), 0.001)
SMALL = Lidar(8, 8.0, -16.0, 100.0)
BASE = yaw_transform(-0.9, (40.0, 900.0, 3.0))
RIGS = {
    "one LiDAR": Rig(
        (replace(SMALL, location=(0.8, -0.3, 2.0), rotation=(1.0, -2.0, 35.0)),), rotation=(0.0, 3.0, 8.0)
    ),
    "two LiDARs": Rig((SMALL, replace(SMALL, location=(0.5, 0.4, 1.9))), location=(0.2, 0.1, 1.6)),
}
ORDERS = {
    "whole": [0, 1, 2, 3, 4, 5],
    "gaps": [0, 2, 3, 6, 7, 10],
    "a tick twice": [0, 1, 1, 2, 3, 4, 4],
    "unsorted": [4, 0, 3, 1, 2, 5],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("windows")


def shard_of(folder, ticks=range(6), rig=None, name="Scenario_1", poses=None):
    most = 2 * LIDAR.channels * 512 // 4
    poses = straight(7.0, 0.3) if poses is None else poses
    path = folder / f"{name}.h5"
    rig = Rig((SMALL,)) if rig is None else rig
    return street_shard(path, STREET, poses, rig, list(ticks), base=BASE, max_points=most)


def past_of(shard, index, lags=LAGS, tracks=None):
    dataset = ShardDataset([shard], [FrameRef(0, index)], [ShardWindows(shard, lags, tracks)])
    return present(dataset[0].past)


def expected(ticks, index, lag):
    """By a plain search: the first frame of that tick."""
    return next((place for place, tick in enumerate(ticks) if tick == ticks[index] - lag), NO_FRAME)


@pytest.mark.parametrize("ticks", ORDERS.values(), ids=ORDERS)
def test_earlier_frames_are_found_by_their_tick(folder, ticks):
    shard = shard_of(folder, ticks)
    window = ShardWindows(shard, LAGS, None)
    for index in range(len(ticks)):
        found = [expected(ticks, index, lag) for lag in LAGS[1:]]
        assert window.earlier[index].tolist() == found
        past = past_of(shard, index)
        assert past.lags == LAGS[1:] and past.exists_BL.tolist() == [[place != NO_FRAME for place in found]]
        for frames, place in zip(past.frames, found, strict=True):
            if place != NO_FRAME:
                assert torch.equal(frames.points_BP4[0], torch.tensor(shard.points[place]))
                assert torch.equal(frames.image_BHW3[0], torch.tensor(shard.image[place]))
                assert frames.num_points_B.tolist() == [shard.num_points[place]]


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_transforms_between_frames_are_those_of_the_poses(folder, rig):
    """From the points' frame of a batch, which for merged clouds has the camera as its origin."""
    shard = shard_of(folder, rig=rig)
    camera_m = np.linalg.inv(shard.calibration.camera_SE3_lidar)[:3, 3]
    vehicle_SE3_points = np.eye(4)
    if len(rig.lidars) > 1:
        vehicle_SE3_points[:3, 3] = camera_m
    else:
        vehicle_SE3_points = vehicle_SE3_sensor(rig.lidars[0].location, rig.lidars[0].rotation)
    past = past_of(shard, 5)
    poses = [np.array(pose) @ vehicle_SE3_points for pose in shard.world_SE3_ego]
    for lag, place in ((0, 4), (1, 2)):
        found = past.now_SE3_past_BL44[0, lag].numpy()
        np.testing.assert_allclose(found, np.linalg.inv(poses[5]) @ poses[place], atol=2e-5)
        assert np.abs(found - np.eye(4)).max() > 0.3
    vehicle_R_camera = vehicle_SE3_sensor(rig.location, rig.rotation)[:3, :3]
    np.testing.assert_allclose(past.vehicle_R_camera_B33[0], vehicle_R_camera, atol=1e-5)
    np.testing.assert_allclose(past.vehicle_t_lidar_B3[0], vehicle_SE3_points[:3, 3], atol=1e-5)
    cloud = in_vehicle_frame(np.asarray(shard.points[5][: shard.num_points[5]]), shard.lidars)
    np.testing.assert_allclose(past.ground_B4[0], fit_ground(cloud, GROUND_REACH_M).coefficients, atol=1e-5)


@pytest.mark.parametrize("unknown", [[5], [4], [2], [2, 4]])
def test_without_a_pose_of_either_frame_there_is_no_past(folder, unknown):
    shard = shard_of(folder)
    pose = np.array(shard.world_SE3_ego)
    pose[unknown] = np.nan
    past = past_of(replace(shard, world_SE3_ego=pose), 5)
    known = [5 not in unknown and place not in unknown for place in (4, 2)]
    assert past.exists_BL.tolist() == [known]
    assert all(torch.isfinite(tensor.float()).all() for tensor in past.tensors()[:-1])  # but the places


def test_without_times_there_is_no_past(folder):
    shard = shard_of(folder)
    shard = replace(shard, time_s=np.full(len(shard), np.nan))
    assert not past_of(shard, 5).exists_BL.any()


def test_tracks_give_the_vehicle_ahead_now_and_then(folder):
    shard = shard_of(folder)
    tracks = true_tracks(shard, range(6), CAR, WAY)
    past = past_of(shard, 5, tracks=tracks)
    assert torch.equal(past.lead_BP[0], torch.tensor(shard.point_class[5] == CAR)) and past.lead_BP.any()
    for lag, place in ((0, 4), (1, 2)):
        assert torch.equal(past.lead_BLP[0, lag], torch.tensor(shard.point_class[place] == CAR))
    np.testing.assert_allclose(past.places_m_BT[0], [*(-0.6 * np.arange(6)), *[np.nan] * 5], atol=1e-5)


def test_without_tracks_no_vehicle_is_ahead(folder):
    past = past_of(shard_of(folder), 5)
    assert not past.lead_BP.any() and not past.lead_BLP.any() and past.places_m_BT.isnan().all()
    assert past.places_m_BT.shape == (1, HISTORY_TICKS + 1) and past.exists_BL.all()


def test_tracks_are_read_from_their_folder(folder, tmp_path):
    shard, other = shard_of(folder), shard_of(folder, name="Scenario_2", ticks=range(1, 7))
    tracks = true_tracks(shard, range(6), CAR, WAY)
    write_tracks(tmp_path / shard.path.name, tracks)
    one, none = present(windows_of([shard, other], LAGS, tmp_path))
    assert one.tracks is not None and np.array_equal(one.tracks.points_flat, tracks.points_flat)
    assert none.tracks is None
    assert windows_of([shard], (0,), tmp_path) is None


def test_tracks_of_another_shard_are_a_sentence(folder, tmp_path):
    shard, other = shard_of(folder), shard_of(folder, name="Scenario_2", ticks=range(1, 7))
    write_tracks(tmp_path / shard.path.name, true_tracks(other, range(1, 7), CAR, WAY))
    with pytest.raises(DataError, match=r"Scenario_1\.h5: is of another shard than .*run `dvc repro track`"):
        windows_of([shard], LAGS, tmp_path)


def test_the_fastest_speed_leaves_out_what_is_not_known(folder):
    shard = shard_of(folder)
    tracks = true_tracks(shard, range(6), CAR, WAY)
    speeds = np.array([np.nan, 3.0, 9.0, 9.0, 9.0, np.nan], dtype=np.float32)
    windows = [ShardWindows(shard, LAGS, replace(tracks, speed_mps=speeds)), ShardWindows(shard, LAGS, None)]
    assert 8.5 < fastest_mps(windows) <= 9.0
    assert fastest_mps(windows[1:]) == 0


@pytest.fixture(scope="module")
def two(folder):
    """Two drives, one with tracks."""
    shards = [shard_of(folder, range(9)), shard_of(folder, range(2, 9), name="Scenario_2", poses=straight(2.0))]
    tracks = [true_tracks(shards[0], range(9), CAR, WAY), None]
    windows = [ShardWindows(shard, LAGS, each) for shard, each in zip(shards, tracks, strict=True)]
    return shards, windows


REFS = [FrameRef(0, 8), FrameRef(1, 6), FrameRef(1, 0), FrameRef(0, 3)]


def equal(batch, other):
    pairs = zip(batch.tensors(), other.tensors(), strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=0, equal_nan=a.is_floating_point()) for a, b in pairs)


def test_a_batch_of_shards_is_its_frames(two):
    shards, windows = two
    dataset = ShardDataset(shards, REFS, windows)
    whole = dataset.__getitems__(range(4))
    assert present(whole.past).exists_BL.tolist() == [[True, True], [True, True], [False, False], [True, True]]
    for row in range(4):
        alone = dataset[row]
        cut = whole.changed(itemgetter(slice(row, row + 1)))
        cut_past, alone_past = present(cut.past), present(alone.past)
        assert cut_past.lags == alone_past.lags == LAGS[1:]
        assert equal(cut_past, alone_past) and equal(cut, alone)


def test_the_past_survives_changes_pickling_and_copies(two):
    shards, windows = two
    batch = ShardDataset(shards, REFS, windows).__getitems__(range(4))
    copied = batch.changed(torch.clone)
    past = present(copied.past)
    assert past is not batch.past and past.lags == LAGS[1:] and len(past.frames) == 2
    assert equal(copied, batch) and len(copied.tensors()) == 8 + 2 * 8 + 8
    assert equal(pickle.loads(pickle.dumps(batch)), batch)
    assert equal(batch.to(CPU), batch)
    halved = present(batch.changed(lambda tensor: tensor[:2]).past)
    assert len(halved.frames[1].image_BHW3) == 2 and len(halved.places_m_BT) == 2


def test_worker_processes_and_a_pickled_dataset_read_the_same_past(two):
    shards, windows = two
    dataset = pickle.loads(pickle.dumps(ShardDataset(shards, REFS, windows)))
    loader = DataLoader(dataset, batch_size=2, collate_fn=as_read, num_workers=1)
    read = list(batches(shards, REFS, 2, CPU, windows))
    assert len(read) == 2 and all(equal(a, b) for a, b in zip(loader, read, strict=True))


def test_frame_bytes_count_the_earlier_frames(two):
    shards, windows = two
    alone, with_past = ShardDataset(shards, REFS).frame_bytes, ShardDataset(shards, REFS, windows).frame_bytes
    assert with_past == 3 * alone
