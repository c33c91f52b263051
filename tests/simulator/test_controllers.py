import numpy as np
import pytest

from lib.simulator.driving.controllers import HARDEST_MPS2, Idm, follower_pedals, pedal_acceleration, pedals_for


def test_a_driver_of_the_intelligent_driver_model_comes_to_rest_at_its_gap():
    driver, gap_m, speed_mps = Idm(15.0, headway_s=1.5, gap_m=2.0), 80.0, 15.0
    for _ in range(6_000):  # towards a standing vehicle
        speed_mps = max(0.0, speed_mps + 0.01 * driver.acceleration(speed_mps, gap_m, 0.0))
        gap_m -= 0.01 * speed_mps
    assert speed_mps < 0.02
    assert gap_m == pytest.approx(2.0, abs=0.1)


def test_a_driver_keeps_its_time_gap_behind_a_steady_vehicle():
    driver, gap_m, speed_mps = Idm(30.0, headway_s=1.5, gap_m=2.0), 60.0, 10.0
    for _ in range(20_000):
        speed_mps = max(0.0, speed_mps + 0.01 * driver.acceleration(speed_mps, gap_m, 10.0))
        gap_m += 0.01 * (10.0 - speed_mps)
    # Of the model's equilibrium: (s0 + v T) / sqrt(1 - (v / v0)^4).
    assert gap_m == pytest.approx((2.0 + 15.0) / np.sqrt(1 - (10 / 30) ** 4), rel=1e-3)


@pytest.mark.parametrize(
    ("distance_m", "speed_mps", "wanted"),
    [
        (7.9, 10.0, "brake"),  # 2.9 s: the lead's speed less 12 km/h
        (8.1, 10.0, "keep"),  # 3.1 s: the lead's speed
        (10.9, 10.0, "keep"),
        (11.1, 10.0, "throttle"),  # above 6 s: 70 km/h
        (4.9, 10.0, "throttle"),  # the sign turns: into the lead
        (14.0, 14.0, "brake"),  # 9 m at 4 m/s closing: 2.25 s
    ],
)
def test_the_follower_chooses_its_speed_by_the_time_gap(distance_m, speed_mps, wanted):
    throttle, brake = follower_pedals(speed_mps, distance_m, 10.0)
    assert {"brake": brake > 0, "keep": throttle == brake == 0, "throttle": throttle > 0}[wanted]
    assert 0 <= brake <= 0.3


def test_pedals_give_the_acceleration_they_are_chosen_for():
    for wish in (-HARDEST_MPS2, -3.0, -0.1, 0.0, 0.5, 2.0):
        assert pedal_acceleration(*pedals_for(wish, 8.0), 8.0) == pytest.approx(wish)
