"""The vehicle ahead is followed, its brake is seen soon, and nothing else looks like one."""

import numpy as np
import pytest

from lib.geometry.rigid import yaw_transform
from lib.tracking.tracker import LOWEST_SCORE, LeadTracker
from tests.tracking.rear_clouds import PARAMS, braked_way_m, rear_cloud

BRAKE_S, FRAMES = 2.0, 36


def followed(range_m, ego_m, keep=None, **cloud):
    """States of a drive straight ahead, at the frames that are kept."""
    tracker, states = LeadTracker(PARAMS), {}
    for index in keep if keep is not None else range(len(range_m)):
        points = rear_cloud(float(range_m[index]), index, **cloud)
        states[index] = tracker.update(index * 0.1, points, yaw_transform(0.0, (float(ego_m[index]), 0.0, 0.0)))
    return states


def places(states):
    return np.array([state.places_m for state in states.values()])


def scores(states):
    return np.array([state.score for state in states.values()])


@pytest.mark.parametrize(("channels", "columns"), [(64, 1562), (32, 512)])
@pytest.mark.parametrize("gap_m", [7.0, 15.0, 25.0])
@pytest.mark.parametrize("ego_brakes", [False, True])
def test_a_brake_is_seen_within_half_a_second_whatever_the_ego_does(gap_m, ego_brakes, channels, columns):
    lead_m = braked_way_m(10.0, 8.5, BRAKE_S, FRAMES)
    ego_m = braked_way_m(10.0, 5.0 if ego_brakes else 0.0, BRAKE_S + 0.5, FRAMES)
    states = followed(gap_m + (lead_m - ego_m), ego_m, range(27), channels=channels, columns=columns)
    found = scores(states)
    assert found[:21].max() < 3.0 and found[25] > 4.0
    last = states[20]
    assert last.speed_mps == pytest.approx(10.0, abs=1.0) and last.range_m == pytest.approx(gap_m, abs=0.4)
    assert len(last.rows) > 3


def test_the_egos_own_motion_is_none_of_the_leads():
    ego_m = braked_way_m(9.0, 6.0, 1.5, FRAMES)
    lead_m = 9.0 * np.arange(FRAMES) * 0.1
    states = followed(8.0 + lead_m - ego_m, ego_m)
    assert scores(states).max() < 2.0


def test_a_standing_vehicle_that_comes_nearer_does_not_brake():
    ego_m = 12.0 * np.arange(FRAMES) * 0.1
    assert scores(followed(55.0 - ego_m, ego_m)).max() < 2.5


def test_another_vehicle_in_its_place_is_no_brake():
    """One at 20 m, then one at 9 m, as after a cut-in; and then the first one again."""
    ego_m = 10.0 * np.arange(45) * 0.1
    range_m = np.where((np.arange(45) > 15) & (np.arange(45) < 30), 9.0, 20.0)
    states = followed(range_m, ego_m)
    assert scores(states).max() < 2.0
    assert states[25].range_m == pytest.approx(9.0, abs=0.4) and states[44].range_m == pytest.approx(20.0, abs=0.4)


def test_lost_clouds_and_missing_ticks_are_no_brake():
    ego_m = 10.0 * np.arange(50) * 0.1
    keep = [index for index in range(50) if index % 5 and not 20 < index < 24 and not 30 < index < 40]
    assert scores(followed(np.full(50, 15.0), ego_m, keep)).max() < 2.0


def test_the_past_alone_counts():
    lead_m, ego_m = braked_way_m(10.0, 8.5, BRAKE_S, FRAMES), 10.0 * np.arange(FRAMES) * 0.1
    whole = followed(25.0 + lead_m - ego_m, ego_m)
    cut = followed(25.0 + lead_m - ego_m, ego_m, range(24))
    for index, state in cut.items():
        assert state.score == whole[index].score and np.array_equal(state.rows, whole[index].rows)
        assert np.array_equal(state.places_m, whole[index].places_m, equal_nan=True)


def test_an_empty_cloud_and_an_empty_road_are_the_lowest_score():
    tracker = LeadTracker(PARAMS)
    for index, points in enumerate([np.empty((0, 4), np.float32), rear_cloud(500.0, 0), rear_cloud(-5.0, 1)]):
        state = tracker.update(index * 0.1, points, np.eye(4))
        assert state.score == LOWEST_SCORE and np.isnan(state.range_m) and not len(state.rows)
        assert state.places_m.shape == (11,) and np.isnan(state.places_m).all()


def test_in_a_bend_the_vehicle_ahead_is_the_one_on_the_way():
    """To the left at a radius of 100 m: what stands straight ahead is beside the way."""
    tracker, ranges = LeadTracker(PARAMS), []
    for index in range(25):
        angle = 0.01 * index
        pose = yaw_transform(angle, (100 * np.sin(angle), 100 * (1 - np.cos(angle)), 0.0))
        points = np.concatenate([rear_cloud(30.0, index, beside_m=4.5), rear_cloud(24.0, index, beside_m=-1.0)])
        ranges.append(tracker.update(index * 0.1, points, pose).range_m)
    assert ranges[-1] == pytest.approx(30.0, abs=0.6)


def test_a_vehicle_that_changes_lanes_gives_way_to_the_one_in_the_egos():
    """It keeps its speed in the lane beside; the one behind which the ego then drives is followed."""
    tracker, states = LeadTracker(PARAMS), []
    for index in range(45):
        beside_m = float(np.clip((index - 10) * 0.15, 0, 3.0))
        points = np.concatenate([rear_cloud(22.0, index, beside_m=beside_m), rear_cloud(28.0, 100 + index)])
        states.append(tracker.update(index * 0.1, points, yaw_transform(0.0, (index * 1.0, 0.0, 0.0))))
    assert states[9].range_m == pytest.approx(22.0, abs=0.5) and states[-1].range_m == pytest.approx(28.0, abs=0.5)
    assert max(state.score for state in states) < 2.0


def test_far_vehicles_are_taken_when_the_way_is_known():
    """At first, while standing or with a single pose, only what is near."""
    states = followed(np.full(6, 25.0), 10.0 * np.arange(6) * 0.1)
    assert np.isnan(states[0].range_m) and states[5].range_m == pytest.approx(25.0, abs=0.5)
    assert followed(np.full(2, 8.0), np.zeros(2))[1].range_m == pytest.approx(8.0, abs=0.4)


def test_the_places_are_those_of_the_vehicle_whatever_the_ego_does():
    """It brakes, and so does the ego; none is known at first, then one more with each cloud."""
    lead_m, ego_m = braked_way_m(10.0, 8.5, BRAKE_S, FRAMES), braked_way_m(10.0, 5.0, BRAKE_S + 0.5, FRAMES)
    found = places(followed(10.0 + lead_m - ego_m, ego_m))
    known = np.isfinite(found).sum(axis=1).tolist()
    assert known == [0, *range(2, 11), *[11] * (FRAMES - 10)]
    for index in range(10, FRAMES):
        assert found[index, 0] == 0
        assert np.abs(found[index] - (lead_m[index - 10 : index + 1][::-1] - lead_m[index])).max() < 0.12


def test_places_along_its_own_way_not_the_worlds_axes():
    """To the north-west, with the ego behind it."""
    tracker, angle = LeadTracker(PARAMS), 2.4
    for index in range(12):
        pose = yaw_transform(angle, (float(np.cos(angle)) * index, float(np.sin(angle)) * index, 0.0))
        state = tracker.update(index * 0.1, rear_cloud(12.0, index), pose)
    assert np.abs(state.places_m + np.arange(11)).max() < 0.12


def test_places_of_another_vehicle_and_of_missing_clouds_are_unknown():
    """At 20 m, then at 9 m: what the one did is none of the other's past. A lost cloud leaves a gap."""
    ego_m = 10.0 * np.arange(45) * 0.1
    range_m = np.where((np.arange(45) > 15) & (np.arange(45) < 30), 9.0, 20.0)
    states = followed(range_m, ego_m, [index for index in range(45) if index not in (22, 24)])
    begun = next(index for index in range(16, 30) if states[index].range_m < 12)
    assert np.isnan(states[begun].places_m).all()
    assert np.flatnonzero(np.isnan(states[begun + 4].places_m)).tolist() == [*range(5, 11)]
    assert np.isnan(states[26].places_m[[2, 4]]).all() and np.isfinite(states[26].places_m[[0, 1, 3, 5]]).all()


@pytest.mark.parametrize(("seconds", "known"), [(0.4, 5), (0.7, 8), (2.0, 11)])
def test_as_many_places_as_the_time_of_registration_holds(seconds, known):
    tracker = LeadTracker(PARAMS.model_copy(update={"seconds": seconds}))
    for index in range(24):
        state = tracker.update(index * 0.1, rear_cloud(12.0, index), yaw_transform(0.0, (float(index), 0.0, 0.0)))
    assert np.isfinite(state.places_m).tolist() == [True] * known + [False] * (11 - known)
