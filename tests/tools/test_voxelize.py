"""`python -m tools.voxelize`: AnoVox's own grids, byte for byte, where they are missing and nowhere else."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lib.anovox.format.recording import SENSOR_POSES
from lib.anovox.format.writing import write_scenario
from lib.common.errors import run_stage
from lib.geometry.voxels import LabelledCloud, voxelize
from tests.anovox_sample import GOLDEN, MONO_STATIC, NORMALITY, SENSORS, frame_path, golden_copy, recording
from tests.processes import environment
from tools.voxelize import main


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


GRIDS = {name: data for name, data in tree(GOLDEN).items() if "VOXEL_GRID" in name}


@pytest.fixture
def root(tmp_path):
    """The golden scenarios without their grids, in a folder of a download."""
    archive = golden_copy(tmp_path / "data root" / "archive [1]")
    for folder in archive.glob("*/VOXEL_GRID"):
        shutil.rmtree(folder)
    return archive.parent


@pytest.fixture
def run(monkeypatch, capsys):
    def voxelize_tool(*arguments):
        monkeypatch.setattr(sys, "argv", ["voxelize", *map(str, arguments), "--workers", "1"])
        run_stage(main)
        out, err = capsys.readouterr()
        return out, [line for line in re.split("[\r\n]", err) if line.startswith("left out")]

    return voxelize_tool


@pytest.fixture
def fails(run, capsys):
    def sentence(*arguments):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return sentence


def test_missing_grids_come_out_byte_for_byte(root, run):
    out, left_out = run(root)
    assert out == f"8 voxel grids written to {root}; 0 existed already\n" and left_out == []
    assert tree(root / "archive [1]") == tree(GOLDEN)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.npy")}
    assert run(root)[0] == f"0 voxel grids written to {root}; 8 existed already\n"
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.npy")} == before


@pytest.mark.parametrize("name", SENSOR_POSES)
def test_every_sensor_set(tmp_path, run, name):
    cameras, lidars = SENSOR_POSES[name]
    sensors = replace(SENSORS, cameras=cameras, lidars=lidars)
    scenario = write_scenario(tmp_path, NORMALITY, sensors, [recording(7, sensors=sensors)])
    before = tree(tmp_path)
    shutil.rmtree(scenario / "VOXEL_GRID")
    run(tmp_path)
    assert tree(tmp_path) == before


def test_several_workers_write_the_same(root):
    command = [sys.executable, "-m", "tools.voxelize", str(root), "--workers", "2"]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=True)
    assert "8 voxel grids written" in done.stdout and "voxelizing: 100%" in done.stderr
    assert tree(root / "archive [1]") == tree(GOLDEN)


def test_another_output_holds_all_grids_and_the_scenarios_stay_as_they_were(tmp_path, run):
    archive = golden_copy(tmp_path / "data" / "archive")
    before = tree(tmp_path / "data")
    run(tmp_path / "data", "--output", tmp_path / "grids")
    assert tree(tmp_path / "grids") == GRIDS and tree(tmp_path / "data") == before
    shutil.rmtree(archive / MONO_STATIC.name / "VOXEL_GRID")
    run(tmp_path / "data", "--output", tmp_path / "data" / ".")
    assert tree(tmp_path / "data") == before


def test_existing_grids_are_never_overwritten(root, run):
    folder = root / "archive [1]" / MONO_STATIC.name / "VOXEL_GRID"
    folder.mkdir()
    (folder / "VOXEL_GRID_1000.npy").write_bytes(b"mine")
    (folder / "VOXEL_GRID_0996.npy").write_bytes(b"mine too")
    out, _ = run(root)
    assert out.startswith("6 voxel grids written") and "2 existed already" in out
    assert {path.name for path in folder.iterdir()} == {f"VOXEL_GRID_{n}.npy" for n in ("0996", "1000", "1004")}
    assert (folder / "VOXEL_GRID_1000.npy").read_bytes() == b"mine"


def test_another_resolution_needs_another_output(root, run, fails, tmp_path):
    assert fails(root, "--resolution", "0.2").startswith("--resolution 0.2: give --output too, because readers of")
    run(root, "--resolution", "0.2", "--output", tmp_path / "fine")
    grid = np.load(frame_path(tmp_path / "fine" / MONO_STATIC.name, "VOXEL_GRID", 1000))
    cloud = np.load(frame_path(MONO_STATIC, "SEMANTIC-LIDAR", 1000))
    expected = voxelize([LabelledCloud(cloud[:, :3], cloud[:, 3].astype(np.uint8))], 0.2)
    assert grid.dtype == np.uint16 and np.array_equal(grid, expected)
    assert len(grid) > len(np.load(frame_path(MONO_STATIC, "VOXEL_GRID", 1000)))
    for wrong in ("0", "-1", "nan", "inf", "1e-300"):
        assert "give a voxel size from 0.01 to 100 m" in fails(root, "--resolution", wrong)
    assert "no grid could be computed" in fails(root, "--resolution", "1", "--output", tmp_path / "fine")
    assert np.array_equal(np.load(frame_path(tmp_path / "fine" / MONO_STATIC.name, "VOXEL_GRID", 1000)), expected)
    run(root, "--resolution", "0.2", "--output", tmp_path / "fine")


def test_what_lies_in_a_grids_place_and_is_no_file_is_named(root, run):
    folder = root / "archive [1]" / MONO_STATIC.name / "VOXEL_GRID"
    folder.mkdir()
    os.mkfifo(folder / "VOXEL_GRID_1000.npy")
    _, [line] = run(root)
    assert line == f"left out: {folder / 'VOXEL_GRID_1000.npy'}: not a file, but has a grid's name; move it away"


def test_nothing_is_written_through_a_link_in_the_output(root, run, tmp_path):
    elsewhere, output = tmp_path / "elsewhere", tmp_path / "grids"
    elsewhere.mkdir()
    output.mkdir()
    (output / MONO_STATIC.name).symlink_to(elsewhere)
    _, [line] = run(root, "--output", output)
    assert "a symbolic link, through which no grid is written" in line and not list(elsewhere.iterdir())


def test_what_cannot_be_voxelized_is_named_and_stops_nothing_else(root, run, fails, tmp_path):
    scenario = root / "archive [1]" / MONO_STATIC.name
    frame_path(scenario, "SEMANTIC-LIDAR", 996).unlink()
    frame_path(scenario, "SEMANTIC-LIDAR", 1004).write_bytes(b"")
    other = next(path for path in sorted(scenario.parent.iterdir()) if path != scenario)
    (other / "sensor_setup.json").write_text("{")
    out, left_out = run(root)
    written = {name.split("/", 1)[1]: data for name, data in tree(root).items() if "VOXEL_GRID" in name}
    assert written == {
        name: data
        for name, data in GRIDS.items()
        if other.name not in name and not (MONO_STATIC.name in name and ("_996." in name or "_1004." in name))
    }
    assert len(left_out) == 3 and out.endswith("; 3 frames or scenarios left out, see the messages above\n")
    assert any("frame 996 of" in line and "missing" in line for line in left_out)
    assert any("frame 1004 of" in line and "1004.npy: " in line for line in left_out)
    assert any(line.startswith(f"left out: {other}/sensor_setup.json: not valid JSON") for line in left_out)


def test_mistakes_are_one_sentence(root, fails, tmp_path):
    assert "there is no such folder" in fails(tmp_path / "nowhere")
    assert "where its scenarios would be duplicates" in fails(root, "--output", root / "grids")
    for setup in root.rglob("sensor_setup.json"):
        setup.write_text("{")
    assert fails(root) == f"{root}: no grid could be computed; the messages above say why"
    (tmp_path / "file").touch()
    assert "cannot be written" in fails(GOLDEN, "--output", tmp_path / "file")


def test_nothing_is_written_through_links_in_the_data(root, run, fails, tmp_path):
    """As `tar xf` may have brought them: in the place of the grids' folder, or of our hidden files."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    folder = root / "archive [1]" / MONO_STATIC.name / "VOXEL_GRID"
    folder.symlink_to(elsewhere)
    _, [line] = run(root)
    assert line.startswith(f"left out: {folder}: a symbolic link, through which no grid is written")
    folder.unlink()
    folder.mkdir()
    (folder / ".VOXEL_GRID_1000.npy.partial").symlink_to(elsewhere / "mine")
    assert fails(root).startswith(f"{folder / '.VOXEL_GRID_1000.npy.partial'}: is no file")
    (folder / ".VOXEL_GRID_1000.npy.partial").unlink()
    assert tree(elsewhere) == {"mine": b"mine"}
    run(root)
    assert tree(root / "archive [1]") == tree(GOLDEN)
