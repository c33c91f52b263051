import json
from dataclasses import replace

import numpy as np
import pytest

from lib.anovox.format.configurations import SimulatorNote
from lib.anovox.format.files import read_key_values
from lib.anovox.format.writing import write_scenario
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import is_anomaly
from lib.geometry.frame import Anomaly, ScenarioType
from lib.geometry.rigid import apply, invert
from lib.reading.recorded_frames import ReadFrame
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import (
    frame_ids,
    record_scenario,
    scenario_config,
    scenario_definition,
    simulator_notes,
    ticks_between_frames,
)
from lib.simulator.scenario_plan import ScenarioPlan, plan_scenarios
from lib.simulator.scene import Material, Scene, Texture
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.world import world_SE3_ego
from tests.all_params import all_params
from tests.anovox_sample import WRITTEN
from tests.present import present
from tests.simulator.small_scene import ANOMALY, box, small_scene

GOLDEN_ANOMALY = next(WRITTEN.glob("other_rows/data/Scenario_*/ANOMALY/*.csv"))


@pytest.fixture(scope="module")
def params() -> SimulateParams:
    small = {"image_height": 32, "image_width": 48, "lidar_channels": 8, "lidar_rays_per_channel": 64}
    changes = {
        "frames_per_scenario": 3,
        "normality_scenarios": 10,
        "anomaly_scenarios": 5,
        "absent_fraction": 0.0,
        **small,
    }
    return all_params().simulate.model_copy(update=changes)


def plan_of(params: SimulateParams, kind: ScenarioType) -> ScenarioPlan:
    return next(plan for plan in plan_scenarios(params) if plan.type == kind)


def strange_scene() -> Scene:
    material = Material(Texture.DOTS, (0.9, 0.1, 0.6), (0.1, 0.9, 0.2))
    return small_scene(
        box((12, -1, 0), (13, 1, 1.5), material, ANOMALY, 41),
        anomaly_size="Medium",
        anomaly_kind="appearance",
        anomaly_blueprint="static.prop.box",
        anomaly_class_id=ANOMALY,
        anomaly_position_m=(12.5, 0.25, 0.75),
        ego_yaw_rad=0.3,
        ego_start_xy_m=(1.0, 2.0),
    )


def test_frame_ids_count_ticks_and_some_scenarios_pass_1000(params):
    firsts = set()
    for plan in plan_scenarios(params):
        ids = [recording.frame_id for recording in record_scenario(small_scene(), plan, params)]
        assert np.diff(ids).tolist() == [5, 5] and tuple(ids) == frame_ids(plan, params)
        assert np.diff(frame_ids(plan, params.model_copy(update={"seconds_between_frames": 0.1}))).tolist() == [1, 1]
        firsts.add(ids[0])
    assert len(firsts) > 10 and min(firsts) >= 880 and max(firsts) < 1000


@pytest.mark.parametrize(("seconds", "ticks"), [(0.1, 1), (0.5, 5), (0.3, 3), (2.0, 20)])
def test_seconds_are_ticks(params, seconds, ticks):
    assert ticks_between_frames(params.model_copy(update={"seconds_between_frames": seconds})) == ticks


def test_points_per_second_give_the_rays_asked_for(params):
    args = sensor_set(params).lidar_args
    assert args.points_per_second == 10 * 8 * 64
    full = params.model_copy(update={"lidar_channels": 64, "lidar_rays_per_channel": 1562})
    assert sensor_set(full).lidar_args.points_per_second == pytest.approx(1_000_000, rel=1e-3)


def test_action_tells_where_the_sensors_are(params):
    """CARLA's world: y to the right. The ego heads 0.3 rad to the left, so its camera's y falls."""
    plan, scene = plan_of(params, ScenarioType.NORMALITY), strange_scene()
    for index, recording in enumerate(record_scenario(scene, plan, params)):
        action = recording.action
        assert action["frame_id"] == str(recording.frame_id)
        assert action["scenario_id"] == plan.name.removeprefix("Scenario_")
        assert float(action["speed"]) == pytest.approx(6.0 * 3.6)
        way_m = 6.0 * 0.5 * index
        matrix = np.array(json.loads(action["camera transformation matrix"]))
        place = [1.0 + way_m * np.cos(0.3), -(2.0 + way_m * np.sin(0.3)), 1.8]
        np.testing.assert_allclose(matrix[:3, 3], place, atol=1e-9)
        np.testing.assert_allclose(matrix[:3, 0], [np.cos(0.3), -np.sin(0.3), 0], atol=1e-9)
        assert action["lidar transformation matrix"] == action["camera transformation matrix"]


def test_anomaly_lines(params):
    plan = plan_of(params, ScenarioType.STATIC)
    for recording in record_scenario(strange_scene(), plan, params):
        assert recording.anomaly == {
            "frame_id": str(recording.frame_id),
            "scenario_id": plan.name.removeprefix("Scenario_"),
            "anomaly_id": "41",
            "anomaly_type_id": "static.prop.box",
            "anomaly_is_alive": "True",
            "semantic_tags": "[33]",
            "location": "(12.5, -0.25, 0.75)",
            "velocity": "(0.0, 0.0, 0.0)",
            "acceleration": "(0.0, 0.0, 0.0)",
            "role_name": "prop",
            "size": "medium",
        }
        assert list(recording.anomaly) == list(read_key_values(GOLDEN_ANOMALY))
    normal = record_scenario(small_scene(), plan_of(params, ScenarioType.NORMALITY), params)
    assert [recording.anomaly for recording in normal] == [None] * 3


def test_the_notes_name_kinds_and_the_frames_without_the_anomaly(params):
    plans = plan_scenarios(params.model_copy(update={"absent_fraction": 0.5}))
    notes = simulator_notes(plans, params)
    assert set(notes) == {plan.name for plan in plans if plan.anomaly}
    for plan in plans:
        if plan.anomaly:
            made = list(record_scenario(strange_scene(), replace(plan, absent=range(0)), params))
            gone = tuple(recording.frame_id for index, recording in enumerate(made) if index in plan.absent)
            assert notes[plan.name] == SimulatorNote(plan.anomaly.kind, gone)
    assert any(note.absent_frames for note in notes.values())


def test_the_definition_tells_the_drive(params):
    for plan in plan_scenarios(params):
        scene = build_scene(plan, params)
        made = scenario_definition(plan, scene)
        route_m = made.route_xy_m
        assert made.config == scenario_config(plan, scene) and len(route_m) >= 105
        assert np.allclose(np.linalg.norm(np.diff(route_m, axis=0), axis=1), 1.0, atol=0.03)
        for time_s in (0.0, 0.5, 1.0):  # the ego keeps to its route: within half a lane and in its direction
            pose = world_SE3_ego(scene, time_s)
            nearest = int(np.argmin(np.linalg.norm(route_m - pose[:2, 3], axis=1)))
            assert np.linalg.norm(route_m[nearest] - pose[:2, 3]) < 0.6
            step_m = route_m[nearest + 1] - route_m[nearest]
            assert pose[:2, 0] @ step_m > 0.999 * np.linalg.norm(step_m)
        assert np.allclose(route_m[0], world_SE3_ego(scene, 0.0)[:2, 3])
        if plan.anomaly:
            place = np.array(scene.anomaly_position_m)
            beside_m = np.linalg.norm(route_m - place[:2], axis=1)
            assert beside_m[made.anomaly_waypoint] == beside_m.min()
            assert made.anomaly_yaw_rad == scene.anomaly_yaw_rad is not None


@pytest.mark.parametrize("absent", [range(1), range(1, 3)])
def test_frames_without_the_anomaly(params, absent):
    """Neither sensor sees it there, both do elsewhere; nothing else that does not hang on it changes."""
    wide = params.model_copy(update={"image_height": 64, "image_width": 96, "lidar_rays_per_channel": 256})
    plan = next(p for p in plan_scenarios(wide) if p.anomaly and (p.anomaly.kind, p.anomaly.size) == ("both", "Huge"))
    scene = build_scene(replace(plan, absent=absent), wide)
    made = list(record_scenario(scene, replace(plan, absent=absent), wide))
    always = list(record_scenario(scene, replace(plan, absent=range(0)), wide))
    for index, (one, other) in enumerate(zip(made, always, strict=True)):
        for classes in (one.cameras[0].semantic, one.lidars[0].semantic_lidar[:, 3].astype(np.uint8)):
            assert is_anomaly(classes).any() == (index not in absent)
        assert one.anomaly == {**present(other.anomaly), "anomaly_is_alive": str(index not in absent)}
        assert one.action == other.action and one.frame_id == other.frame_id
        if index not in absent:
            np.testing.assert_array_equal(one.cameras[0].rgb, other.cameras[0].rgb)


def test_the_same_scenario_again_and_another_noise_in_another(params):
    plan = plan_of(params, ScenarioType.STATIC)
    first, again = (list(record_scenario(strange_scene(), plan, params)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.cameras[0].rgb, other.cameras[0].rgb)
        np.testing.assert_array_equal(one.lidars[0].lidar, other.lidars[0].lidar)
    elsewhere = next(record_scenario(strange_scene(), replace(plan, index=plan.index + 1), params))
    assert not np.array_equal(elsewhere.lidars[0].lidar, first[0].lidars[0].lidar)
    np.testing.assert_array_equal(elsewhere.cameras[0].semantic, first[0].cameras[0].semantic)


def test_written_and_read_back(params, tmp_path):
    """What the files say is what the simulator knows: pose, speed, anomaly, and where the points are in the world."""
    plan, scene = plan_of(params, ScenarioType.STATIC), strange_scene()
    config = scenario_config(plan, scene)
    assert (config.name, config.type, config.anomaly_blueprint) == (plan.name, ScenarioType.STATIC, "static.prop.box")
    path = write_scenario(tmp_path, config, sensor_set(params), record_scenario(scene, plan, params))
    read = [item.frame for item in read_frames(open_scenario(path, config)) if isinstance(item, ReadFrame)]
    assert len(read) == 3
    for index, frame in enumerate(read):
        pose, true_pose = present(frame.world_SE3_ego), world_SE3_ego(scene, 0.5 * index)
        np.testing.assert_allclose(pose, true_pose, atol=1e-6)  # CARLA's numbers are float32
        assert frame.speed_mps == pytest.approx(6.0)
        assert frame.anomaly == Anomaly("Medium", "static.prop.box", "appearance")
        found = frame.points[frame.point_class == ANOMALY, :3]
        places = apply(pose, found + np.array([0, 0, 1.8], dtype=np.float32))
        assert (places > [11.5, -1.5, -0.5]).all() and (places < [13.5, 1.5, 2.0]).all() and len(places) > 0
        np.testing.assert_allclose(invert(frame.calibration.camera_SE3_lidar), np.eye(4), atol=1e-12)
