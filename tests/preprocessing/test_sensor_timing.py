"""A camera, LiDAR or pose that is one tick late is found in drives at 10 Hz; sound drives are left in peace."""

import shutil

import numpy as np
import pytest

from lib.anovox.reading.anovox_recordings import open_anovox
from lib.doctor.survey import survey
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import yaw_transform
from lib.preprocessing.drive_checks import drive_notes
from lib.preprocessing.label_checks import objections
from lib.preprocessing.pose_timing import compared_ticks, pose_timing, still_cloud
from lib.reading.recorded_frames import ReadFrame
from tests.drives import CAMERA, CLOUDS, a_tick_early, a_tick_late, write_drive

TICK_S = np.arange(24) * 0.1
DRIVES = {
    "slow": (np.full(12, 2.0), None),
    "brakes": (np.interp(TICK_S, [0, 0.8, 2, 2.4], [8, 8, 3, 3]), None),
    "turns": (np.full(24, 6.0), 0.2 * np.sin(2.5 * TICK_S)),
}


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    return {name: write_drive(tmp_path_factory.mktemp(name), *motion) for name, motion in DRIVES.items()}


def named(root, frames=0):
    """Names of the objections and of the notes on a drive, and the descriptions of these."""
    statistics = survey(root, "forward", frames, 1).statistics
    notes = drive_notes(statistics, dict.fromkeys(statistics, ScenarioType.NORMALITY))
    return {each.name for each in objections(statistics)}, {note.name: note.what for note in notes}


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("frames", [0, 10])
def test_sound_drives_pass(drives, name, frames):
    found, notes = named(drives[name].parent, frames)
    assert not found and set(notes) == ({"poses_unjudged"} if name == "slow" else set())


@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize(
    ("kinds", "rule"),
    [(CLOUDS, "clouds_of_other_tick"), (CAMERA, "clouds_of_other_tick"), (("RGB-CAM",), "other_tick")],
)
@pytest.mark.parametrize("move", [a_tick_late, a_tick_early])
def test_a_sensor_that_is_one_tick_off_is_found_at_walking_pace(drives, tmp_path, name, kinds, rule, move):
    damaged = shutil.copytree(drives[name], tmp_path / "data" / drives[name].name)
    move(damaged, *kinds)
    found, notes = named(damaged.parent)
    assert rule in found
    assert ("poses_of_other_tick" in notes) == (kinds == CLOUDS and name != "slow")


@pytest.mark.parametrize("name", ["brakes", "turns"])
@pytest.mark.parametrize(("move", "side"), [(a_tick_late, "early"), (a_tick_early, "late")])
def test_poses_that_are_one_tick_off_are_found_where_the_ego_accelerates(drives, tmp_path, name, move, side):
    damaged = shutil.copytree(drives[name], tmp_path / "data" / drives[name].name)
    move(damaged, "ACTION")
    found, notes = named(damaged.parent, 10)
    assert not found and f"the clouds are one tick {side} for the poses" in notes["poses_of_other_tick"]


def poses_at(way_m, times_s=None):
    times_s = [0.1 * tick for tick in range(len(way_m))] if times_s is None else times_s
    return {time_s: yaw_transform(0.0, (x, 0.0, 0.0)) for time_s, x in zip(times_s, way_m, strict=True)}


def test_ticks_are_compared_where_the_speed_changes():
    assert compared_ticks(poses_at(0.8 * np.arange(30))) == []
    braking = np.cumsum(np.interp(np.arange(40), [20, 30], [0.8, 0.2]))
    pairs = compared_ticks(poses_at(braking))
    assert pairs and all(first < 3.0 and second > 2.0 for first, second in pairs)
    assert compared_ticks(poses_at(braking[:2])) == compared_ticks({}) == []


def test_ticks_without_neighbours_are_not_compared():
    """Where ticks are missing, the poses of the neighbours are not one tick away."""
    times_s = [0.1 * tick for tick in range(40) if tick not in (18, 27)]
    way_m = np.cumsum(np.interp(np.arange(38), [15, 30], [0.8, 0.2]))
    used = {round(time_s * 10) for pair in compared_ticks(poses_at(way_m, times_s)) for time_s in pair}
    assert used and not used & {17, 18, 19, 26, 27, 28}


def test_what_stands_still_fits_itself_with_the_poses_of_its_tick(drives):
    reads = open_anovox(drives["brakes"], None, "forward").frames(None)
    frames = [read.frame for read in reads if isinstance(read, ReadFrame)]
    clouds = [cloud for cloud in map(still_cloud, frames) if cloud is not None]
    poses = {cloud.time_s: cloud.world_SE3_ego for cloud in clouds}
    timing = pose_timing(clouds, poses)
    assert timing == pose_timing(clouds[::-1], poses) and timing.pairs == 4
    assert min(timing.own_over_before, timing.own_over_after) > 2 * max(timing.before, timing.after)
    assert pose_timing([], poses).pairs == 0
