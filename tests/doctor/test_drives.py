"""The check of drives: their line on the page, and what is named in odd ones."""

import shutil

import numpy as np
import pytest

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.doctor.checkup import check_up, page
from lib.doctor.estimate import PlannedParams
from lib.doctor.survey import survey
from lib.preprocessing.conversion import convert_data_set
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice
from lib.reading.recorded_frames import ReadFrame, SkippedFrame
from lib.shards.sequences import ticks_of, window_of
from lib.shards.shard_reader import read_shard
from tests.all_params import all_params
from tests.anovox_sample import WRITTEN
from tests.drives import FIRST_ID, files_of, renumbered, write_drive

PARAMS = all_params()


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    return write_drive(tmp_path_factory.mktemp("drive"), np.interp(np.arange(20) * 0.1, [0, 1, 2], [8, 8, 3]))


@pytest.fixture
def copy(drive, tmp_path):
    return shutil.copytree(drive, tmp_path / "data" / drive.name)


def checked(root):
    """Names of the findings, and the page."""
    execution = PARAMS.execution.model_copy(update={"workers": 1, "device": "cpu"})
    checkup = check_up(root, PlannedParams(**dict(PARAMS) | {"execution": execution}), 10)
    return {diagnosis.name: diagnosis.what for diagnosis in checkup.diagnoses}, page(checkup)


def ticks(shard):
    found = ticks_of(shard)
    assert found is not None
    return found


def converted(root, folder):
    folder.mkdir(exist_ok=True)
    data = convert_data_set(root, folder, PARAMS.preprocess, 1)
    return data, read_shard(folder / data.entries[0].file)


def test_drives_are_listed_by_type(drive):
    found, text = checked(drive.parent)
    assert "drives          1 normality: 20 ticks, 1.9 s, 10 a second, poses in all" in text.splitlines()
    assert not set(found) & {"no_poses", "missing_poses", "poses_unjudged", "jumping_poses", "several_time_steps"}


def test_missing_ticks_stay_gaps(copy, tmp_path):
    for folder in files_of(copy, ""):
        for place in (4, 5, 11):
            folder[place].unlink()
    found, _ = checked(copy.parent)
    assert "several_time_steps" not in found
    _, shard = converted(copy.parent, tmp_path / "out")
    found_ticks = ticks(shard)
    assert found_ticks.tolist() == [tick for tick in range(20) if tick not in (4, 5, 11)]
    assert window_of(found_ticks, [0, 1, 3])[[4, 5, 6]].tolist() == [[4, -1, 3], [5, 4, -1], [6, 5, -1]]


def test_a_tick_that_is_there_twice_is_named_and_left_out(copy, tmp_path):
    [[*paths]] = files_of(copy, "LIDAR(")
    shutil.copy(paths[3], paths[3].with_name(paths[3].name.replace(f"_{FIRST_ID + 3}", f"_0{FIRST_ID + 3}")))
    found, _ = checked(copy.parent)
    assert "exists more than once" in found["duplicate_frame"]
    data, shard = converted(copy.parent, tmp_path / "out")
    assert ticks(shard).tolist() == [tick for tick in range(20) if tick != 3]
    assert data.metrics["skipped"]["duplicate_frame"] == 1


def test_frames_are_stored_once_and_in_the_order_of_their_ticks(copy, tmp_path):
    """Also where ids gain a digit, so that names are sorted otherwise."""
    renumbered(copy, lambda place: 990 + place)
    _, shard = converted(copy.parent, tmp_path / "out")
    assert shard.frame_id.tolist() == list(range(990, 1010)) and ticks(shard).tolist() == list(range(20))


def test_a_rate_that_changes_within_a_drive_is_named(copy, tmp_path):
    renumbered(copy, lambda place: 880 + place + 4 * max(0, place - 16))
    for folder in files_of(copy, "ACTION"):  # so that only the ids tell
        for path in folder:
            path.unlink()
    found, text = checked(copy.parent)
    assert "its frames are 0.1 s apart, but 0.5 s in a part of it" in found["several_time_steps"]
    assert "no poses" in text and "no frame has a pose" in found["no_poses"]
    data, _ = converted(copy.parent, tmp_path / "out")
    assert data.metrics["noticed"]["several_time_steps"] == 1


def test_a_clock_that_changes_within_a_drive_is_named(copy):
    """Ids step by one, and speeds say that the ego drives twice as long from tick to tick in the second half."""
    for folder in files_of(copy, "ACTION"):
        for path in folder[10:]:
            lines = path.read_text().splitlines()
            halved = [f"speed ; {float(line.split(' ; ')[1]) / 2}" if line[:5] == "speed" else line for line in lines]
            path.write_text("\n".join(halved) + "\n")
    findings = [
        finding for finding in open_scenario(copy, None).findings if "in a part of the drive" in finding.message
    ]
    assert [finding.reason for finding in findings] == [Notice.SEVERAL_TIME_STEPS]
    message = findings[0].message
    assert "0.1 s between frame ids in a part of the drive, and 0.21 s in another, taken as 0.1;" in message


def test_two_rates_in_a_data_set_are_named(drive, copy, tmp_path):
    shutil.copytree(drive, copy.parent / "Scenario_other")
    renumbered(copy, lambda place: 880 + 5 * place)
    for folder in files_of(copy, "ACTION"):
        for path in folder:
            path.unlink()
    found = [finding for finding in survey(copy.parent, "forward", 2, 1).findings if finding.reason in Notice]
    assert [finding.reason for finding in found] == [Notice.SEVERAL_TIME_STEPS]
    assert "0.1 s in 1 drives (Scenario_other)" in found[0].message and "0.5 s in 1 drives" in found[0].message


def test_poses_that_lack_in_some_frames_are_counted(copy, tmp_path):
    for folder in files_of(copy, "ACTION"):
        for path in folder[6:9]:
            path.unlink()
    found, text = checked(copy.parent)
    assert "3 of 20 ticks have no pose" in found["missing_poses"] and "poses in 17" in text
    _, shard = converted(copy.parent, tmp_path / "out")
    assert len(shard) == 20 and np.isnan(shard.world_SE3_ego[6:9]).all() and np.isfinite(shard.world_SE3_ego[9]).all()


def test_a_pose_that_is_not_rigid_or_jumps_is_named(copy):
    [[*paths]] = files_of(copy, "ACTION")
    text = paths[5].read_text()
    first = text.index("[[", text.index("lidar transformation matrix")) + 2
    paths[5].write_text(f"{text[:first]}2.0, {text[first:].split(', ', 1)[1]}")
    reads = list(read_frames(open_scenario(copy, None)))
    [skipped] = [read for read in reads if isinstance(read, SkippedFrame)]
    assert skipped.frame_id == FIRST_ID + 5 and skipped.reason is Reason.BAD_TEXT
    assert "`lidar transformation matrix` is not a rotation and a translation" in skipped.message
    assert sum(isinstance(read, ReadFrame) for read in reads) == 19
    shutil.copy(paths[19], paths[12])
    found, _ = checked(copy.parent)
    assert "the pose jumps at" in found["jumping_poses"]


def test_braking_drives_that_the_generator_wrote_are_short(tmp_path):
    """Three ticks each: what is there is read, and their length is named."""
    root = WRITTEN / "mono" / "data"
    found, text = checked(root)
    assert "it lasts 0.2 s, less than a window of the past" in found["short_drive"]
    assert "no_lead" not in found and "2 dynamic: 6 ticks, 0.4 s, 10 a second, poses in all" in text
