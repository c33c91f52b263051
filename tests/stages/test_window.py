"""The stages track, train and predict with a short past (model.window), as a user runs them: twice, the same bytes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.common.labels import BRAKING, CAR, WALL
from lib.common.params import load_params
from lib.common.paths import SHARDS, TRACKS
from lib.common.ticks import HISTORY_TICKS
from lib.geometry.camera import Camera
from lib.geometry.frame import Lidar, ScenarioType
from lib.model.model_file import load_detector
from lib.shards.index import write_index
from lib.shards.predictions import read_predictions
from lib.shards.tracks import read_tracks
from lib.shards.validation_scores import read_validation
from lib.training.recipe import Recipe
from lib.training.training_frames import training_set
from lib.training.training_setup import detector_config, range_grid
from stages import train
from tests.braking_sample import change_tracks
from tests.processes import environment
from tests.shard_data import shard_entry
from tests.views.moving_street import Box, Rig, Street, driving, straight, street_shard
from tools.smoke import set_params

ROOT = Path(__file__).parents[2]
WINDOW, FRAMES = [0, 2, 5], 12
RIG = Rig((Lidar(32, 8.0, -16.0, 100.0),), Camera.from_fov(48, 32, 90.0))
SMALL = {
    "model.window": WINDOW,
    "model.image_channels": 4,
    "model.lidar_channels": 4,
    "model.fusion_channels": 8,
    "model.range_view_rows": 16,
    "model.range_view_columns": 128,
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.micro_batch": 4,
    "split.validation_fraction": 0.25,
    "split.test_fraction": 0.25,
    "predict.validation_frames": 12,
    "execution.device": "cpu",
    "execution.workers": 1,
    "execution.processes": 1,
}


def write_drives(folder):
    """Four normal drives and one in which the vehicle ahead brakes."""
    folder.mkdir(parents=True)
    entries = []
    for number in range(5):
        braking = number == 4
        way = driving(7.0, -7.0 if braking else -0.5 * number)
        car = Box((13.0, -0.9, 0.3), (17.0, 0.9, 1.7), BRAKING if braking else CAR, (200, 40 + 20 * number, 40), way)
        kind = ScenarioType.DYNAMIC if braking else ScenarioType.NORMALITY
        shard = street_shard(
            folder / f"Scenario_{number}.h5",
            Street((car, Box((4.0, 5.0 - 0.3 * number, 0.0), (60.0, 6.0, 4.0), WALL))),
            straight(7.0 + 0.2 * number),
            RIG,
            range(FRAMES),
            0.05,
            kind,
            max_points=16_384,
        )
        entries.append(shard_entry(shard))
    write_index(folder, entries)


def run(folder):
    for stage in ("track", "train", "predict"):
        done = subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def outputs(folder):
    files = [*(folder / "data" / "tracks").iterdir(), *(folder / "data" / "predictions").iterdir()]
    files += [folder / name for name in ("data/validation.h5", "models/weights.safetensors", "plots/training.csv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def drives(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    write_drives(folder / "data" / "shards")
    shutil.copy(ROOT / "params.yaml", folder)
    set_params(folder / "params.yaml", SMALL)
    return folder


@pytest.fixture(scope="module")
def once(drives, tmp_path_factory):
    folder = Path(shutil.copytree(drives, tmp_path_factory.mktemp("once") / "project"))
    run(folder)
    return folder


@pytest.mark.slow
def test_a_past_goes_through_all_stages(once):
    assert {path.name for path in (once / "data/tracks").iterdir()} == {f"Scenario_{n}.h5" for n in range(5)}
    tracks = read_tracks(once / "data/tracks/Scenario_4.h5")
    assert len(tracks.points(FRAMES - 1)) > 20 and np.isfinite(tracks.places_m[FRAMES - 1]).sum() == HISTORY_TICKS + 1
    assert load_detector(once / "models/weights.safetensors").config.window == tuple(WINDOW)
    metrics = json.loads((once / "metrics/train.json").read_text())
    assert metrics["training_frames"] == 2 * FRAMES and np.isfinite(metrics["train_loss"])
    files = sorted((once / "data/predictions").iterdir())
    assert len(files) == 2 and files[-1].name == "Scenario_4.h5"
    for file in files:
        predictions = read_predictions(file)
        for scores in (predictions.point_score, predictions.pixel_score, predictions.frame_score):
            assert np.isfinite(scores).all()
        assert len(set(predictions.frame_score.tolist())) > FRAMES / 2
    assert len(read_validation(once / "data/validation.h5").frame_score) == FRAMES


@pytest.mark.slow
def test_again_with_two_processes_gives_the_same_bytes(drives, once, tmp_path):
    """Two train together and two threads predict; what is compared was computed twice from the shards on."""
    again = Path(shutil.copytree(drives, tmp_path / "again"))
    set_params(again / "params.yaml", {"execution.processes": 2, "execution.workers": 2})
    run(again)
    assert "2 processes" in (again / "logs/train.log").read_text()
    found, expected = outputs(again), outputs(once)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.slow
def test_an_interrupted_training_goes_on_only_with_the_same_tracks(once, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(once, tmp_path / "copy"))
    monkeypatch.chdir(copy)
    params = load_params(train.Params)

    def key():
        data = training_set(SHARDS, params.split, params.data.root, TRACKS, params.model.window)
        config = detector_config(params.model, data.shards)
        recipe = Recipe(params.train, range_grid(config, data.shards[0]), torch.device("cpu"), "float32")
        return train._key(params, data, recipe, config)

    before = key()
    assert key() == before
    for name in ("Scenario_0", "Scenario_1", "Scenario_2", "Scenario_3"):
        path = copy / "data/tracks" / f"{name}.h5"
        change_tracks(path, places_m=read_tracks(path).places_m * 2)
    assert key() != before
