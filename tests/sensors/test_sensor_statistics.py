import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Lidar, ScenarioType
from lib.geometry.merged import merge_clouds
from lib.sensors.sensor_statistics import QUANTILES, evenly_spread, measure
from tests.scored_sample import ball_frame
from tests.sensors.test_scan_pattern import sweep

LIDAR = Lidar(8, 15.0, -25.0, 100.0)
RAYS = 256


def frame(number, scale=1.0, **changes):
    made = ball_frame("Scenario_a", number, ScenarioType.NORMALITY, None, None)
    points = sweep(np.linspace(15.0, -25.0, 8), RAYS, seed=number, kept=0.5 + 0.05 * number)
    points[:, 3] *= scale
    classes = np.zeros(len(points), np.uint8)
    return replace(made, **{"points": points, "point_class": classes, "lidars": (LIDAR,), **changes})


@pytest.fixture(scope="module")
def frames():
    return [frame(number) for number in range(5)]


def test_statistics_are_those_of_plain_numpy(frames):
    found = measure(iter(frames))
    points = np.concatenate([f.points for f in frames])
    images = np.stack([f.image for f in frames]).astype(float) / 255
    gray = images.mean(axis=-1).reshape(len(frames), -1)
    range_m = np.sqrt((points[:, :3].astype(float) ** 2).sum(1))
    expected = {
        "brightness": gray.mean(1),
        "contrast": gray.std(1),
        "points": [len(f.points) for f in frames],
        "intensity": points[:, 3],
        "range_m": range_m,
        "height_m": points[:, 2],
    }
    for name, values in expected.items():
        assert getattr(found, name) == pytest.approx(np.percentile(values, [100 * q for q in QUANTILES]), rel=1e-5)
    assert (found.intensity_min, found.intensity_max) == pytest.approx(
        (points[:, 3].min(), points[:, 3].max()), abs=1e-6
    )
    assert (found.frames, found.image_width_px, found.image_height_px) == (5, 72, 48)
    assert found.horizontal_fov_deg == pytest.approx(90)
    assert found.vertical_fov_deg == pytest.approx(2 * np.rad2deg(np.arctan(48 / 72)))
    assert (found.channels, found.upper_fov_deg, found.lower_fov_deg) == (8, 15.0, -25.0)
    assert found.ring_spacing_deg == pytest.approx(40 / 7)
    assert found.rays_per_turn == RAYS
    assert found.azimuth_deg == pytest.approx(360 - 360 / RAYS, abs=0.1)


def test_the_same_frames_give_the_same_numbers_and_frames_are_spread_evenly(frames):
    assert measure(frames) == measure(frames)
    assert evenly_spread(range(1000), 200)[:3] == [0, 5, 10] and evenly_spread(range(1000), 200)[-1] == 999
    assert len(evenly_spread(range(1000), 200)) == len(set(evenly_spread(range(1000), 200))) == 200
    assert evenly_spread(range(7), 200) == list(range(7))


def test_several_lidars_are_measured_each_in_its_own_frame():
    clouds = [frame(number).points for number in (1, 2)]
    lidars = tuple(replace(LIDAR, location=(float(n), 0.5, 1.8), rotation=(0.0, 0.0, 90.0 * n)) for n in (0, 1))
    merged = merge_clouds(clouds, [(lidar.location, lidar.rotation) for lidar in lidars])
    classes = np.zeros(len(merged), np.uint8)
    sizes = tuple(map(len, clouds))
    one = frame(0, points=merged, point_class=classes, lidars=lidars, cloud_sizes=sizes)
    found = measure([one])
    range_m = np.linalg.norm(np.concatenate(clouds)[:, :3], axis=1)
    assert found.range_m == pytest.approx(np.quantile(range_m, QUANTILES), rel=1e-4)
    assert found.rays_per_turn == RAYS and found.points[2] == len(merged)


def test_a_principal_point_off_the_centre_counts_in_the_field_of_view():
    camera = Camera(72, 48, 36.0, 36.0, 18.0, 24.0)
    found = measure([frame(0, calibration=Calibration(camera, np.eye(4)))])
    assert found.horizontal_fov_deg == pytest.approx(np.rad2deg(np.arctan(0.5) + np.arctan(1.5)))


def test_data_of_the_same_sensors_do_not_differ(frames):
    assert measure(frames).differences(measure([frame(number) for number in range(2, 9)])) == []


def test_each_difference_is_one_sentence_with_both_values(frames):
    trained = measure(frames)
    kitti = replace(
        trained,
        image_width_px=1242,
        image_height_px=375,
        horizontal_fov_deg=81.0,
        vertical_fov_deg=29.0,
        channels=64,
        upper_fov_deg=2.0,
        lower_fov_deg=-24.8,
        ring_spacing_deg=0.43,
        points=(110e3, 115e3, 120e3, 122e3, 125e3),
    )
    assert trained.differences(kitti) == [
        "images have 15.3 pixels per degree; training had 0.8",
        "the camera sees 81 x 29 degrees; training saw 90 x 67",
        "the LiDAR has 64 channels; training had 8",
        "the LiDAR looks from 2.0 to -24.8 degrees of elevation; training from 15.0 to -25.0",
        "rings are 0.43 degrees apart; training had 5.71",
        f"clouds have 120000 points; training had {trained.points[2]:.0f} (medians)",
    ]


def test_bytes_as_intensities_dark_images_and_half_a_turn_are_noticed(frames):
    trained = measure(frames)
    scaled = trained.differences(measure([frame(number, scale=255.0) for number in range(5)]))
    assert scaled[0].startswith("intensity reaches 255; in training it reached 1")
    assert re.match(r"intensity of the points: 12\d \(12.\d to 24\d\); training had 0\.\d+ \(", scaled[1])
    assert len(scaled) == 2
    none = trained.differences(measure([frame(number, scale=0.0) for number in range(5)]))
    assert "intensity is 0 everywhere; in training it varied" in none
    [dark] = trained.differences(measure([replace(f, image=f.image // 8) for f in frames]))[:1]
    assert re.match(r"brightness of the images: 0\.0\d+ \(.*\); training had 0\.4\d+ \(", dark)
    ahead = []
    for one in frames:
        points = one.points[one.points[:, 0] > 0]
        ahead.append(replace(one, points=points, point_class=one.point_class[: len(points)]))
    assert any(s.startswith("the LiDAR sweeps 17") for s in trained.differences(measure(ahead)))


def test_a_frame_without_points_is_no_failure(frames):
    empty = frame(0, points=np.empty((0, 4), np.float32), point_class=np.empty(0, np.uint8))
    found = measure([empty])
    assert found.points[2] == found.azimuth_deg == found.intensity_max == 0
    assert len(measure(frames).differences(found)) >= 3
    assert np.isfinite(np.concatenate([np.ravel(value) for value in asdict(found).values()])).all()
