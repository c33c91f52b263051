"""Frames checked by name, size and header: what reading would refuse for these is found, nothing else."""

import numpy as np
import pytest
from PIL import Image

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.doctor.survey import check_frames
from lib.reading.file_errors import Reason
from lib.reading.recorded_frames import SkippedFrame
from tests.anovox_sample import MONO_STATIC, SCENARIOS, frame_path, golden_copy
from tests.sound_files import whole_frames


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


def other_size(path):
    Image.new("RGB", (10, 10)).save(path)


def other_dtype(path):
    np.save(path, np.ones((4, 4), dtype=np.int16))


@pytest.mark.parametrize("sensors", ["forward", "all"])
@pytest.mark.parametrize("path", SCENARIOS)
def test_whole_frames_pass(path, sensors):
    scenario = open_scenario(path, None, sensors)
    assert list(check_frames(scenario, scenario.frame_ids)) == []


@pytest.mark.parametrize(
    ("kind", "damage", "reason"),
    [
        ("RGB-CAM", delete, Reason.MISSING_IMAGE),
        ("DEPTH_CAM", delete, Reason.MISSING_DEPTH),
        ("SEMANTIC-CAM", empty, Reason.EMPTY_FILE),
        ("RGB-CAM", truncate, Reason.DAMAGED_IMAGE),
        ("RGB-CAM", other_size, Reason.DAMAGED_IMAGE),
        ("LIDAR", delete, Reason.MISSING_LIDAR),
        ("LIDAR", truncate, Reason.BAD_ARRAY),
        ("SEMANTIC-LIDAR", other_dtype, Reason.BAD_ARRAY),
        ("VOXEL_GRID", empty, Reason.EMPTY_FILE),
        ("ACTION", empty, Reason.EMPTY_FILE),
        ("ANOMALY", empty, Reason.EMPTY_FILE),
    ],
)
def test_damage_is_named_as_the_reader_names_it(tmp_path, kind, damage, reason):
    folder = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    damage(frame_path(folder, kind, 1000))
    scenario = open_scenario(folder, None)
    [found] = check_frames(scenario, scenario.frame_ids)
    [refused] = [read for read in read_frames(scenario) if isinstance(read, SkippedFrame)]
    assert found.frame_id == refused.frame_id == 1000
    assert found.reason is refused.reason is reason
    assert found.message.split(": ")[0] == refused.message.split(": ")[0]
    assert list(check_frames(scenario, [996, 1004])) == []


def test_a_cloud_that_all_cameras_fraction_costs_a_frame_of_each(tmp_path):
    source = next(path for path in SCENARIOS if len(open_scenario(path, None, "all").views) > 1)
    folder = golden_copy(tmp_path, source) / source.name
    frame_id = open_scenario(folder, None, "all").frame_ids[0]
    empty(next(folder.glob(f"LIDAR*/*_{frame_id}.npy")))
    scenario = open_scenario(folder, None, "all")
    found = list(check_frames(scenario, scenario.frame_ids))
    assert [frame.frame_id for frame in found] == [frame_id] * len(scenario.views)


def test_chosen_frames_alone_are_read():
    scenario = open_scenario(MONO_STATIC, None)
    assert [read.frame.frame_id for read in whole_frames(scenario, [996, 1004])] == [996, 1004]
