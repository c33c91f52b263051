"""Sensors apart, badly calibrated and out of step: each sensor's labels stay exact, and they part by what was asked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.anovox.format.writing import write_scenario
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import CAR, ROAD
from lib.geometry.frame import Frame
from lib.geometry.rigid import apply, invert
from lib.preprocessing.agreement import Agreement, camera_agreement
from lib.reading.recorded_frames import ReadFrame
from lib.simulator.mounting import extrinsics, sensor_set, true_lidar_extrinsics
from lib.simulator.recordings import record_scenario, scenario_config
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from tests.all_params import all_params
from tests.present import present
from tests.simulator.small_scene import small_scene

APART = {"lidar_offset_m": (-1.0, 0.0, 0.6)}
JITTER = {"calibration_jitter_deg": 1.0, "calibration_jitter_m": 0.05}
LATE = {"lidar_time_offset_s": 0.05}


def params_of(**changes: object) -> SimulateParams:
    small = {"image_height": 96, "image_width": 144, "lidar_channels": 32, "lidar_rays_per_channel": 256}
    numbers = {"normality_scenarios": 2, "anomaly_scenarios": 2, "frames_per_scenario": 1, "lidar_noise_m": 0.0}
    return all_params().simulate.model_copy(update=small | numbers | changes)


def read_sample(root: Path, params: SimulateParams) -> tuple[list[Frame], list[np.ndarray], Agreement]:
    """Frames of all planned scenarios, vehicle_SE3_lidar as it was for each, and how well their labels agree."""
    frames: list[Frame] = []
    true: list[np.ndarray] = []
    agreement = Agreement()
    for plan in plan_scenarios(params):
        scene = build_scene(plan, params)
        config = scenario_config(plan, scene)
        path = write_scenario(root, config, sensor_set(params), record_scenario(scene, plan, params))
        for read in read_frames(open_scenario(path, config)):
            assert isinstance(read, ReadFrame)
            frames.append(read.frame)
            true += true_lidar_extrinsics(plan, params)
            agreement += camera_agreement(read.frame)
    return frames, true, agreement


def off_outlines(agreement: Agreement) -> float:
    return agreement.clear_same / agreement.clear


def test_sensors_apart_agree_through_their_calibration(tmp_path):
    frames, true, agreement = read_sample(tmp_path, params_of(**APART))
    for frame, vehicle_SE3_lidar in zip(frames, true, strict=True):
        np.testing.assert_allclose(frame.calibration.camera_SE3_lidar[:3, 3], [-1.0, 0.0, 0.6], atol=1e-12)
        np.testing.assert_allclose(vehicle_SE3_lidar[:3, 3], [-1.0, 0.0, 2.4], atol=1e-12)
        assert frame.lidars[0].location == (-1.0, 0.0, 2.4)
    assert agreement.clear > 1000 and off_outlines(agreement) > 0.99


def test_ego_pose_is_that_of_the_vehicle_wherever_the_lidar_stands(tmp_path):
    coincident, _, _ = read_sample(tmp_path / "a", params_of())
    apart, _, _ = read_sample(tmp_path / "b", params_of(**APART, **JITTER, **LATE))
    for one, other in zip(coincident, apart, strict=True):
        np.testing.assert_allclose(present(one.world_SE3_ego), present(other.world_SE3_ego), atol=1e-9)
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.pixel_class, other.pixel_class)


def test_jitter_parts_the_sensors_by_the_pixels_it_stands_for(tmp_path):
    """Through the true calibration the classes agree; through the recorded one, points lie pixels away from there."""
    frames, true, recorded = read_sample(tmp_path, params_of(calibration_jitter_deg=3.0))
    moved_px, corrected = [], Agreement()
    for frame, vehicle_SE3_lidar in zip(frames, true, strict=True):
        camera_SE3_lidar = invert(extrinsics(sensor_set(params_of()).cameras[0])) @ vehicle_SE3_lidar
        u, v, visible = frame.calibration.project(frame.points)
        true_u, true_v, truly_visible = frame.camera.project(apply(camera_SE3_lidar, frame.points[:, :3]))
        central = visible & truly_visible & (np.hypot(u - frame.camera.cx_px, v - frame.camera.cy_px) < 20)
        axis = camera_SE3_lidar[:3, :3] @ np.array([1.0, 0.0, 0.0])
        expected_px = frame.camera.fx_px * np.hypot(axis[1], axis[2]) / axis[0]
        found_px = float(np.median(np.hypot(u - true_u, v - true_v)[central]))
        assert found_px == pytest.approx(expected_px, rel=0.25, abs=0.6)
        moved_px.append(found_px)
        mended = replace(frame, calibration=replace(frame.calibration, camera_SE3_lidar=camera_SE3_lidar))
        corrected += camera_agreement(mended)
    assert max(moved_px) < frames[0].camera.fx_px * np.tan(np.deg2rad(3.0)) * 1.4
    assert off_outlines(corrected) > 0.99
    assert off_outlines(recorded) < off_outlines(corrected) - 0.005


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 30), st.floats(0, 5), st.integers(0, 2**32 - 1))
def test_jitter_is_as_large_as_asked_for_and_each_scenarios_own(angle_deg, distance_m, seed):
    params = params_of(calibration_jitter_deg=angle_deg, calibration_jitter_m=distance_m, seed=seed)
    said, axes = extrinsics(sensor_set(params).lidars[0]), []
    for plan in plan_scenarios(params):
        [true] = true_lidar_extrinsics(plan, params)
        np.testing.assert_array_equal(true, true_lidar_extrinsics(plan, params)[0])
        misplaced = invert(said) @ true
        np.testing.assert_allclose(misplaced[:3, :3] @ misplaced[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.norm(misplaced[:3, 3]) == pytest.approx(distance_m, abs=1e-9)
        turn = misplaced[:3, :3] - misplaced[:3, :3].T
        assert np.linalg.norm(turn) / 8**0.5 == pytest.approx(np.sin(np.deg2rad(angle_deg)), abs=1e-9)
        axes.append(turn[[2, 0, 1], [1, 2, 0]])
    if angle_deg > 0.01:
        assert len({tuple(np.round(axis / np.linalg.norm(axis), 6)) for axis in axes}) == len(axes)


def test_each_lidar_of_a_set_has_a_jitter_of_its_own():
    params = params_of(sensor_set="stereo", **JITTER)
    said = [extrinsics(pose) for pose in sensor_set(params).lidars]
    true = true_lidar_extrinsics(plan_scenarios(params)[0], params)
    places = [invert(one) @ other for one, other in zip(said, true, strict=True)]
    assert len({tuple(np.round(place[:3, 3], 9)) for place in places}) == 3


def test_a_late_lidar_sees_the_scene_of_its_own_instant():
    """Ego at 6 m/s, a car ahead at 5 m/s: half a second later the house is 3 m nearer, the car 0.5 m."""
    plan = plan_scenarios(params_of())[0]
    now, late = (next(record_scenario(small_scene(), plan, params_of(lidar_time_offset_s=s))) for s in (0.0, 0.5))
    np.testing.assert_array_equal(now.cameras[0].rgb, late.cameras[0].rgb)
    assert now.action == late.action
    after = next(record_scenario(small_scene(ego_start_xy_m=(3.0, 0.0), actors=()), plan, params_of()))
    static = next(record_scenario(small_scene(actors=()), plan, params_of(lidar_time_offset_s=0.5)))
    np.testing.assert_allclose(static.lidars[0].semantic_lidar, after.lidars[0].semantic_lidar, atol=1e-4)

    def nearest_m(cloud: np.ndarray) -> float:
        return float(cloud[cloud[:, 3] == CAR, 0].min())

    clouds = now.lidars[0].semantic_lidar, late.lidars[0].semantic_lidar
    assert nearest_m(clouds[0]) - nearest_m(clouds[1]) == pytest.approx(0.5, abs=0.3)
    assert {ROAD, CAR} <= set(clouds[1][:, 3].astype(int))
