"""Finding scenarios, their configuration, and the camera and LiDAR that go together."""

import json

import numpy as np
import pytest

from lib.anovox import layout
from lib.anovox.recording import ScenarioConfig
from lib.anovox.scenario import (
    ScenarioError,
    ScenarioReason,
    find_scenarios,
    largest_cloud,
    open_scenario,
    read_configurations,
)
from lib.anovox.writer import write_scenario_configuration
from lib.errors import DataError
from lib.frame import ScenarioType
from tests.anovox_sample import (
    MONO_NORMALITY,
    MONO_STATIC,
    NORMALITY,
    SCENARIOS,
    STATIC,
    STEREO,
    STEREO_ONE_LIDAR,
    golden_copy,
    renamed,
)


def test_scenarios_are_found_at_any_depth_and_sorted(tmp_path):
    names = ["a/Scenario_3", "Scenario_2", "b/c/d/Scenario_1", "a/Scenario_Configuration_Files", ".hidden/Scenario_9"]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Scenario_2" / "Scenario_inside").mkdir()
    (tmp_path / "Scenario_file").touch()
    found = find_scenarios(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b/c/d/Scenario_1", "Scenario_2", "a/Scenario_3"]


def test_symbolic_links_are_followed_once(tmp_path):
    data = tmp_path / "data"
    (data / "archive" / "Scenario_1").mkdir(parents=True)
    (data / "archive" / "loop").symlink_to(data)
    (data / "again").symlink_to(data / "archive")
    (tmp_path / "link").symlink_to(data)
    found = find_scenarios(tmp_path / "link")
    assert [path.name for path in found] == ["Scenario_1"]


@pytest.mark.parametrize(
    ("name", "part"),
    [("missing", "there is no such folder"), ("file", "not a folder"), ("empty", "holds no Scenario_")],
)
def test_a_root_without_scenarios_is_refused(tmp_path, name, part):
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(DataError, match=r"set data\.root to a folder that holds Scenario_") as caught:
        find_scenarios(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {part}")


def test_two_scenarios_of_one_name_are_refused(tmp_path):
    for archive in "ab":
        (tmp_path / archive / "Scenario_1").mkdir(parents=True)
    with pytest.raises(DataError, match=r"Scenario_1: also lies at .*Scenario_1; remove one of them"):
        find_scenarios(tmp_path)


def test_configurations_round_trip(tmp_path):
    configs = [
        NORMALITY,
        STATIC,
        ScenarioConfig("Scenario_2-c", ScenarioType.DYNAMIC, "Town03", "SOFT_RAIN_SUNSET", "vehicle.x"),
    ]
    write_scenario_configuration(tmp_path, configs)
    assert read_configurations(tmp_path) == {config.name: config for config in configs}
    assert sorted(p.name for p in (tmp_path / layout.CONFIGURATION_FOLDER).iterdir()) == [
        "Town03.json",
        "Town10HD.json",
    ]


def test_configurations_may_be_absent(tmp_path):
    assert read_configurations(tmp_path) == {}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"scenario_definition": {"map": "T", "scenarios": [{"id": "1", "anomaly_config": 3}]}}']
)
def test_a_damaged_configuration_is_named(tmp_path, content):
    path = tmp_path / layout.CONFIGURATION_FOLDER / "x.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_configurations(tmp_path)
    assert str(caught.value).startswith(f"{path}: not") and "archive again" in str(caught.value)


def test_contradicting_configurations_are_refused(tmp_path):
    write_scenario_configuration(tmp_path / "a", [STATIC])
    write_scenario_configuration(tmp_path / "b", [renamed(NORMALITY, STATIC.name)])
    with pytest.raises(DataError, match=f"contradicts another configuration of {STATIC.name}"):
        read_configurations(tmp_path)


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
        path.write_text(path.read_text().replace("static.prop.a_golden", "vehicle.audi.tt"))
    assert open_scenario(root / MONO_STATIC.name, None).config.type is ScenarioType.DYNAMIC


def test_mono_camera_and_lidar_share_their_pose():
    scenario = open_scenario(MONO_STATIC, None)
    assert scenario.frame_ids == (996, 1000, 1004)
    assert scenario.camera_rig.pose == scenario.lidar_rig.pose
    assert np.array_equal(scenario.camera_SE3_lidar, np.eye(4))
    assert (scenario.camera.width_px, scenario.camera.height_px, scenario.camera.fx_px) == pytest.approx((72, 48, 36))
    assert scenario.lidar.channels == 16 and scenario.lidar.location == (0, 0, 1.8)
    assert largest_cloud(scenario) == 1517


def test_stereo_takes_the_pose_that_looks_forward():
    scenario = open_scenario(STEREO, None)
    assert scenario.camera_rig.pose.rotation == scenario.lidar_rig.pose.rotation == (0, 0, 0)
    assert np.array_equal(scenario.camera_SE3_lidar, np.eye(4))


def test_a_camera_without_a_lidar_is_paired_through_the_calibration():
    """Camera at (0, -1, 1.8), yaw -15: 1 m to the left, looking left. A point straight ahead of the LiDAR is right."""
    scenario = open_scenario(STEREO_ONE_LIDAR, None)
    assert scenario.camera_rig.pose.rotation == (0, 0, -15) and scenario.lidar_rig.pose.rotation == (0, 0, 0)
    ahead = scenario.camera_SE3_lidar @ [10, 0, 0, 1]
    angle = np.deg2rad(15)
    assert np.allclose(ahead[:3], [10 * np.cos(angle) - np.sin(angle), -10 * np.sin(angle) - np.cos(angle), 0])


def setup_of(root):
    path = root / MONO_STATIC.name / layout.SENSOR_SETUP
    return path, json.loads(path.read_text())


def test_a_scenario_without_sensor_setup_is_refused(tmp_path):
    path, _ = setup_of(golden_copy(tmp_path, MONO_STATIC))
    path.unlink()
    with pytest.raises(ScenarioError) as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.MISSING_SENSOR_SETUP
    assert str(caught.value) == f"{path}: missing; unpack the archive again or remove the scenario"


LIDAR = "LIDAR(0, 0, 1.8)(0, 0, 0)_8567646834588022690"
CAMERA = "RGB-CAM(0, 0, 1.8)(0, 0, 0)_8112341084538454858"


@pytest.mark.parametrize(
    ("sensor", "key", "value", "part"),
    [
        (LIDAR, "location", [0, 0], "location is not a list of three numbers"),
        (LIDAR, "location", [0, 0, None], "location is not a finite number"),
        (LIDAR, "rotation", [10, 0, 0], "roll and pitch must be 0"),
        (LIDAR, "args", {"channels": 0}, "channels is 0"),
        (LIDAR, "args", {"channels": 16, "upper_fov": -40}, "cannot be those of a LiDAR"),
        (CAMERA, "args", {}, "'image_height' is missing"),
        (CAMERA, "args", {"image_height": 48.5, "image_width": 72, "camera_fov": 90}, "image_height is 48.5"),
        (CAMERA, "args", {"image_height": 48, "image_width": 10**9, "camera_fov": 90}, "from 1 to 16384"),
        (CAMERA, "args", {"image_height": 48, "image_width": 72, "camera_fov": 180}, "camera_fov is 180"),
        (CAMERA, "args", {"image_height": 48, "image_width": 73, "camera_fov": 90.0}, "differs in size"),
        (CAMERA, "args", 3, "is not"),
    ],
)
def test_a_damaged_sensor_setup_is_named(tmp_path, sensor, key, value, part):
    path, setup = setup_of(golden_copy(tmp_path, MONO_STATIC))
    setup[sensor][key] = value
    if key == "rotation":
        setup = {name: entry | {"rotation": value} for name, entry in setup.items()}
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


@pytest.mark.parametrize(("kind", "part"), [("LIDAR", "no saved LIDAR"), ("DEPTH_CAM", "no saved RGB-CAM with DEPTH")])
def test_a_scenario_without_camera_and_lidar_is_refused(tmp_path, kind, part):
    path, setup = setup_of(golden_copy(tmp_path, MONO_STATIC))
    for entry in setup.values():
        entry["save_data"] = entry["sensor_type"] != kind
    path.write_text(json.dumps(setup))
    with pytest.raises(ScenarioError, match=part) as caught:
        open_scenario(path.parent, None)
    assert caught.value.reason is ScenarioReason.NO_SENSOR_PAIR


def test_a_scenario_without_files_is_refused(tmp_path):
    path, _ = setup_of(golden_copy(tmp_path, MONO_STATIC))
    for file in path.parent.glob("*/*"):
        file.unlink()
    with pytest.raises(ScenarioError, match="holds no frame"):
        open_scenario(path.parent, None)
