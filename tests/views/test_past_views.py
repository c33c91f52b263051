"""What is seen of motion, on streets that are cast at several poses of an ego: the truth is known to the centimetre."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.common.labels import CAR, ROAD, WALL
from lib.geometry.frame import Lidar
from lib.geometry.rigid import rotation_about, yaw_transform
from lib.loading.dataset import FrameRef, ShardDataset
from lib.loading.shard_windows import ShardWindows
from lib.views.mirror import mirrored
from lib.views.past_views import half_size, make_past_views, views_of
from lib.views.range_view import make_views
from tests.present import present
from tests.views.moving_street import (
    GRID,
    LIDAR,
    Box,
    Rig,
    Street,
    driving,
    last_frame,
    standing,
    straight,
    street_shard,
    true_tracks,
)

LAGS = (0, 2, 5, 10)
STILL, MOVED, STILL_KNOWN, MOVED_KNOWN = range(4)
WALLS = (
    Box((6.0, 5.0, 0.0), (20.0, 6.0, 4.0), WALL),
    Box((35.0, -4.5, 0.0), (36.0, 5.0, 4.0), WALL),
    Box((9.0, -6.5, 0.0), (10.5, -4.5, 2.0), WALL),
)
RIGS = {
    "plain": Rig(),
    "LiDAR ahead of the camera": Rig((Lidar(32, 8.0, -16.0, 100.0, location=(1.0, 0.3, 1.9)),)),
    "turned LiDAR": Rig((Lidar(32, 8.0, -16.0, 100.0, rotation=(0.0, 0.0, 90.0)),)),
    "tilted LiDAR": Rig((Lidar(32, 8.0, -16.0, 100.0, rotation=(2.0, -3.0, 30.0)),)),
    "tilted camera": Rig(location=(0.5, -0.2, 1.5), rotation=(-1.0, 4.0, 5.0)),
    "two LiDARs": Rig(
        (LIDAR, Lidar(32, 8.0, -16.0, 100.0, location=(0.6, 0.4, 1.9), rotation=(0.0, 0.0, 20.0))),
        location=(0.3, 0.0, 1.7),
    ),
}


def lead(way, rear_m=14.0):
    """A vehicle ahead whose rear is there now."""
    return Box((rear_m, -0.9, 0.4), (rear_m + 4.0, 0.9, 1.9), CAR, (220, 40, 40), way)


def motion(path, street, poses, rig=None, grid=GRID, lags=LAGS, **changes):
    """Views of the last frame, its past, and the channels (L, 4, R, C) of each lag; then those of changes."""
    shard = street_shard(path / "Scenario_1.h5", street, poses, rig, **changes)
    batch, past = last_frame(shard, lags)
    views, _ = views_of(batch, grid)
    channels = present(views.motion).channels_BMRC[0]
    lags_count = len(lags) - 1
    return views, past, channels[: 4 * lags_count].view(lags_count, 4, *channels.shape[1:]), channels[4 * lags_count :]


def of_class(views, class_id):
    return views.point_class_BRC[0] == class_id


def inner_rear(views, past, rear_m):
    """Cells on the rear of the vehicle ahead, where it was met in the same direction when it was farther away, too."""
    places_3N = past.vehicle_R_camera_B33[0] @ views.xyz_B3RC[0].flatten(1) + past.vehicle_t_lidar_B3[0, :, None]
    x, y, z = places_3N.view(views.xyz_B3RC.shape[1:])
    return of_class(views, CAR) & ((x - rear_m).abs() < 0.2) & (y.abs() < 0.6) & (z > 0.75) & (z < 1.72)


def known(channels, which, cells):
    """The values of a channel where it is known, among some cells; most must be known."""
    mask = {STILL: STILL_KNOWN, MOVED: MOVED_KNOWN}[which]
    chosen = cells & (channels[mask] > 0)
    assert chosen.sum() > 0.5 * cells.sum() > 2
    return channels[which][chosen]


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("poses", [straight(0.0), straight(9.0), straight(6.0, 0.25), straight(7.0, -0.4)])
def test_what_stands_is_still_for_any_ego_and_rig(tmp_path, rig, poses):
    base = yaw_transform(2.1, (300.0, -70.0, 5.0))
    views, _, channels, _ = motion(tmp_path, Street(WALLS), poses, rig, base=base)
    for lag in channels:
        still_m = 3 * known(lag, STILL, of_class(views, WALL))
        # Between two rays, a wall that is seen at a flat angle is decimetres nearer or farther.
        assert still_m.abs().median() < 0.12
        assert (still_m.abs() < 0.5).float().mean() > 0.8


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_what_moves_is_not_still(tmp_path, rig):
    """Seen from where the ego was, nothing stood where the vehicle ahead is now but what is behind it."""
    views, _, channels, _ = motion(tmp_path, Street((*WALLS, lead(driving(8.0)))), straight(8.0), rig)
    for lag, metres in zip(channels, (1.6, 4.0, 8.0), strict=True):
        still_m = 3 * known(lag, STILL, of_class(views, CAR) & (views.xyz_B3RC[0, 0] < 15.5))
        assert still_m.median() == pytest.approx(min(metres, 3.0), abs=0.15)  # its rear was nearer by so much


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize(("ego_mps", "lead_mps"), [(0.0, 5.0), (8.0, 8.0), (12.0, 7.0), (6.0, 0.0), (3.0, 13.0)])
def test_moved_is_the_speed_over_the_ground_whatever_the_egos(tmp_path, rig, ego_mps, lead_mps):
    street = Street((*WALLS, lead(driving(lead_mps), 20.0)))
    views, past, channels, changes = motion(tmp_path, street, straight(ego_mps), rig)
    rear = inner_rear(views, past, 20.0)
    for lag in channels[:2]:
        assert 10 * known(lag, MOVED, rear).median() == pytest.approx(lead_mps, abs=0.35)
    assert 10 * changes[0][rear].median() == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize("acceleration_mps2", [-8.0, -3.0, 2.0])
@pytest.mark.parametrize("ego_mps", [0.0, 9.0])
def test_the_change_of_moved_is_the_acceleration(tmp_path, acceleration_mps2, ego_mps):
    street = Street((*WALLS, lead(driving(9.0, acceleration_mps2), 18.0)))
    views, past, channels, changes = motion(tmp_path, street, straight(ego_mps))
    rear = inner_rear(views, past, 18.0)
    for change in changes:
        assert 10 * change[rear & (change != 0)].median() == pytest.approx(acceleration_mps2, abs=0.4)
    for lag, ago_s in zip(channels, (0.2, 0.5, 1.0), strict=True):
        mean_mps = 9.0 - acceleration_mps2 * ago_s / 2
        assert 10 * known(lag, MOVED, rear).median() == pytest.approx(mean_mps, abs=0.2)


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
@pytest.mark.parametrize("bend_1pm", [0.0, 0.0012, -0.0012])
def test_all_is_zero_on_the_ground(tmp_path, rig, bend_1pm):
    """Where `moved` would be the ego's speed."""
    views, _, channels, changes = motion(tmp_path, Street((), bend_1pm), straight(9.0), rig, noise_m=0.05)
    ground = of_class(views, ROAD)
    distance_m = views.range_m_BRC[0]
    near = ground & (distance_m < 35) & (views.xyz_B3RC[0, 1].abs() < 8) & (views.xyz_B3RC[0, 0] > 0)
    assert near.sum() > 300
    for lag in channels:
        assert (lag[:, near] != 0).float().mean() < 0.01
    assert (changes[:, near] != 0).float().mean() < 0.01


def test_ahead_on_a_hill_a_vehicle_still_moves(tmp_path):
    street = Street((lead(driving(8.0), 18.0),), 0.001)
    views, past, channels, _ = motion(tmp_path, street, straight(8.0))
    high = inner_rear(views, past, 18.0)
    assert 10 * known(channels[0], MOVED, high).median() == pytest.approx(8.0, abs=0.3)


@pytest.mark.parametrize(
    ("ticks", "missing"), [((10,), (0, 1, 2)), ((0, 8, 10), (1,)), ((5, 8, 10), (2,)), ((0, 5, 10), (0,))]
)
def test_missing_lags_are_zeros_with_masks_of_zero(tmp_path, ticks, missing):
    street = Street((*WALLS, lead(driving(8.0))))
    views, past, channels, changes = motion(tmp_path, street, straight(8.0), ticks=ticks)
    assert past.exists_BL.tolist() == [[number not in missing for number in range(3)]]
    assert torch.equal(present(views.motion).exists_BL, past.exists_BL)
    for number, lag in enumerate(channels):
        assert lag[MOVED_KNOWN].any().item() == lag[STILL_KNOWN].any().item() == (number not in missing)
        images = present(views.motion).images_BLhw[0, 3 * number : 3 * number + 3]
        assert images.any().item() == (number not in missing)
        if number in missing:
            assert not lag.any()
    for number, change in enumerate(changes):
        assert change.any().item() == (number not in missing and number + 1 not in missing)


@pytest.mark.parametrize("rig", [RIGS["plain"], RIGS["two LiDARs"]], ids=["plain", "two LiDARs"])
def test_the_mirror_image_is_that_of_the_mirrored_world(tmp_path, rig):
    """Cast anew with everything left and right exchanged, the ego's turn and the sensors' places as well."""

    def flipped(box):
        (x, y, z), (x2, y2, z2) = box.low_m, box.high_m
        return replace(box, low_m=(x, -y2, z), high_m=(x2, -y, z2))

    def turned(place, rotation):
        return (place[0], -place[1], place[2]), (-rotation[0], rotation[1], -rotation[2])

    street = Street((*WALLS, lead(driving(8.0))))
    lidars = [turned(lidar.location, lidar.rotation) for lidar in rig.lidars]
    other_lidars = tuple(
        replace(lidar, location=at, rotation=by) for lidar, (at, by) in zip(rig.lidars, lidars, strict=True)
    )
    location, rotation = turned(rig.location, rig.rotation)
    other_rig = Rig(other_lidars, rig.camera, location, rotation)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = motion(tmp_path / "here", street, straight(6.0, 0.2), rig)[0]
    other_street = Street(tuple(flipped(box) for box in street.boxes))
    there = motion(tmp_path / "there", other_street, straight(6.0, -0.2), other_rig)[0]
    found = present(mirrored(here).motion)
    difference = (found.channels_BMRC - present(there.motion).channels_BMRC).abs()
    assert (difference < 0.02).float().mean() > 0.995
    assert ((found.images_BLhw - present(there.motion).images_BLhw).abs() < 0.02).float().mean() > 0.99
    assert (mirrored(here).range_m_BRC - there.range_m_BRC).abs().median() < 1e-3


@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0), (-1.0, 4.0, 5.0)])
def test_after_a_pure_turn_the_earlier_image_lies_on_the_present_one(tmp_path, rotation):
    street = Street((*WALLS, lead(standing), Box((12.0, -5.0, 0.0), (13.0, -2.5, 3.0), WALL, (30, 200, 40))))

    def poses(time_s):
        return yaw_transform(0.35 * time_s)

    rig = Rig(rotation=rotation)
    views = motion(tmp_path, street, poses, rig)[0]
    small, width = half_size(views.image_B3HW)[0], views.image_B3HW.shape[-1] // 2
    for number, ago_s in enumerate((0.2, 0.5, 1.0)):
        lost = int(np.ceil(np.tan(0.35 * ago_s) * width)) + 1  # at the side, not seen then
        inner = (slice(None), slice(2, -2), slice(lost, -lost))
        image = present(views.motion).images_BLhw[0, 3 * number : 3 * number + 3]
        difference = (image - small)[inner].abs().mean(0)
        assert (difference < 0.08).float().mean() > 0.9 and difference.median() < 0.01


def test_a_pitching_ego_sees_what_stands_still(tmp_path):
    def poses(time_s):
        pose = yaw_transform(0.0, (8.0 * time_s, 0.0, 0.0))
        pose[:3, :3] = rotation_about(np.array([0.0, 1.0, 0.0]), 0.02 * time_s)
        return pose

    views, past, channels, _ = motion(tmp_path, Street((*WALLS, lead(driving(8.0)))), poses)
    for lag in channels:
        assert 3 * known(lag, STILL, of_class(views, WALL)).abs().median() < 0.12
    rear = inner_rear(views, past, 14.0)
    assert 10 * known(channels[0], MOVED, rear).median() == pytest.approx(8.0, abs=0.3)


def test_cells_of_the_vehicle_ahead_are_those_of_its_points(tmp_path):
    way = driving(8.0)
    shard = street_shard(tmp_path / "Scenario_1.h5", Street((*WALLS, lead(way))), straight(8.0))
    batch, past = last_frame(shard, LAGS, true_tracks(shard, range(11), CAR, way))
    views, _ = views_of(batch, GRID)
    assert torch.equal(present(views.motion).lead_BRC, views.point_class_BRC == CAR)
    np.testing.assert_allclose(present(views.motion).places_m_BT[0], [-0.8 * ago for ago in range(11)], atol=1e-5)
    for each in make_past_views(batch, past, GRID):
        then, _ = make_views(past.frames[past.lags.index(each.lag)], GRID)
        assert torch.equal(each.lead_BRC, then.point_class_BRC == CAR)


def test_a_frame_does_not_depend_on_its_batch(tmp_path):
    """Frames of two drives with other rigs together: motion is that of each alone."""
    shards = []
    for number, rig in enumerate((RIGS["plain"], RIGS["tilted LiDAR"])):
        path = tmp_path / f"Scenario_{number}.h5"
        most = LIDAR.channels * 512
        street = Street((*WALLS, lead(driving(8.0 - 3 * number))))
        shards.append(street_shard(path, street, straight(6.0, 0.1 * number), rig, max_points=most))
    windows = [ShardWindows(shard, LAGS, None) for shard in shards]
    refs = [FrameRef(0, 10), FrameRef(1, 6), FrameRef(0, 1)]
    dataset = ShardDataset(shards, refs, windows)
    together = present(views_of(dataset.__getitems__([0, 1, 2]), GRID)[0].motion)
    for row in range(3):
        alone = present(views_of(dataset[row], GRID)[0].motion)
        for whole, part in zip(vars(together).values(), vars(alone).values(), strict=True):
            torch.testing.assert_close(whole[row : row + 1], part, equal_nan=True, rtol=1e-5, atol=1e-5)
