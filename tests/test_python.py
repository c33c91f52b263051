"""`import anovox_fusion`: what docs/python.md says of it holds."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import anovox_fusion
from tests.processes import environment

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_names_every_public_name_and_no_other():
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)[`(]", row)} == set(anovox_fusion.__all__)
    assert all(hasattr(anovox_fusion, name) for name in anovox_fusion.__all__)


@pytest.mark.slow
def test_the_example_runs(finished, tmp_path):
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example
    for name in ("data", "models"):  # apart from the repository's copy of lib
        (tmp_path / name).symlink_to(finished.root / name)
    command = [sys.executable, "-W", "error", "-c", example[1]]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("frame score") >= 2


@pytest.mark.slow
def test_the_notebook_runs(finished, tmp_path):
    """Its cells, in order, as Jupyter would run them; none needs Jupyter's own commands."""
    notebook = json.loads((ROOT / "docs" / "detect.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (4, len(notebook["cells"]))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in notebook["cells"] if cell["cell_type"] == "code")
    for name in ("data", "models"):
        (tmp_path / name).symlink_to(finished.root / name)
    command = [sys.executable, "-W", "error", "-c", "\n".join(code)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "detections.png").read_bytes().startswith(b"\x89PNG") and "highest point" in done.stdout


@pytest.mark.slow
def test_detect_gives_the_scores_of_predict_to_the_bit(finished, tmp_path):
    """From the files of the sample, by another way than the shards."""
    command = [sys.executable, "-m", "tools.detect", "data/sample", "--output", str(tmp_path), "--no-pictures"]
    done = subprocess.run(command, cwd=finished.root, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "detections.csv").open(newline="") as file:
        frame_scores = {(r["recording"], int(r["frame_id"])): float(r["frame_score"]) for r in csv.DictReader(file)}
    files = sorted((finished.root / "data/predictions").glob("*.h5"))
    assert files
    for path in files:
        expected = anovox_fusion.read_predictions(path)
        for index, frame_id in enumerate(expected.frame_id.tolist()):
            assert frame_scores[expected.scenario, frame_id] == expected.frame_score[index]
            for kind, stored in (
                ("points", expected.point_score[index, : expected.num_points[index]]),
                ("pixels", expected.pixel_score[index]),
            ):
                scores = np.load(tmp_path / expected.scenario / kind / f"{frame_id:06d}.npy")
                np.testing.assert_array_equal(scores.view(np.uint16), stored.view(np.uint16))


def test_the_frames_of_a_scenario_are_those_of_its_shard(finished):
    shard = next(anovox_fusion.read_shards(finished.root / "data/shards"))
    folder = next(f for f in anovox_fusion.scenario_folders(finished.root / "data/sample") if f.name == shard.scenario)
    frames = list(anovox_fusion.read_scenario(folder))
    assert len(frames) == len(shard) > 0
    for index, read in enumerate(frames):
        stored = shard.frame(index)
        for name in ("image", "points", "point_class", "pixel_class", "voxels", "calibration", "world_SE3_ego"):
            np.testing.assert_array_equal(getattr(stored, name), getattr(read, name), name)
        np.testing.assert_allclose(stored.depth_m, read.depth_m, rtol=1e-3)
        same = ("scenario", "frame_id", "scenario_type", "camera", "lidars", "speed_mps", "time_s", "cloud_sizes")
        assert [getattr(stored, name) for name in same] == [getattr(read, name) for name in same]


def test_another_lib_on_the_path_does_no_harm(tmp_path):
    """As in the root folder of Linux, where /lib is."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").touch()
    code = f"import sys; sys.path.append({str(ROOT)!r}); import anovox_fusion, lib; print(lib.__file__)"
    done = [
        subprocess.run([sys.executable, "-c", start + code], cwd=tmp_path, capture_output=True, text=True, check=False)
        for start in ("", "import lib; ")
    ]
    assert done[0].stdout.strip() == str(ROOT / "lib" / "__init__.py"), done[0].stderr
    assert done[1].returncode == 1 and "another package named lib" in done[1].stderr
