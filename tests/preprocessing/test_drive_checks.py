"""Notes on drives: poses that lack or jump, a vehicle ahead that is not there, drives that are too short."""

from dataclasses import replace

import numpy as np
import pytest

from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import yaw_transform
from lib.preprocessing.drive_checks import drive_notes, is_drive
from lib.preprocessing.drive_facts import DriveFacts, drive_facts
from lib.preprocessing.pose_timing import PoseTiming
from lib.preprocessing.statistics import Statistics

SOUND = PoseTiming(4, 900, 300, 900, 300)
DRIVE = DriveFacts(100, 100, 9.9, 0, SOUND)


def statistics(drive=DRIVE, *class_ids):
    point_classes = np.zeros(256, dtype=np.int64)
    point_classes[[1, 3, *class_ids]] = 50
    return Statistics(frames=drive.ticks, point_classes=point_classes, drive=drive)


def notes(kind=ScenarioType.NORMALITY, **drives):
    return {note.name: note for note in drive_notes(drives, dict.fromkeys(drives, kind))}


def test_sound_drives_have_no_note():
    assert notes(a=statistics(), b=statistics(replace(DRIVE, timing=PoseTiming()))) == {}
    assert notes(ScenarioType.DYNAMIC, a=statistics(DRIVE, 100, 114)) == {}


def test_two_frames_are_no_drive():
    """As in the sample of still scenarios, which needs no poses."""
    still = DriveFacts(2, 0, 0.5)
    assert not is_drive(statistics(still)) and notes(a=statistics(still)) == {}
    assert not is_drive(statistics(DriveFacts(10, 0, 9.0)))


def test_missing_poses_name_what_cannot_be_done_and_the_param():
    found = notes(a=statistics(), b=statistics(replace(DRIVE, posed=0)), c=statistics(replace(DRIVE, posed=0)))
    note = found["no_poses"]
    assert note.scenarios == ("b", "c") and note.severe
    assert "windows of the past cannot be compensated" in note.what and "preprocess.poses to odometry" in note.remedy
    assert note.sentence.startswith("b (and 1 more): no frame has a pose")
    assert "3 of 100 ticks have no pose" in notes(a=statistics(replace(DRIVE, posed=97)))["missing_poses"].what


@pytest.mark.parametrize(
    ("timing", "name"),
    [
        (PoseTiming(4, 300, 900, 1200, 100), "poses_of_other_tick"),
        (PoseTiming(4, 1200, 100, 300, 900), "poses_of_other_tick"),
        (PoseTiming(4, 30, 90, 120, 10), "poses_unjudged"),  # too few points
        (PoseTiming(4, 500, 450, 480, 470), "poses_unjudged"),
        (PoseTiming(), "poses_unjudged"),
    ],
)
def test_poses_of_another_tick(timing, name):
    assert set(notes(a=statistics(replace(DRIVE, timing=timing)))) == {name}


def test_one_drive_in_which_the_ego_brakes_decides_for_all():
    undecided = statistics(replace(DRIVE, timing=PoseTiming()))
    assert set(notes(a=undecided)) == {"poses_unjudged"} and notes(a=undecided, b=statistics()) == {}


@pytest.mark.parametrize(("class_ids", "name"), [((), "no_lead"), ((114,), "no_braking"), ((119,), "no_braking")])
def test_a_braking_drive_without_its_vehicle_is_named(class_ids, name):
    assert set(notes(ScenarioType.DYNAMIC, a=statistics(DRIVE, *class_ids))) == {name}
    assert notes(a=statistics(DRIVE, *class_ids)) == {}


def test_a_drive_of_which_some_ticks_were_read_may_brake_in_another():
    part = replace(statistics(DRIVE, 114), frames=DRIVE.ticks // 2)
    assert notes(ScenarioType.DYNAMIC, a=part) == {}
    assert set(notes(ScenarioType.DYNAMIC, a=replace(statistics(DRIVE), frames=DRIVE.ticks // 2))) == {"no_lead"}


def test_a_drive_shorter_than_a_window_is_named():
    short = replace(DRIVE, ticks=9, posed=9, seconds=0.8)
    found = notes(ScenarioType.DYNAMIC, a=statistics(short, 100, 114))
    assert set(found) == {"short_drive"} and "it lasts 0.8 s" in found["short_drive"].what


def poses(way_m):
    return {0.1 * tick: yaw_transform(0.0, (x, 0.0, 0.0)) for tick, x in enumerate(way_m)}


def test_poses_that_jump_are_counted():
    way_m = np.cumsum(np.interp(np.arange(30), [10, 15], [1.2, 0.0]))  # a collision-like stop within half a second
    assert drive_facts([0.1 * tick for tick in range(30)], poses(way_m), []) == DriveFacts(30, 30, 0.1 * 29)
    jumping = way_m + np.where(np.arange(30) >= 20, 5.0, 0.0)
    assert drive_facts([None] * 30, poses(jumping), []).jumps == 2  # to the new place, and from that speed back to 0
    found = notes(a=statistics(replace(DRIVE, jumps=2)))
    assert set(found) == {"jumping_poses"} and "jumps at 2 ticks" in found["jumping_poses"].what
    assert drive_facts([], {}, []) == DriveFacts()
