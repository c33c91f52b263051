"""The writer makes AnoVox's own folders: byte by byte where AnoVox's bytes are known, and whole or not at all."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format import files, layout
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.recording import (
    LIDAR_SENSORS,
    SENSOR_POSES,
    CameraArgs,
    CameraRecording,
    LidarArgs,
    LidarRecording,
    Recording,
    SensorPose,
    SensorSet,
)
from lib.anovox.format.sensor_setup import read_sensor_setup, sensor_setup, write_sensor_setup
from lib.anovox.format.writing import write_scenario
from lib.common.errors import DataError
from tests.anovox_sample import NORMALITY, SCENARIOS, SENSORS, STATIC, WRITTEN, recording, renamed

SIZE = 64, 96
MONO = sorted((WRITTEN / "mono" / "data").glob("Scenario_*-*"))
SETS = [
    ("mono", MONO[0]),
    *((name, next((WRITTEN / name / "data").glob("Scenario_*-*"))) for name in ("stereo", "surround")),
]


def golden_sensors(name):
    lidar_args = LidarArgs(channels=16, points_per_second=12960 if name == "mono" else 9760)
    return SensorSet(*SENSOR_POSES[name], CameraArgs(*SIZE), lidar_args)


def golden_file(scenario, kind, frame_id):
    """None in the folders that a scenario does not have."""
    found = [*scenario.glob(f"{kind}/{kind}_{frame_id}.*"), *scenario.glob(f"{kind}(*/*_{frame_id}.*")]
    return found[0] if found else None


def golden_recording(scenario, frame_id):
    def path(kind):
        return golden_file(scenario, kind, frame_id)

    camera = CameraRecording(
        files.read_rgb(path("RGB-CAM"), *SIZE),
        files.read_depth(path("DEPTH_CAM"), *SIZE),
        read_class_image(path("SEMANTIC-CAM"), *SIZE, 100),
        files.read_rgb(path("INSTANCE-CAM"), *SIZE),
    )
    lidar = LidarRecording(files.read_lidar(path("LIDAR")), files.read_semantic_lidar(path("SEMANTIC-LIDAR")))
    action = files.read_key_values(path("ACTION"))
    anomaly = files.read_key_values(path("ANOMALY")) if path("ANOMALY") else None
    with Image.open(path("ROUTE_MAP")) as image:
        return Recording(frame_id, (camera,), (lidar,), action, anomaly, np.asarray(image))


def chunks(path):
    """Names of a PNG's chunks and what its header says: size, bit depth, colour type, interlacing."""
    content, place, names = path.read_bytes(), 8, []
    while place < len(content):
        names.append(content[place + 4 : place + 8])
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return names, content[16:29]


@pytest.mark.parametrize("scenario", MONO, ids=lambda path: path.name[9:17])
def test_what_anovox_wrote_is_written_again_to_the_byte(tmp_path, scenario):
    """Pictures pixel by pixel: compression is of the writer's choice, and nothing else."""
    frame_ids = sorted(int(path.stem.split("_")[-1]) for path in (scenario / "ACTION").iterdir())
    config = renamed(STATIC, scenario.name)
    made = (golden_recording(scenario, frame_id) for frame_id in frame_ids)
    written = write_scenario(tmp_path, config, golden_sensors("mono"), made)
    theirs = [path for path in scenario.rglob("*") if path.is_file()]
    assert len(theirs) == sum(path.is_file() for path in written.rglob("*")) in (1 + 3 * 9, 1 + 3 * 10)
    for golden in theirs:
        if golden.name == layout.SENSOR_SETUP:
            continue
        kind = golden.parent.name.split("(")[0]
        path = golden_file(written, kind, int(golden.stem.split("_")[-1]))
        if golden.suffix == ".png":
            with Image.open(path) as a, Image.open(golden) as b:
                assert a.mode == b.mode and np.array_equal(np.asarray(a), np.asarray(b)), kind
            assert chunks(path) == chunks(golden)
        else:
            assert path.read_bytes() == golden.read_bytes(), kind


@pytest.mark.parametrize(("name", "scenario"), SETS, ids=["mono", "stereo", "surround"])
def test_sensor_setup_is_anovoxs(tmp_path, name, scenario):
    """To the character but for the hash, which Python draws anew in each of AnoVox's runs."""
    written, golden = tmp_path / layout.SENSOR_SETUP, scenario / layout.SENSOR_SETUP
    write_sensor_setup(written, sensor_setup(golden_sensors(name)))
    ours, theirs = (re.sub(r"_\d{16,19}\"", '_hash"', path.read_text()) for path in (written, golden))
    assert ours == theirs and ours.count("_hash") == 6 * len(SENSOR_POSES[name][0])
    for path in (written, golden):
        hashes = {
            (entry["sensor_type"] in LIDAR_SENSORS, key.split("_")[-1])
            for key, entry in json.loads(path.read_text()).items()
        }
        assert len(hashes) == 2


def test_hashes_of_arguments_are_spread_as_pythons():
    names = [layout.sensor_name("RGB-CAM", SensorPose(), CameraArgs(image_height=height)) for height in range(1, 1000)]
    lengths = Counter(len(name.split("_")[1]) for name in names)
    assert len(set(names)) == 999 and set(lengths) <= set(range(15, 20)) and lengths[19] > lengths[18] > 50


def test_sensor_sets_of_several_poses_round_trip(tmp_path):
    left, ahead = SensorPose((0, -1, 1.8), (0, 0, -15)), SensorPose()
    sensors = SensorSet((left, ahead), (ahead,), CameraArgs(12, 18, 70.0), LidarArgs(channels=8, noise_stddev=0.02))
    path = write_scenario(tmp_path, STATIC, sensors, [recording(3, sensors=sensors)])
    setup = read_sensor_setup(path / layout.SENSOR_SETUP)
    assert [(rig.pose, rig.args) for rig in setup.cameras] == [(pose, sensors.camera_args) for pose in (ahead, left)]
    assert [(rig.pose, rig.args) for rig in setup.lidars] == [(ahead, sensors.lidar_args)]
    assert "DEPTH_CAM(0, -1, 1.8)(0, 0, -15)_" in setup.cameras[1].folders["DEPTH_CAM"]


def test_a_scenario_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield recording(1)
        raise RuntimeError("the ray caster broke")

    with pytest.raises(RuntimeError):
        write_scenario(tmp_path, NORMALITY, SENSORS, broken())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_scenario_is_never_overwritten(tmp_path):
    write_scenario(tmp_path, NORMALITY, SENSORS, [recording(1)])
    with pytest.raises(DataError, match="exists already"):
        write_scenario(tmp_path, NORMALITY, SENSORS, [recording(2)])


def test_equal_recordings_make_equal_bytes(tmp_path):
    paths = [write_scenario(tmp_path, renamed(STATIC, f"Scenario_{n}"), SENSORS, [recording(5, 33)]) for n in "ab"]
    first, second = ({p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()} for root in paths)
    assert first == second and len(first) == 10


def test_normality_has_no_anomaly_folder(tmp_path):
    path = write_scenario(tmp_path, NORMALITY, SENSORS, [recording(5)])
    assert not (path / "ANOMALY").exists()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name[:13])
def test_golden_sensor_setups_are_written_as_they_were_read(tmp_path, path):
    """Sensors that were not saved included."""
    source = path / layout.SENSOR_SETUP
    write_sensor_setup(tmp_path / "written.json", read_sensor_setup(source))
    written, golden = (json.loads(file.read_text()) for file in (tmp_path / "written.json", source))
    assert written == golden and list(written) == list(golden)
