"""What a scenario folder holds: its type, and the cameras and LiDARs that go together."""

import json
import shutil

import numpy as np
import pytest

from lib.anovox.format import layout
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.reading.scenario import largest_cloud, open_scenario
from lib.geometry.frame import ScenarioType
from lib.reading.findings import Notice, ScenarioError, ScenarioReason
from tests.anovox_sample import (
    MONO_NORMALITY,
    MONO_STATIC,
    SCENARIOS,
    STEREO,
    STEREO_ONE_LIDAR,
    golden_copy,
)


def test_the_type_comes_from_the_configuration_or_else_from_the_files():
    by_files = {path: open_scenario(path, None).config.type for path in SCENARIOS}
    assert by_files == {
        MONO_STATIC: ScenarioType.STATIC,
        MONO_NORMALITY: ScenarioType.NORMALITY,
        STEREO: ScenarioType.STATIC,
        STEREO_ONE_LIDAR: ScenarioType.STATIC,
    }
    config = ScenarioConfig(MONO_STATIC.name, ScenarioType.DYNAMIC, "Town01", "CLEAR")
    assert open_scenario(MONO_STATIC, config).config is config


def test_a_vehicle_is_a_dynamic_anomaly(tmp_path):
    root = golden_copy(tmp_path, MONO_STATIC)
    for path in root.glob("*/ANOMALY/*.csv"):
        path.write_text(f"frame_id ; {path.stem[8:]}\nvehicle_id ; 3\nvehicle_type_id ; vehicle.audi.tt\nspeed ; 0.0\n")
    assert open_scenario(root / MONO_STATIC.name, None).config.type is ScenarioType.DYNAMIC


def test_mono_camera_and_lidar_fraction_their_pose():
    scenario = open_scenario(MONO_STATIC, None)
    assert scenario.frame_ids == (996, 1000, 1004)
    [view], [lidar_rig], [lidar] = scenario.views, scenario.lidar_rigs, scenario.lidars
    assert view.rig.pose == lidar_rig.pose and view.name == ""
    assert np.array_equal(view.calibration.camera_SE3_lidar, np.eye(4))
    assert (view.camera.width_px, view.camera.height_px, view.camera.fx_px) == pytest.approx((72, 48, 36))
    assert lidar.channels == 16 and lidar.location == (0, 0, 1.8)
    assert largest_cloud(scenario) == 1517


def test_stereo_takes_the_pose_that_looks_forward():
    scenario = open_scenario(STEREO, None)
    [view], [lidar_rig] = scenario.views, scenario.lidar_rigs
    assert view.rig.pose.rotation == lidar_rig.pose.rotation == (0, 0, 0)
    assert np.array_equal(view.calibration.camera_SE3_lidar, np.eye(4))


def test_a_camera_without_a_lidar_is_paired_through_the_calibration():
    """Camera at (0, -1, 1.8), yaw -15: 1 m to the left, looking left. A point straight ahead of the LiDAR is right."""
    scenario = open_scenario(STEREO_ONE_LIDAR, None)
    [view], [lidar_rig] = scenario.views, scenario.lidar_rigs
    assert view.rig.pose.rotation == (0, 0, -15) and lidar_rig.pose.rotation == (0, 0, 0)
    ahead = view.calibration.camera_SE3_lidar @ [10, 0, 0, 1]
    angle = np.deg2rad(15)
    assert np.allclose(ahead[:3], [10 * np.cos(angle) - np.sin(angle), -10 * np.sin(angle) - np.cos(angle), 0])


def setup_of(root):
    path = root / MONO_STATIC.name / layout.SENSOR_SETUP
    return path, json.loads(path.read_text())


def test_a_scenario_that_names_no_sensor_is_refused(tmp_path):
    path, _ = setup_of(golden_copy(tmp_path, MONO_STATIC))
    path.unlink()
    for folder in list(path.parent.glob("*(*")):
        folder.rename(folder.with_name(folder.name.replace("(", "")))
    with pytest.raises(ScenarioError) as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.MISSING_SENSOR_SETUP
    problem = "missing, and no folder of the scenario is named as a sensor's; remove the scenario"
    assert str(caught.value) == f"{path}: {problem}"


LIDAR = "LIDAR(0, 0, 1.8)(0, 0, 0)_8567646834588022690"
CAMERA = "RGB-CAM(0, 0, 1.8)(0, 0, 0)_8112341084538454858"


@pytest.mark.parametrize(
    ("sensor", "key", "value", "part"),
    [
        (LIDAR, "location", [0, 0], "location is not a list of three numbers"),
        (LIDAR, "location", [0, 0, None], "location is not a finite number"),
        (LIDAR, "location", [0, 0, 10**400], "too large"),
        (LIDAR, "location", [0, 1e9, 0], "location is [0, 1000000000.0, 0], which is more than 100 m from the vehicle"),
        (LIDAR, "args", {"channels": 0}, "channels is 0"),
        (LIDAR, "args", {"channels": 16, "upper_fov": -40}, "is impossible for a LiDAR"),
        (CAMERA, "args", {}, "'image_height' is missing"),
        (CAMERA, "args", {"image_height": 48.5, "image_width": 72, "camera_fov": 90}, "image_height is 48.5"),
        (CAMERA, "args", {"image_height": 48, "image_width": 10**9, "camera_fov": 90}, "from 1 to 16777216"),
        (
            CAMERA,
            "args",
            {"image_height": 8192, "image_width": 8192, "camera_fov": 90},
            "an image of 8192 x 8192 has more than the 16,777,216 pixels",
        ),
        (CAMERA, "args", {"image_height": 48, "image_width": 72, "camera_fov": 180}, "camera_fov is 180"),
        (CAMERA, "args", {"image_height": 48, "image_width": 72, "camera_fov": 91.0}, "field of view differs"),
        (CAMERA, "args", 3, "is not"),
    ],
)
def test_a_damaged_sensor_setup_is_named(tmp_path, sensor, key, value, part):
    path, setup = setup_of(golden_copy(tmp_path, MONO_STATIC))
    setup[sensor][key] = value
    path.write_text(json.dumps(setup))
    with pytest.raises(ScenarioError) as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.BAD_SENSOR_SETUP
    assert str(caught.value).startswith(f"{path}: ") and part in str(caught.value)


@pytest.mark.parametrize("content", ["", "[1]", '{"x": 3}', '{"../x": {"sensor_type": "LIDAR"}}'])
def test_an_unreadable_sensor_setup_is_named(tmp_path, content):
    path, _ = setup_of(golden_copy(tmp_path, MONO_STATIC))
    path.write_text(content)
    with pytest.raises(ScenarioError, match=r"sensor_setup\.json: ") as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.BAD_SENSOR_SETUP


@pytest.mark.parametrize(
    ("kind", "part"),
    [("LIDAR", "no folder of a saved LIDAR"), ("DEPTH_CAM", "no folder of a saved RGB-CAM with DEPTH")],
)
def test_a_scenario_without_camera_and_lidar_is_refused(tmp_path, kind, part):
    path, setup = setup_of(golden_copy(tmp_path, MONO_STATIC))
    for entry in setup.values():
        entry["save_data"] = entry["sensor_type"] != kind
    path.write_text(json.dumps(setup))
    with pytest.raises(ScenarioError, match=part) as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.NO_SENSOR_PAIR


@pytest.mark.parametrize(("twin", "saved"), [(LIDAR, True), (CAMERA, True), (LIDAR, False)])
def test_two_sensors_of_one_type_at_one_pose_are_refused(tmp_path, twin, saved):
    path, setup = setup_of(golden_copy(tmp_path, MONO_STATIC))
    setup[f"{twin}0"] = setup[twin] | {"save_data": saved}
    path.write_text(json.dumps(setup))
    if not saved:
        assert open_scenario(path.parent, None).frame_ids == (996, 1000, 1004)
        return
    with pytest.raises(ScenarioError, match=r"a second .* at the pose of .*set save_data of one of them") as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.TWO_SENSORS_AT_ONE_POSE


def test_folders_that_only_the_setup_names_are_noticed(tmp_path):
    path = golden_copy(tmp_path, STEREO_ONE_LIDAR) / STEREO_ONE_LIDAR.name
    forward = open_scenario(path, None)
    assert forward.findings == () and forward.views[0].rig.pose.rotation == (0, 0, -15)
    gone = [folder for folder in path.iterdir() if folder.name.startswith("RGB-CAM(0, -1")]
    shutil.rmtree(gone[0])
    scenario = open_scenario(path, None, "all")
    [finding] = scenario.findings
    assert finding.reason is Notice.MISSING_SENSOR_FOLDER and finding.message.startswith(f"{gone[0]}: missing, though")
    assert [view.name for view in scenario.views] == ["camera2_yaw15"]
    assert open_scenario(path, None).views[0].rig.pose.rotation == (0, 0, 15)


def test_all_sensors_are_every_camera_and_every_lidar():
    scenario = open_scenario(STEREO, None, "all")
    assert [view.name for view in scenario.views] == ["camera0_yaw0", "camera1_yaw-15", "camera2_yaw15"]
    assert [lidar.rotation[2] for lidar in scenario.lidars] == [0, -15, 15]
    assert np.array_equal(scenario.vehicle_SE3_points, np.eye(4))
    ahead = scenario.views[0].calibration.camera_SE3_lidar @ [10, 0, 1.8, 1]
    assert np.allclose(ahead[:3], [10, 0, 0])
    one = open_scenario(STEREO_ONE_LIDAR, None, "all")
    assert [view.name for view in one.views] == ["camera1_yaw-15", "camera2_yaw15"] and len(one.lidars) == 1
    assert np.array_equal(
        one.views[0].calibration.camera_SE3_lidar,
        open_scenario(STEREO_ONE_LIDAR, None).views[0].calibration.camera_SE3_lidar,
    )


def test_a_scenario_without_files_is_refused(tmp_path):
    path, _ = setup_of(golden_copy(tmp_path, MONO_STATIC))
    for file in path.parent.glob("*/*"):
        file.unlink()
    with pytest.raises(ScenarioError, match="holds no frame"):
        open_scenario(path.parent, None)
