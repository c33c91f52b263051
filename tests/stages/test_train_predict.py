"""The train and predict stages as a user runs them: real processes in a folder of their own."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lib.model.model_file import load_detector, save_detector
from lib.shards.predictions import read_predictions
from lib.shards.validation_scores import NORMAL, NOT_SCORED, PASTED, read_validation
from tests.processes import environment
from tests.shard_data import write_street_shards

ROOT = Path(__file__).parents[2]
OVERRIDES = {
    "model": {"image_channels": 4, "lidar_channels": 4, "fusion_channels": 8},
    "train": {"epochs": 2, "batch_size": 2},
    "split": {"validation_fraction": 0.25, "test_fraction": 0.25},
    "predict": {"validation_frames": 12},
    "execution": {"device": "cpu"},
}


def run(folder, stage):
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def set_params(folder, **sections):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section in (OVERRIDES, sections):
        for name, values in section.items():
            params[name].update(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_street_shards(folder / "data" / "shards")
    set_params(folder)
    for stage in ("train", "predict"):
        result = run(folder, stage)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def assert_one_sentence(result, *parts):
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    for part in parts:
        assert part in errors[0]


def test_training_writes_model_history_metrics_and_log(trained):
    with (trained / "plots" / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    metrics = json.loads((trained / "metrics" / "train.json").read_text())
    assert metrics["epoch"] == 2 and metrics["training_frames"] == 4
    assert metrics["train_loss"] == float(rows[-1]["train_loss"])
    assert "EpochRecord(epoch=2" in (trained / "logs" / "train.log").read_text()


def test_predictions_hold_the_test_scenarios_and_finite_scores(trained):
    files = sorted((trained / "data" / "predictions").iterdir())
    assert len(files) == 3  # one normality scenario is held back, two are static
    for file in files:
        predictions = read_predictions(file)
        assert predictions.point_score.shape[0] == predictions.frame_score.shape[0] == 2
        for scores in (predictions.point_score, predictions.pixel_score, predictions.frame_score):
            assert np.isfinite(scores).all()
        assert np.ptp(predictions.pixel_score) > 0


def test_validation_scores_are_of_validation_scenarios_and_half_of_them_pasted(trained):
    scores = read_validation(trained / "data" / "validation.h5")
    tested = {file.stem for file in (trained / "data" / "predictions").iterdir()}
    assert len(scores.drives) == 1 and not tested & {scenario for scenario, _ in scores.drives}
    assert len(scores.frame_score) == 2 and len(scores.pasted_score) == 12
    shown = scores.pasted_image_fraction > 0
    assert 0.2 < shown.mean() <= 0.5
    assert ((scores.point_label == PASTED).any(1) <= (shown | (scores.pasted_points > 0))).all()
    assert (scores.point_label == NORMAL).any() and (scores.point_label == NOT_SCORED).any()


def test_points_outside_the_image_are_lowered_by_what_validation_says(copy):
    """Of a detector that finds odd what it found usual, so that more seems odd outside than inside."""
    model, predictions = copy / "models" / "weights.safetensors", copy / "data" / "predictions"
    detector = load_detector(model)
    with torch.no_grad():
        for values in detector.cell_head.parameters():
            values[0].neg_()
    save_detector(model, detector)
    found = []
    for share in (None, 0.01):
        set_params(copy, predict={"outside_false_alarms": share})
        result = run(copy, "predict")
        assert result.returncode == 0, result.stderr
        scores = [read_predictions(file) for file in sorted(predictions.iterdir())]
        found.append((read_validation(copy / "data" / "validation.h5").outside_shift, scores, result.stdout))
    (none, raw, silent), (shift, lowered, told) = found
    assert none == 0 > shift and "outside the image" not in silent and f"scores {shift:+.3f}" in told
    for before, after in zip(raw, lowered, strict=True):
        change = after.point_score - before.point_score
        kept, moved = np.isclose(change, 0, atol=1e-5), np.isclose(change, shift, atol=1e-5)
        assert kept.any() and moved.any() and (kept | moved).all()
        assert np.array_equal(before.frame_score, after.frame_score)


def test_no_validation_scenario_is_named(copy):
    set_params(copy, split={"validation_fraction": 0.0, "test_fraction": 0.25})
    assert_one_sentence(run(copy, "predict"), "split.validation_fraction")


def test_again_gives_the_same_bytes(trained, copy):
    outputs = ["models/weights.safetensors", "plots/training.csv", "metrics/train.json"]
    shutil.rmtree(copy / "models")
    assert run(copy, "train").returncode == 0
    assert run(copy, "predict").returncode == 0
    outputs += ["data/validation.h5"]
    outputs += [str(path.relative_to(trained)) for path in (trained / "data" / "predictions").iterdir()]
    for name in outputs:
        assert (trained / name).read_bytes() == (copy / name).read_bytes(), name


@pytest.mark.parametrize("workers", [1, 3])
def test_predictions_are_the_same_for_any_number_of_workers(trained, copy, workers):
    set_params(copy, execution={"device": "cpu", "workers": workers})
    shutil.rmtree(copy / "data" / "predictions")
    assert run(copy, "predict").returncode == 0
    files = sorted((trained / "data" / "predictions").iterdir())
    assert files
    validation = "data/validation.h5"
    assert (trained / validation).read_bytes() == (copy / validation).read_bytes()
    for file in files:
        assert file.read_bytes() == (copy / "data" / "predictions" / file.name).read_bytes(), file.name


def test_another_seed_gives_another_model(trained, copy):
    set_params(copy, train={"seed": 2, "epochs": 1})
    assert run(copy, "train").returncode == 0
    name = "models/weights.safetensors"
    assert (trained / name).read_bytes() != (copy / name).read_bytes()


def test_cuda_where_there_is_none(copy):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    set_params(copy, execution={"device": "cuda"})
    assert_one_sentence(run(copy, "train"), "execution.device", "'cuda'")


def test_a_learning_rate_that_explodes_is_named(copy):
    (copy / "models" / "weights.safetensors").unlink()
    set_params(copy, train={"learning_rate": 1e30})
    assert_one_sentence(run(copy, "train"), "train.learning_rate")
    assert not (copy / "models" / "weights.safetensors").exists()


def test_missing_model_and_missing_shards(copy):
    before = sorted(path.name for path in (copy / "data" / "predictions").iterdir())
    (copy / "models" / "weights.safetensors").unlink()
    assert_one_sentence(run(copy, "predict"), "models/weights.safetensors", "dvc repro export")
    assert sorted(path.name for path in (copy / "data" / "predictions").iterdir()) == before
    shutil.rmtree(copy / "data" / "shards")
    assert_one_sentence(run(copy, "train"), "data/shards", "dvc repro")


def test_a_damaged_shard_is_named(copy):
    victim = sorted((copy / "data" / "shards").glob("*.h5"))[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    results = [run(copy, "train"), run(copy, "predict")]
    failed = [result for result in results if result.returncode != 0]
    assert failed
    assert_one_sentence(failed[0], victim.name, "dvc repro preprocess")


def test_only_anomaly_scenarios_leave_nothing_to_train_on(tmp_path):
    write_street_shards(tmp_path / "data" / "shards", normality=0, static=3)
    set_params(tmp_path)
    assert_one_sentence(run(tmp_path, "train"), "data.root", "split.train_on")
