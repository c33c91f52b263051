"""The acceleration of a rear is read off its points, also while the LiDAR's rows move over it."""

import numpy as np
import pytest

from lib.common.ticks import HISTORY_TICKS
from lib.tracking.rear_braking import Moment, braking, places_by_tick, register

EAST = np.array([1.0, 0.0])


def moments(acceleration_mps2, points, seed=0, count=11, lean=0.4, speed_mps=8.0, rows=6):
    """A leaning rear that comes nearer: few rows hit it, and climb while it does."""
    rng = np.random.default_rng(seed)
    found = []
    for time_s in np.arange(1 - count, 1) * 0.1:
        place_m = speed_mps * time_s + acceleration_mps2 * time_s**2 / 2
        row = np.linspace(0.4, 1.2, rows) + 0.08 * time_s
        height = rng.choice(row, points)
        along = place_m + lean * height + rng.normal(0, 0.1, points)
        found.append(Moment(time_s + 5.0, np.column_stack([along, rng.uniform(-0.8, 0.8, points)]), height))
    return found


@pytest.mark.parametrize("acceleration_mps2", [-8.5, -2.0, 0.0, 1.5])
@pytest.mark.parametrize(("points", "error_mps2"), [(160, 0.3), (40, 0.6), (8, 1.5)])
def test_acceleration_and_speed_of_a_rear(acceleration_mps2, points, error_mps2):
    errors = []
    for seed in range(8):
        found = braking(register(moments(acceleration_mps2, points, seed), EAST), 1.0, 100.0)
        assert found is not None and found.speed_mps == pytest.approx(8.0, abs=error_mps2)
        errors.append(found.acceleration_mps2 - acceleration_mps2)
    assert np.sqrt(np.mean(np.square(errors))) < error_mps2


def test_rows_that_climb_a_leaning_rear_are_no_acceleration():
    """Without a profile, the mean of the points would follow the rows: 0.4 m of lean, climbed ever faster."""
    found = []
    for seed in range(8):
        rng, rear = np.random.default_rng(seed), []
        for time_s in np.arange(-10, 1) * 0.1:
            height = rng.choice(np.linspace(0.4, 1.2, 6) + 0.3 * (time_s + 1) ** 2, 100)
            along = 5 * time_s + 0.4 * height + rng.normal(0, 0.1, 100)
            rear.append(Moment(time_s, np.column_stack([along, rng.uniform(-0.8, 0.8, 100)]), height))
        result = braking(register(rear, EAST), 1.0, 100.0)
        assert result is not None
        found.append(result.acceleration_mps2)
    assert abs(np.mean(found)) < 0.12  # the rows alone: 0.24


def test_a_fit_of_few_points_counts_less():
    """Against drivers who hardly brake, few points say less than many do."""
    sure, unsure = (
        [braking(register(moments(-6.0, points, seed), EAST), 1.0, 0.5) for seed in range(8)] for points in (160, 4)
    )
    means = [np.mean([each.score for each in found if each is not None]) for found in (sure, unsure)]
    assert means[1] < 0.8 * means[0] and means[0] > 4


def test_stray_points_of_another_thing_pull_little():
    rear = moments(-6.0, 100)
    stray = [Moment(m.time_s, m.xy_m + np.array([1.2, 0]), m.height_m) for m in moments(0.0, 15, seed=1)]
    both = [
        Moment(m.time_s, np.concatenate([m.xy_m, s.xy_m]), np.concatenate([m.height_m, s.height_m]))
        for m, s in zip(rear, stray, strict=True)
    ]
    found = braking(register(both, EAST), 1.0, 3.0)
    assert found is not None and found.acceleration_mps2 == pytest.approx(-6.0, abs=0.7)


def test_too_few_moments_and_impossible_brakes_say_nothing():
    assert braking(register(moments(-6.0, 100, count=3), EAST), 1.0, 3.0) is None
    assert braking(register(moments(-40.0, 100, speed_mps=40.0), EAST), 1.0, 3.0) is None


@pytest.mark.parametrize(("count", "known"), [(2, 2), (6, 6), (11, 11), (25, 11)])
def test_places_by_tick_are_those_of_the_rear(count, known):
    """As many as there are moments; of a longer past, ten ticks."""
    places_m = places_by_tick(register(moments(-6.0, 160, count=count), EAST))
    assert places_m.shape == (HISTORY_TICKS + 1,) and places_m[0] == 0 and np.isnan(places_m[known:]).all()
    time_s = -0.1 * np.arange(known)
    assert np.abs(places_m[:known] - (8.0 * time_s - 3.0 * time_s**2)).max() < 0.08


def test_places_of_missing_moments_and_off_the_ticks_are_unknown():
    rear = moments(0.0, 160)
    late = Moment(rear[4].time_s + 0.03, rear[4].xy_m, rear[4].height_m)
    places_m = places_by_tick(register([*rear[:2], rear[3], late, *rear[5:]], EAST))
    assert np.flatnonzero(np.isnan(places_m)).tolist() == [6, 8]  # rear[10] is the present
