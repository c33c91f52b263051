"""Stages and tools, as a user runs them, where the system has no locks or allows few open files."""

import errno
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.anovox.download.packed import packed_files
from lib.anovox.format import files
from lib.anovox.format.sensor_setup import read_sensor_setup
from lib.common.errors import DataError
from lib.model.detector import DetectorConfig, build_detector
from lib.model.model_file import load_detector, save_detector
from lib.reading.pcd import StoredCloud, read_pcd
from lib.reading.ply import read_ply
from lib.shards.index import open_entry, read_index
from lib.shards.predictions import read_predictions
from lib.shards.schema import Storage
from lib.shards.shard_reader import read_shard
from lib.shards.validation_scores import read_validation
from tests.anovox_sample import GOLDEN
from tests.file_systems import limit_open_files, no_more_files, take_locks_away
from tests.old_layout_files import write_pcd
from tests.processes import environment
from tests.scored_sample import write_sample
from tests.shard_data import write_street_shards

ROOT = Path(__file__).parents[2]
OPEN_FILES, SCENARIOS = 48, 60
SMALL = {
    "data": {"root": str(GOLDEN)},
    "model": {"image_channels": 4, "lidar_channels": 4, "fusion_channels": 8},
    "train": {"epochs": 1, "batch_size": 8, "micro_batch": 4},
    "split": {"validation_fraction": 0.1, "test_fraction": 0.2},
    "predict": {"validation_frames": 8},
    "evaluate": {"bootstrap_resamples": 100},
    "plot": {"gallery_frames": 1},
    "execution": {"device": "cpu", "workers": 1, "processes": 1},
}


def run(folder, *command, under=take_locks_away):
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        env=environment(ANOVOX_SCRATCH=str(folder / "scratch")),
        preexec_fn=under,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_runs(folder, *command, under=take_locks_away):
    result = run(folder, *command, under=under)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def folder(tmp_path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, values in SMALL.items():
        params[name].update(values)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def test_locks_are_really_gone(tmp_path):
    code = "import fcntl, pathlib; fcntl.flock(pathlib.Path('file').open('w'), fcntl.LOCK_EX)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, preexec_fn=take_locks_away, capture_output=True, text=True
    )
    assert f"[Errno {errno.ENOLCK}]" in result.stderr


def test_more_compressed_shards_than_open_files_and_no_locks(folder):
    """One process trains: several meet by a file in the folder for temporary files, which torch locks."""

    def poor():
        take_locks_away()
        limit_open_files(OPEN_FILES)

    write_street_shards(folder / "data" / "shards", SCENARIOS, 2, frames=1, storage=Storage("gzip"))
    for stage in ("train", "predict", "evaluate", "plot"):
        assert_runs(folder, f"stages.{stage}", under=poor)


def test_shards_are_written_without_locks(folder):
    assert_runs(folder, "stages.preprocess")
    assert all(len(open_entry(folder / "data/shards", entry)) for entry in read_index(folder / "data/shards"))


def test_voxels_are_written_without_locks(folder):
    assert_runs(folder, "tools.voxelize", GOLDEN, "--output", folder / "voxels", "--workers", "1")
    assert list((folder / "voxels").rglob("*.npy"))


REFUSALS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES, errno.ENOLCK]


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Something that reads each kind of file."""
    folder = tmp_path_factory.mktemp("files")
    write_sample(folder, anomaly_scenarios=1, normality_scenarios=2)
    model = folder / "detector.safetensors"
    save_detector(model, build_detector(DetectorConfig("lidar", 4, 4, 8, 16, 64, 15.0, -25.0)))
    shards = folder / "data" / "shards"
    return {
        "shard": partial(read_shard, next(shards.glob("*.h5"))),
        "index": partial(read_index, shards),
        "predictions": partial(read_predictions, next((folder / "data" / "predictions").glob("*.h5"))),
        "validation": partial(read_validation, folder / "data" / "validation.h5"),
        "model": partial(load_detector, model),
        **_anovox_files(folder),
    }


def _anovox_files(folder):
    scenario = next(path.parent for path in sorted(GOLDEN.rglob("sensor_setup.json")))
    first = {kind: sorted(scenario.glob(f"{kind}*/*"))[0] for kind in ("RGB-CAM", "LIDAR", "SEMANTIC-LIDAR", "ACTION")}
    voxels = sorted(scenario.glob("VOXEL_GRID/*.npy"))[0]
    pcd, ply = folder / "cloud.pcd", folder / "cloud.ply"
    write_pcd(pcd, StoredCloud(np.ones((1, 3), np.float32)))
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    ply.write_text(f"ply\nformat ascii 1.0\nelement vertex 1\n{axes}end_header\n1 2 3\n")
    archive = Path(shutil.make_archive(folder / "packed", "zip", scenario / "ACTION"))
    return {
        "image": partial(files.read_rgb, first["RGB-CAM"], *files.png_size(first["RGB-CAM"])),
        "lidar": partial(files.read_lidar, first["LIDAR"]),
        "labels": partial(files.read_semantic_lidar, first["SEMANTIC-LIDAR"]),
        "voxels": partial(files.read_voxels, voxels),
        "action": partial(files.read_key_values, first["ACTION"]),
        "setup": partial(read_sensor_setup, scenario / "sensor_setup.json"),
        "pcd": partial(read_pcd, pcd),
        "ply": partial(read_ply, ply),
        "archive": lambda: list(packed_files(archive, lambda _: None)),
    }


KINDS = ["shard", "index", "predictions", "validation", "model"]
KINDS += ["image", "lidar", "labels", "voxels", "action", "setup", "pcd", "ply", "archive"]


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_open_files_are_told_as_such_with_what_helps(readers, kind):
    readers[kind]()
    with (
        no_more_files(),
        pytest.raises(DataError, match=r"cannot be read \(Too many open files\); .*ulimit -n") as told,
    ):
        readers[kind]()
    assert "damaged" not in str(told.value) and "dvc repro" not in str(told.value)
    readers[kind]()


@pytest.mark.parametrize("number", REFUSALS)
def test_what_the_system_refuses_is_never_called_damage(readers, number, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    for read in readers.values():
        with pytest.raises(DataError, match=re.escape(f"cannot be read ({os.strerror(number)}); ")) as told:
            read()
        assert "damaged" not in str(told.value) and "dvc repro" not in str(told.value)


def test_a_stage_that_may_open_too_few_files_says_so(folder):
    write_street_shards(folder / "data" / "shards")
    script = "from tests.file_systems import limit_open_files; from lib.common.errors import run_stage\n"
    script += "from stages import train\nlimit_open_files(1)\nrun_stage(train.main)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "Too many open files" in result.stderr and "damaged" not in result.stderr
