"""The writer makes AnoVox's own folders: byte by byte where AnoVox's bytes are known, and whole or not at all."""

import json

import numpy as np
import pytest
from PIL import Image

from lib.anovox import files, layout
from lib.anovox.class_images import read_class_image
from lib.anovox.recording import (
    CameraArgs,
    CameraRecording,
    LidarArgs,
    LidarRecording,
    Recording,
    SensorPose,
    SensorSet,
)
from lib.anovox.setup import read_sensor_setup, write_sensor_setup
from lib.anovox.writer import write_scenario
from lib.errors import DataError
from tests.anovox_sample import MONO_STATIC, NORMALITY, SCENARIOS, SENSORS, STATIC, frame_path, recording, renamed

GOLDEN_SENSORS = SensorSet(camera_args=CameraArgs(48, 72), lidar_args=LidarArgs(channels=16))
FRAMES = (996, 1000, 1004)


def golden_recording(frame_id):
    def path(kind):
        return frame_path(MONO_STATIC, kind, frame_id)

    camera = CameraRecording(
        files.read_rgb(path("RGB-CAM"), 48, 72),
        files.read_depth(path("DEPTH_CAM"), 48, 72),
        read_class_image(path("SEMANTIC-CAM"), 48, 72, 100),
        files.read_rgb(path("INSTANCE-CAM"), 48, 72),
    )
    lidar = LidarRecording(files.read_lidar(path("LIDAR")), files.read_semantic_lidar(path("SEMANTIC-LIDAR")))
    values = [files.read_key_values(path(kind)) for kind in ("ACTION", "ANOMALY")]
    return Recording(frame_id, (camera,), (lidar,), *values)


def test_golden_files_read_and_written_are_the_golden_files(tmp_path):
    written = write_scenario(tmp_path, STATIC, GOLDEN_SENSORS, map(golden_recording, FRAMES))
    for frame_id in FRAMES:
        for kind, ending in layout.FILE_ENDINGS.items():
            made, golden = (frame_path(root, kind, frame_id) for root in (written, MONO_STATIC))
            if ending == ".png":
                with Image.open(made) as ours, Image.open(golden) as theirs:
                    assert ours.mode == theirs.mode and np.array_equal(np.asarray(ours), np.asarray(theirs)), kind
            else:
                assert made.read_bytes() == golden.read_bytes(), kind


def test_sensor_setup_is_anovoxs(tmp_path):
    written = write_scenario(tmp_path, STATIC, GOLDEN_SENSORS, map(golden_recording, FRAMES[:1]))
    made, golden = (json.loads((root / layout.SENSOR_SETUP).read_text()) for root in (written, MONO_STATIC))
    assert list(made.values()) == list(golden.values())
    assert [name.rsplit("_", 1)[0] for name in made] == [name.rsplit("_", 1)[0] for name in golden]
    assert all(len(name.rsplit("_", 1)[1]) == 19 for name in made)
    assert {path.name for path in written.iterdir()} == {*made, layout.SENSOR_SETUP, "VOXEL_GRID", "ACTION", "ANOMALY"}


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
