"""The field's baselines as a user runs them: a real process in a folder of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lib.shards.predictions import read_predictions
from tests.processes import environment
from tests.shard_data import write_street_shards

ROOT = Path(__file__).parents[2]
SMALL = {
    "model": {"image_channels": 4, "lidar_channels": 4, "fusion_channels": 8},
    "train": {"epochs": 3, "batch_size": 2, "learning_rate": 0.03},
    "split": {"validation_fraction": 0.2, "test_fraction": 0.4},
    "evaluate": {"bootstrap_resamples": 100},
    "execution": {"device": "cpu", "processes": 1},
}
METHODS = {"nearest_neighbour", "mahalanobis", "max_softmax", "energy"}


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.baselines", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, values in SMALL.items():
        params[section].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def test_missing_shards_are_one_sentence(folder):
    result = run(folder, "--sensors", "lidar")
    assert result.returncode == 1
    assert result.stderr.count("error: ") == 1 and "data/shards" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_method_is_trained_scored_and_evaluated(folder):
    write_street_shards(folder / "data" / "shards", normality=5, static=3)
    result = run(folder, "--sensors", "image", "lidar")
    assert result.returncode == 0, result.stderr
    metrics = json.loads((folder / "data" / "baselines" / "metrics.json").read_text())
    assert set(metrics) == {"image", "lidar"}
    for sensors, methods in metrics.items():
        assert set(methods) == METHODS
        for method, block in methods.items():
            files = sorted((folder / "data" / "baselines" / f"{sensors}-{method}").iterdir())
            assert len(files) == 5  # two normality scenarios are held back, three are static
            assert read_predictions(files[0]).frame_score.shape == (2,)
            assert block["frame_score"] in ("top_points", "points_or_pixels")
            assert all(0 <= block[level]["auroc"] <= 1 for level in ("frame", "point", "pixel"))
    assert "lidar mahalanobis: AUROC frame" in result.stdout
    scores = {method: metrics["image"][method]["pixel"]["auroc"] for method in METHODS}
    assert len(set(scores.values())) == len(METHODS), scores
    assert scores["nearest_neighbour"] > 0.7 and scores["mahalanobis"] > 0.7, scores
