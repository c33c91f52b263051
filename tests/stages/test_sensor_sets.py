"""From the simulator to the pictures with every camera of a sensor set, stage by stage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from lib.shards.index import read_index
from tests.processes import environment, python_path
from tools.smoke import TINY, copy_project

SIZES = {
    "simulate.normality_scenarios": 6,
    "simulate.anomaly_scenarios": 3,
    "simulate.frames_per_scenario": 1,
    "simulate.lidar_rays_per_channel": 256,
    "preprocess.sensors": "all",
    "train.epochs": 1,
    "plot.gallery_frames": 1,
}


@pytest.mark.slow
def test_all_cameras_of_a_stereo_set(tmp_path):
    copy_project(tmp_path)
    path = tmp_path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for key, value in {**TINY, **SIZES, "simulate.sensor_set": "stereo"}.items():
        section, _, param = key.partition(".")
        params[section][param] = value
    path.write_text(yaml.safe_dump(params))
    variables = environment(PYTHONPATH=python_path(tmp_path))
    for stage in ("simulate", "preprocess", "train", "predict", "evaluate", "plot"):
        command = [sys.executable, "-m", f"stages.{stage}"]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    entries = read_index(tmp_path / "data" / "shards")
    assert len(entries) == 9 * 3 and len({entry.scenario for entry in entries}) == 9
    tested = {file.stem.partition("_camera")[0] for file in Path(tmp_path, "data", "predictions").glob("*.h5")}
    metrics = json.loads((tmp_path / "metrics" / "evaluate.json").read_text())
    assert sum(metrics["scenarios"].values()) == len(tested) == 4
    assert metrics["frames"]["total"] == 4 * 3 == len(list((tmp_path / "data" / "predictions").iterdir()))
    for picture in ("plots/detections/hits.png", "plots/labels/anomalies.png"):
        with Image.open(tmp_path / picture) as image:
            assert image.width > 500
