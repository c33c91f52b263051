"""Drives as files: what AnoVox's files of a braking lead look like, and what the reader makes of them."""

from itertools import pairwise

import numpy as np
import pytest

from lib.anovox.format.files import read_key_values
from lib.anovox.format.writing import write_scenario
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import AGENT_CAR, BRAKING, CAR, TRUCK
from lib.geometry.frame import ScenarioType
from lib.geometry.rigid import apply, invert
from lib.reading.recorded_frames import ReadFrame
from lib.simulator.driving.drive_scene import DIVE_RAD_PER_MPS2, plan_drive
from lib.simulator.driving.trajectories import MARGIN_TICKS
from lib.simulator.mounting import sensor_set
from lib.simulator.recordings import frame_ids, lead_motion, record_scenario, scenario_config
from lib.simulator.scenario_plan import ScenarioPlan, plan_scenarios
from lib.simulator.scene_builder import build_scene
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.world import pose_at, world_SE3_ego
from tests.all_params import all_params
from tests.anovox_sample import WRITTEN
from tests.present import present

SMALL = {"image_height": 32, "image_width": 48, "lidar_channels": 32, "lidar_rays_per_channel": 256}
DRIVES = {"frames_per_scenario": 44, "seconds_between_frames": 0.1}
GOLDEN = next(
    path
    for path in WRITTEN.glob("**/ANOMALY/*.csv")
    if "anomaly_type_id ; vehicle." in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def params() -> SimulateParams:
    counts = {"normality_scenarios": 2, "anomaly_scenarios": 0, "dynamic_scenarios": 2}
    return all_params().simulate.model_copy(update=SMALL | DRIVES | counts | {"lidar_noise_m": 0.0})


@pytest.fixture(scope="module")
def plan(params) -> ScenarioPlan:
    return next(plan for plan in plan_scenarios(params) if plan.dynamic)


@pytest.fixture(scope="module")
def recorded(params, plan, tmp_path_factory):
    root = tmp_path_factory.mktemp("drive")
    scene = build_scene(plan, params)
    recordings = list(record_scenario(scene, plan, params))
    folder = write_scenario(root, scenario_config(plan, scene), sensor_set(params), recordings)
    return scene, recordings, folder


def test_drives_and_other_scenarios_are_planned_together():
    params = all_params().simulate.model_copy(
        update=DRIVES | {"normality_scenarios": 5, "anomaly_scenarios": 4, "dynamic_scenarios": 3}
    )
    plans = plan_scenarios(params)
    kinds = [(plan.type, plan.driven) for plan in plans]
    assert kinds.count((ScenarioType.NORMALITY, True)) == 5
    assert kinds.count((ScenarioType.STATIC, False)) == 4
    assert kinds.count((ScenarioType.DYNAMIC, True)) == 3


def test_the_lead_is_labelled_as_anovox_labels_it(params, plan, recorded):
    _, recordings, _ = recorded
    onset = present(plan_drive(plan, params).plan.onset_tick)
    seen = 0
    for index, recording in enumerate(recordings):
        semantic, cloud = recording.cameras[0].semantic, recording.lidars[0].semantic_lidar[:, 3]
        wanted, other = (BRAKING, AGENT_CAR) if onset <= index < onset + 31 else (AGENT_CAR, BRAKING)
        assert not (semantic == other).any() and not (cloud == other).any()
        seen += bool((semantic == wanted).any() and (cloud == wanted).any())
        lead = semantic == wanted
        assert np.isin(recording.cameras[0].instance[lead, 0], (CAR, TRUCK)).all()
    assert seen > 0.9 * len(recordings)


def test_anomaly_files_have_the_keys_of_anovox_own(recorded):
    _, recordings, _ = recorded
    golden = read_key_values(GOLDEN)
    for recording in recordings[:3]:
        values = present(recording.anomaly)
        assert set(values) == set(golden) - {"color"}
        assert list(values) == [key for key in golden if key in values]
        assert values["role_name"] == golden["role_name"] == "anomaly"


def test_the_lead_stands_where_its_points_and_its_file_say(recorded):
    scene, recordings, _ = recorded
    lead = present(scene.lead)
    for index in (0, 20, 43):
        x, y, _ = pose_at(lead_motion(lead), index / 10)[:3, 3]
        told = present(recordings[index].anomaly)["location"].strip("()").split(",")
        assert (float(told[0]), -float(told[1])) == pytest.approx((x, y), abs=1e-3)
        cloud = recordings[index].lidars[0].semantic_lidar
        points = cloud[np.isin(cloud[:, 3], (AGENT_CAR, BRAKING)), :3] + (0, 0, 1.8)
        inside = apply(invert(pose_at(lead_motion(lead), index / 10)) @ world_SE3_ego(scene, index / 10), points)
        corners = np.concatenate([part.vertices_m for part in lead.actor.parts])
        assert (inside >= corners.min(axis=0) - 0.02).all() and (inside <= corners.max(axis=0) + 0.02).all()


def test_speed_pedals_and_pose_of_the_ego_belong_together(params, plan, recorded):
    scene, recordings, folder = recorded
    lane = plan_drive(plan, params).lane
    poses = [world_SE3_ego(scene, index / 10) for index in range(44)]
    moved_m = [float(np.linalg.norm(b[:2, 3] - a[:2, 3])) for a, b in pairwise(poses)]
    speeds = [float(recording.action["speed"]) / 3.6 for recording in recordings]
    assert np.abs(np.array(moved_m) / 0.1 - (np.array(speeds)[1:] + np.array(speeds)[:-1]) / 2).max() < 0.6
    brakes = np.array([float(recording.action["brake"]) for recording in recordings])
    assert brakes == pytest.approx(lane.pedals[MARGIN_TICKS : MARGIN_TICKS + 44, 1], abs=1e-6)
    read = read_frames(open_scenario(folder, scenario_config(plan, scene)))
    frames = [each.frame for each in read if isinstance(each, ReadFrame)]
    assert [frame.frame_id for frame in frames] == list(frame_ids(plan, params))
    for frame, pose in zip(frames, poses, strict=True):
        assert present(frame.world_SE3_ego) == pytest.approx(pose, abs=1e-4)
        assert frame.scenario_type is ScenarioType.DYNAMIC


def test_the_nose_goes_down_under_braking(params, plan, recorded):
    scene, _, _ = recorded
    lane = plan_drive(plan, params).lane
    hardest = int(np.argmin(lane.lead.acceleration_mps2[MARGIN_TICKS:-MARGIN_TICKS]))
    ahead = pose_at(lead_motion(present(scene.lead)), hardest / 10)[:3, 0]
    assert -ahead[2] > np.sin(4 * DIVE_RAD_PER_MPS2)


def test_dynamic_drives_need_anovox_rate():
    values = all_params().simulate.model_dump() | {"dynamic_scenarios": 2}
    with pytest.raises(ValueError, match=r"need 0\.1 and at least 40, for example 90"):
        SimulateParams.model_validate(values)
    SimulateParams.model_validate(values | {"frames_per_scenario": 40, "seconds_between_frames": 0.1})
