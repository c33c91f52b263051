from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lib.anovox.format.recording import CameraArgs, CameraRecording, LidarArgs, LidarRecording
from lib.common.labels import ANOMALY_IDS, BUILDING, CAR, POLE, ROAD, SKY, STATIC
from lib.geometry.camera import Camera
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import vehicle_SE3_sensor
from lib.simulator import sensors
from lib.simulator.scenario_plan import ScenarioPlan, plan_scenarios
from lib.simulator.scene import Material, Scene, Texture
from lib.simulator.scene_builder import build_scene
from lib.simulator.sensors import lidar_directions, sense_camera, sense_lidar
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.textures import ValueNoise
from lib.simulator.world import SceneWorlds, world_SE3_ego
from tests.all_params import all_params
from tests.simulator.small_scene import ANOMALY, GREY, NIGHT, box, small_scene, weather

HEIGHT, WIDTH, EYE_M = 96, 144, 1.8
CAMERA = Camera.from_fov(WIDTH, HEIGHT, 90.0)
CAMERA_ARGS = CameraArgs(HEIGHT, WIDTH, 90.0)
CHANNELS, RAYS, FRAMES_PER_SECOND = 32, 256, 10
LIDAR_ARGS = LidarArgs(channels=CHANNELS, points_per_second=CHANNELS * RAYS * FRAMES_PER_SECOND)
EXACT_LIDAR = replace(LIDAR_ARGS, noise_stddev=0.0)


def photograph(scene: Scene, time_s: float = 0.0, args: CameraArgs = CAMERA_ARGS) -> CameraRecording:
    ego = world_SE3_ego(scene, time_s)
    pose = ego @ vehicle_SE3_sensor((0, 0, EYE_M), (0, 0, 0))
    noise, rng = ValueNoise(scene.texture_seed), np.random.default_rng(0)
    return sense_camera(SceneWorlds(scene).at(time_s), args, pose, ego, noise, rng)


def scan(scene: Scene, args: LidarArgs = EXACT_LIDAR, time_s: float = 0.0, yaw_deg: float = 0.0) -> LidarRecording:
    pose = world_SE3_ego(scene, time_s) @ vehicle_SE3_sensor((0, 0, EYE_M), (0, 0, yaw_deg))
    return sense_lidar(SceneWorlds(scene).at(time_s), args, pose, FRAMES_PER_SECOND, np.random.default_rng(1))


@cache
def sample_params() -> SimulateParams:
    params = all_params().simulate
    return params.model_copy(update={"normality_scenarios": 20, "anomaly_scenarios": 30})


def plans_of(kind: ScenarioType, count: int) -> list[ScenarioPlan]:
    return [plan for plan in plan_scenarios(sample_params()) if plan.type == kind][:count]


def test_depth_of_the_road_is_planar():
    picture = photograph(small_scene())
    row = np.arange(HEIGHT) + 0.5
    expected = CAMERA.fy_px * EYE_M / (row - CAMERA.cy_px)
    road = (picture.semantic == ROAD) & (picture.depth_m < 100)
    assert road.sum() > 3000
    np.testing.assert_allclose(picture.depth_m[road], np.broadcast_to(expected[:, None], road.shape)[road], rtol=1e-4)
    assert picture.depth_m.dtype == np.float64 and picture.depth_m.shape == (HEIGHT, WIDTH)


def test_sky_is_class_11_at_1000_m():
    picture = photograph(small_scene())
    sky = picture.semantic == SKY
    assert 0.1 < sky.mean() < 0.5
    np.testing.assert_array_equal(sky, picture.depth_m == 1000.0)


def test_left_is_left_in_both_sensors():
    """The house stands on the left (y > 0): in the left half of the image, and at y > 0 in the cloud."""
    scene = small_scene()
    picture, cloud = photograph(scene), scan(scene).semantic_lidar
    columns = {name: np.flatnonzero((picture.semantic == name).any(axis=0)) for name in (BUILDING, POLE, CAR)}
    assert columns[BUILDING].max() < WIDTH / 2 < min(columns[POLE].min(), columns[CAR].min())
    assert (cloud[cloud[:, 3] == BUILDING, 1] > 0).all() and (cloud[:, 3] == BUILDING).sum() > 50
    assert (cloud[cloud[:, 3] == CAR, 1] < 0).all() and (cloud[:, 3] == CAR).sum() > 20


def test_instances():
    picture = photograph(small_scene(box((6, -1, 0), (7, 0, 1), GREY, STATIC, 3 * 256 + 5)))
    np.testing.assert_array_equal(picture.instance[..., 0], picture.semantic)
    number = picture.instance[..., 1] + 256 * picture.instance[..., 2].astype(int)
    assert set(number[picture.semantic == STATIC].tolist()) == {3 * 256 + 5}
    assert set(number[picture.semantic == CAR].tolist()) == {7}
    assert set(number[picture.semantic == SKY].tolist()) == {0}


def test_what_drives_moves_and_so_does_the_ego():
    """After 2 s the ego is 12 m further; the car, at 5 m/s, 10 m: it is 2 m nearer than before."""
    scene = small_scene()
    before, after = (scan(scene, time_s=t).semantic_lidar for t in (0.0, 2.0))
    nearest = [cloud[cloud[:, 3] == CAR, 0].min() for cloud in (before, after)]
    assert nearest[0] - nearest[1] == pytest.approx(2.0, abs=0.3)
    assert nearest[0] == pytest.approx(10.0, abs=0.3)


def test_lidar_pattern():
    rays = lidar_directions(LIDAR_ARGS, RAYS)
    assert rays.shape == (3, CHANNELS * RAYS)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=0), 1)
    elevation_deg = np.rad2deg(np.arcsin(rays[2])).reshape(RAYS, CHANNELS)
    np.testing.assert_allclose(elevation_deg, np.linspace(-25, 15, CHANNELS)[None].repeat(RAYS, axis=0))
    azimuth = np.arctan2(rays[1], rays[0]).reshape(RAYS, CHANNELS)[:, 0]
    np.testing.assert_allclose(np.diff(azimuth), -2 * np.pi / RAYS)


def test_lidar_noise_lies_along_the_ray_and_only_in_lidar():
    exact, noisy = scan(small_scene()), scan(small_scene(), LIDAR_ARGS)
    np.testing.assert_array_equal(exact.semantic_lidar, noisy.semantic_lidar)
    np.testing.assert_allclose(exact.lidar[:, :3], exact.semantic_lidar[:, :3], rtol=1e-5, atol=1e-4)
    true, measured = noisy.semantic_lidar[:, :3], noisy.lidar[:, :3].astype(np.float64)
    range_m, error = np.linalg.norm(true, axis=1), measured - true
    along = (error * true).sum(axis=1) / range_m
    np.testing.assert_allclose(error - along[:, None] * true / range_m[:, None], 0, atol=1e-4)
    assert along.std() == pytest.approx(0.1, rel=0.05) and abs(along.mean()) < 0.01


def test_lidar_rows():
    record = scan(small_scene(), LIDAR_ARGS)
    assert record.lidar.dtype == np.float32 and record.semantic_lidar.dtype == np.float64
    assert record.lidar.shape == record.semantic_lidar.shape and record.lidar.shape[1] == 4
    assert record.lidar[:, 3].min() >= 0 and record.lidar[:, 3].max() <= 1
    assert np.linalg.norm(record.semantic_lidar[:, :3], axis=1).max() <= LIDAR_ARGS.range
    assert set(record.semantic_lidar[:, 3].tolist()) == {ROAD, BUILDING, POLE, CAR}


def test_a_turned_sensor_sees_the_same_places():
    """Yaw 90 degrees (clockwise, CARLA): what was on the right, at y < 0, is ahead."""
    scene = small_scene()
    straight, turned = scan(scene).semantic_lidar, scan(scene, yaw_deg=90.0).semantic_lidar
    back = np.column_stack([turned[:, 1], -turned[:, 0], turned[:, 2:]])
    assert len(back) == pytest.approx(len(straight), rel=0.02)
    for cls in (BUILDING, CAR):
        for axis in range(3):
            ends = [(c[c[:, 3] == cls, axis].min(), c[c[:, 3] == cls, axis].max()) for c in (straight, back)]
            np.testing.assert_allclose(ends[0], ends[1], atol=0.35)


def test_dropout_loses_its_fraction():
    resolved_fraction = len(scan(small_scene(lidar_dropout=0.25)).lidar) / len(scan(small_scene()).lidar)
    assert resolved_fraction == pytest.approx(0.75, abs=0.02)


def test_weak_returns_get_lost_and_intensity_falls_with_distance():
    def wall(distance_m: float, reflectivity: float) -> Scene:
        material = Material(Texture.PLAIN, (0.5, 0.5, 0.5), lidar_reflectivity=reflectivity)
        return small_scene(box((distance_m, -1, 0.5), (distance_m + 1, 1, 3), material, STATIC))

    def returns(scene: Scene) -> np.ndarray:
        record = scan(scene)
        return np.asarray(record.lidar[record.semantic_lidar[:, 3] == STATIC, 3])

    near, far, dark = returns(wall(5, 0.5)), returns(wall(20, 0.5)), returns(wall(5, 0.01))
    assert near.max() == pytest.approx(0.5 * np.exp(-0.004 * 5), rel=0.02)
    assert far.max() == pytest.approx(0.5 * np.exp(-0.004 * 20), rel=0.02)
    assert 0 < len(dark) < 0.7 * len(near)


def test_geometry_only_anomalies_are_seen_by_the_lidar_and_hardly_in_the_picture():
    def scene(camouflage: bool) -> Scene:
        material = Material(Texture.CHECKS, (0.95, 0.1, 0.6), (0.9, 0.95, 0.2), camouflage=camouflage)
        return small_scene(box((8, -1, 0), (9, 1, 1.2), material, ANOMALY, 9))

    bare, hidden, shown = (photograph(s) for s in (small_scene(), scene(True), scene(False)))
    where = hidden.semantic == ANOMALY
    assert where.sum() > 100
    np.testing.assert_array_equal(where, shown.semantic == ANOMALY)
    np.testing.assert_array_equal(hidden.depth_m, shown.depth_m)
    inside = where[1:-1, 1:-1] & where[:-2, 1:-1] & where[2:, 1:-1] & where[1:-1, :-2] & where[1:-1, 2:]
    change = [np.abs(p.rgb.astype(int) - bare.rgb)[1:-1, 1:-1][inside].mean() for p in (hidden, shown)]
    assert 0 < change[0] < 10 and change[1] > 5 * change[0]
    np.testing.assert_allclose(hidden.rgb[~where], bare.rgb[~where], atol=25)

    seen, plain = scan(scene(True)), scan(small_scene())
    found = seen.semantic_lidar[:, 3] == ANOMALY
    assert found.sum() > 20 and seen.semantic_lidar[found, 0].max() < 9.01
    assert len(seen.lidar) == len(plain.lidar)
    np.testing.assert_array_equal(seen.lidar[:, 3], plain.lidar[:, 3])


def test_pictures_differ_with_the_weather_and_repeat_with_the_seed():
    scene = small_scene(weather=weather(camera_noise=0.02))
    first, again = photograph(scene), photograph(scene)
    np.testing.assert_array_equal(first.rgb, again.rgb)
    assert first.rgb.dtype == np.uint8 and first.rgb.shape == (HEIGHT, WIDTH, 3)
    night = photograph(small_scene(weather=weather(**NIGHT)))
    rain = photograph(small_scene(weather=weather(preset="HARD_RAIN_NOON", wetness=1.0)))
    assert night.rgb.mean() < 0.6 * first.rgb.mean()
    assert np.abs(rain.rgb.astype(int) - first.rgb).mean() > 5
    for other in (night, rain):
        np.testing.assert_array_equal(other.semantic, first.semantic)


def test_outlines_are_soft(monkeypatch):
    """Along outlines the picture is nearer to one of 16 times the pixels, averaged, than without softening."""
    scene = small_scene(weather=weather(sun_color=(0.0, 0.0, 0.0)))
    fine = photograph(scene, args=CameraArgs(4 * HEIGHT, 4 * WIDTH, 90.0)).rgb.astype(float)
    reference = fine.reshape(HEIGHT, 4, WIDTH, 4, 3).mean(axis=(1, 3))
    soft = photograph(scene)
    monkeypatch.setattr(sensors, "_soften_outlines", lambda *_: None)
    hard = photograph(scene)
    np.testing.assert_array_equal(soft.semantic, hard.semantic)
    outline = (np.abs(soft.rgb.astype(int) - hard.rgb) > 8).any(axis=2)
    assert 100 < outline.sum() < 1000
    errors = [np.abs(picture.rgb - reference)[outline].mean() for picture in (soft, hard)]
    assert errors[0] < 0.75 * errors[1]


def agreement(picture: CameraRecording, cloud: np.ndarray, camera: Camera) -> tuple[float, float, int]:
    """Of the points in view and away from class boundaries: shares with the pixel's class, and depth; their number."""
    u, v, visible = camera.project(cloud[:, :3])
    column, row = u[visible].astype(int), v[visible].astype(int)
    padded = np.pad(picture.semantic, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    calm = (windows == picture.semantic[..., None, None]).all(axis=(2, 3))[row, column]
    depth = np.lib.stride_tricks.sliding_window_view(np.pad(picture.depth_m, 1, mode="edge"), (3, 3))
    low, high = depth.min(axis=(2, 3))[row, column], depth.max(axis=(2, 3))[row, column]
    x, classes = cloud[visible, 0], cloud[visible, 3]
    same_class = picture.semantic[row, column] == classes
    same_depth = (x > low * 0.999 - 0.01) & (x < high * 1.001 + 0.01)
    return float(same_class[calm].mean()), float(same_depth[calm].mean()), int(calm.sum())


@pytest.mark.parametrize("index", range(6))
def test_camera_and_lidar_agree_on_real_streets(index):
    """Class and depth of a point are those of its pixel; with left and right exchanged they are not."""
    plan = plan_scenarios(sample_params())[index]
    scene = build_scene(plan, sample_params())
    args = CameraArgs(256, 384, 90.0)
    picture, cloud = photograph(scene, 0.5, args), scan(scene, time_s=0.5).semantic_lidar
    camera = Camera.from_fov(384, 256, 90.0)
    same_class, same_depth, count = agreement(picture, cloud, camera)
    assert count > 400 and same_class >= 0.99 and same_depth >= 0.99
    mirrored = agreement(picture, cloud * [1, -1, 1, 1], camera)
    assert mirrored[0] < 0.97 and mirrored[1] < 0.9


def test_normality_holds_no_anomaly():
    for plan in plans_of(ScenarioType.NORMALITY, 4):
        scene = build_scene(plan, sample_params())
        classes = {part.class_id for part in scene.static_parts}
        classes |= {part.class_id for actor in scene.actors for part in actor.parts}
        assert not classes & set(ANOMALY_IDS)
        assert not np.isin(photograph(scene).semantic, ANOMALY_IDS).any()


def test_the_anomaly_of_static_scenes_is_seen():
    """By both sensors, in the frame where the ego is nearest at the latest."""
    times = [0.5 * i for i in range(4)]
    for plan in plans_of(ScenarioType.STATIC, 6):
        scene = build_scene(plan, sample_params())
        pixels = [(photograph(scene, t, CameraArgs(128, 192)).semantic == scene.anomaly_class_id).sum() for t in times]
        points = [(scan(scene, time_s=t).semantic_lidar[:, 3] == scene.anomaly_class_id).sum() for t in times]
        assert max(pixels) >= 15 and max(points) >= 1, (plan, pixels, points)
