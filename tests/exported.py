"""A small detector with all that `export` reads, beside made-up shards and scores: in a folder of its own."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from lib.common.outputs import write_json
from lib.common.ticks import SINGLE_FRAME
from lib.export.model_record import VERSION, ModelRecord, write_record
from lib.export.score_levels import score_levels
from lib.geometry.frame import Frame
from lib.model.detector import DetectorConfig, build_detector
from lib.model.model_file import save_detector
from lib.model.weights_file import TrainedOn, model_fingerprint, read_model
from lib.sensors.sensor_statistics import measure
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from lib.shards.validation_scores import read_validation, write_validation
from stages import evaluate
from tests.all_params import all_params
from tests.scored_sample import ROOT, change_predictions, made_up_validation, write_sample

CONFIG = DetectorConfig("concat", 4, 4, 8, 16, 64, 15.0, -25.0)
WITH_PAST = replace(CONFIG, window=(0, 2, 5, 10))
TRAIN_METRICS = {"epoch": 2, "parameters": 4711, "training_frames": 21, "validation_frames": 6}
DATA_METRICS = {"scenarios": {"normality": 9, "static": 6, "dynamic": 0}, "frames": {"total": 51}}


def made_up_record(trained_on: TrainedOn, config: DetectorConfig = CONFIG) -> ModelRecord:
    """A record as `export` writes it, of scores that nobody computed."""
    track = {} if config.window == SINGLE_FRAME else {"track": all_params().track.model_dump(mode="json")}
    levels = score_levels(made_up_validation(), {"calibration": {"frame": {"slope": 2.0, "intercept": -1.0}}})
    return ModelRecord(
        version=VERSION,
        weights="0123",
        predict=all_params().predict,
        outside_shift=-0.5,
        frame=levels["frame"],
        point=levels["point"],
        pixel=levels["pixel"],
        trained_on=trained_on,
        params={"train": {"epochs": 20}, **track},
        metrics={"train": {**TRAIN_METRICS}},
        card="# A card",
    )


def write_model(path: Path, frames: Iterable[Frame], config: DetectorConfig = CONFIG) -> None:
    """A model file as `export` writes it, of a detector that has learned nothing; the frames' sensors trained it."""
    torch.manual_seed(1)
    trained_on = TrainedOn(("Scenario_t0",), "0a1b", measure(frames), "2.13.0")
    save_detector(path, build_detector(config), trained_on)
    write_record(path, read_model(path), made_up_record(trained_on, config))


def write_trained(root: Path) -> None:
    """What the stages up to `evaluate` leave; the working directory must be `root`."""
    write_sample(root)
    shutil.copy(ROOT / "params.yaml", root)
    shards = [read_shard(root / "data/shards" / entry.file) for entry in read_index(root / "data/shards")]
    sensors = measure(shard.frame(index) for shard in shards for index in range(len(shard)))
    torch.manual_seed(1)
    weights = root / "models" / "weights.safetensors"
    save_detector(weights, build_detector(CONFIG), TrainedOn(("Scenario_t0", "Scenario_t1"), "0a1b", sensors, "2.13.0"))
    fingerprint = model_fingerprint(weights)
    validation = root / "data" / "validation.h5"
    write_validation(validation, replace(read_validation(validation), model_fingerprint=fingerprint))
    for path in (root / "data" / "predictions").glob("*.h5"):
        change_predictions(path, model_fingerprint=fingerprint)
    write_json(root / "metrics" / "train.json", TRAIN_METRICS)
    write_json(root / "metrics" / "data.json", DATA_METRICS)
    write_json(root / "metrics" / "labels.json", {"worst": 0.99})
    evaluate.main()
