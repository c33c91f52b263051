"""What is opened, and how much of it is read."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lib.anovox.download.archives import unpack
from lib.anovox.format import clouds, files
from lib.anovox.format.configurations import SIMULATOR_NOTES, read_configurations
from lib.anovox.format.sensor_setup import read_sensor_setup
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.cache import file_digest
from lib.common.errors import DataError, ParamsError
from lib.common.reading import UnfitFileError, check_regular, open_file, read_bytes, read_text
from lib.evaluation.metrics_files import read_metrics
from lib.evaluation.voxel_files import read_frame_table
from lib.figures.read_tables import read_table
from lib.model.model_file import load_detector
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding
from lib.reading.pcd import StoredCloud
from lib.reading.recorded_frames import ReadFrame, SkippedFrame
from lib.shards.index import read_index
from lib.shards.predictions import read_predictions
from lib.shards.shard_reader import read_shard
from tests.all_params import all_params
from tests.anovox_sample import MONO_STATIC, frame_path, golden_copy
from tests.fuzz.places import KINDS, ODD, put_in_place
from tests.odd_files import within
from tests.old_layout_files import write_pcd

SENSOR_FILES = ("RGB-CAM", "DEPTH_CAM", "SEMANTIC-CAM", "LIDAR", "SEMANTIC-LIDAR", "VOXEL_GRID", "ANOMALY", "ACTION")
READERS: dict[str, Callable[[Path], object]] = {
    "archive.zip": lambda path: unpack([path], path.parent / "root"),
    "sensor_setup.json": read_sensor_setup,
    "x_1.npy": files.read_lidar,
    "x_2.npy": files.read_semantic_lidar,
    "x_3.npy": files.read_voxels,
    "x.pcd": clouds.read_lidar,
    "x.ply": clouds.read_lidar,
    "y.ply": clouds.cloud_size,
    "x.png": partial(files.read_rgb, height=8, width=8),
    "y.png": partial(files.check_image, height=8, width=8),
    "x.csv": files.read_key_values,
    "y.csv": files.check_text,
    "params.yaml": all_params,
    "index.csv": lambda path: read_index(path.parent),
    "shard.h5": read_shard,
    "predictions.h5": read_predictions,
    "model.safetensors": load_detector,
    "frames.json": read_frame_table,
    "table.csv": lambda path: read_table(path, ()),
    "metrics.json": read_metrics,
}


@pytest.mark.parametrize("kind", ODD)
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    put_in_place(path, kind)
    for reader in (open_file, check_regular, partial(read_bytes, most=10), partial(read_text, most=10), file_digest):
        with within(20), pytest.raises(OSError) as caught:
            reader(path)
        assert isinstance(caught.value, UnfitFileError) is (kind not in ("folder", "link to itself", "link to nowhere"))
        assert caught.value.strerror


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_what_is_no_file_in_a_sentence(tmp_path, name, kind):
    path = tmp_path / "folder" / name
    path.parent.mkdir()
    put_in_place(path, kind)
    with within(20), pytest.raises((DataError, ParamsError)) as caught:
        READERS[name](path)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()


def test_what_changes_between_the_look_and_the_opening_is_seen(tmp_path, monkeypatch):
    path = tmp_path / "file"
    os.mkfifo(path)
    monkeypatch.setattr("lib.common.reading.check_regular", lambda _: None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with within(20), pytest.raises(UnfitFileError, match="a FIFO, not a file"):
            open_file(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "none stays open"


def test_no_more_is_read_than_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(UnfitFileError, match="it is larger than 4e-06 MB"):
        read_bytes(path, 4)
    os.truncate(path, 1 << 40)  # it takes no room on the disk
    with pytest.raises(UnfitFileError):
        read_bytes(path, 1000)
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_text(path) == "a\nb\nc\n" == path.read_text()


def test_files_that_do_not_tell_their_size_are_read_to_their_end():
    path = Path("/proc/self/cmdline")
    assert path.stat().st_size == 0 and read_bytes(path, 1 << 20) == path.read_bytes() != b""
    with pytest.raises(UnfitFileError):
        read_bytes(path, 2)


@pytest.mark.parametrize("kind", ["FIFO", "link to a device", "socket", "folder"])
def test_frames_with_such_files_are_left_out_and_named_and_the_others_read(tmp_path, kind):
    for role in SENSOR_FILES:
        scenario = golden_copy(tmp_path / role, MONO_STATIC) / MONO_STATIC.name
        path = frame_path(scenario, role, 1000)
        put_in_place(path, kind)
        with within(30):
            reads = list(read_frames(open_scenario(scenario, None)))
        assert [isinstance(read, ReadFrame) for read in reads] == [True, False, True], role
        assert isinstance(reads[1], SkippedFrame)
        assert reads[1].message.startswith(f"{path}: ") and reads[1].message.isprintable()


@pytest.mark.parametrize("kind", ["FIFO", "link to a device", "socket", "folder"])
def test_configurations_that_are_no_files_are_named(tmp_path, kind):
    golden_copy(tmp_path, MONO_STATIC)
    folder = tmp_path / "Scenario_Configuration_Files"
    folder.mkdir()
    for path in (folder / "scenario_config_map_Town01.json", tmp_path / SIMULATOR_NOTES):
        put_in_place(path, kind)
    findings: list[Finding] = []
    with within(20):
        assert read_configurations(tmp_path, findings.append) == {}
    assert [finding.reason for finding in findings] == ["bad_configuration"] * 2


def test_a_cloud_of_more_bytes_than_any_lidar_records_is_refused_by_its_size(tmp_path):
    for name in ("x.pcd", "x.npy"):
        path = tmp_path / name
        if name == "x.pcd":
            write_pcd(path, StoredCloud(np.zeros((2, 3), dtype=np.float32)))
        else:
            header = b"{'descr': '<f8', 'fortran_order': True, 'shape': (40000000, 4), }".ljust(117) + b"\n"
            path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        os.truncate(path, 128 + 40_000_000 * 32 if name == "x.npy" else 10**12)
        with pytest.raises(FileError, match=r"of any LiDAR|such files have at most 4000000"):
            clouds.read_lidar(path)


def test_a_contradicted_scenario_is_named_once(tmp_path):
    entry = {"id": "1", "anomaly_config": {"anomalytype": "STATIC"}}
    entries = [entry, *({**entry, "weather_preset": str(number)} for number in range(1000))]
    folder = tmp_path / "Scenario_Configuration_Files"
    folder.mkdir()
    document = {"scenario_definition": {"map": "Town01", "scenarios": entries}}
    (folder / "x.json").write_text(json.dumps(document))
    findings: list[Finding] = []
    assert read_configurations(tmp_path, findings.append) == {} and len(findings) == 1
