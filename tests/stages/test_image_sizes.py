"""The whole pipeline and its tools, as a user runs them, on images and range views of odd sides."""

import subprocess
import sys

import numpy as np
import pytest

from lib.shards.index import open_entry, read_index
from lib.shards.predictions import read_predictions
from tests.processes import environment
from tools.smoke import TINY, copy_project, set_params

STAGES = ("simulate", "preprocess", "train", "predict", "evaluate", "plot")
ODD = {
    **TINY,
    "simulate.normality_scenarios": 6,
    "simulate.anomaly_scenarios": 2,
    "simulate.image_height": 63,
    "simulate.image_width": 97,
    "simulate.lidar_channels": 15,
    "simulate.lidar_rays_per_channel": 127,
    "split.validation_fraction": 0.2,
    "model.fusion": "cross_attention",
    "model.positional_encoding": "learned",
    "train.epochs": 1,
    "predict.validation_frames": 8,
    "execution.device": "cpu",
}
TOOLS = ["pseudo_anomalies --each 1", "compare_scores --repeats 4"]


def run(folder, *command):
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(ANOVOX_SCRATCH=str(folder / "scratch")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "project"
    folder.mkdir()
    copy_project(folder)
    set_params(folder / "params.yaml", ODD)
    for stage in STAGES:
        run(folder, f"stages.{stage}")
    return folder


@pytest.mark.slow
def test_every_stage_runs_and_each_pixel_has_a_score(done):
    entries = {entry.file: open_entry(done / "data/shards", entry) for entry in read_index(done / "data/shards")}
    for path in (done / "data" / "predictions").iterdir():
        predictions = read_predictions(path)
        assert predictions.pixel_score.shape == entries[path.name].pixel_class.shape == (2, 63, 97)
        assert np.isfinite(predictions.pixel_score).all() and np.ptp(predictions.pixel_score[:, :, -1]) > 0
    assert list((done / "plots" / "detections").glob("*.png"))


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_runs(done, tool):
    name, *options = tool.split()
    run(done, f"tools.{name}", *options)
