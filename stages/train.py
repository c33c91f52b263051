"""Train the detector on normality with pseudo-anomalies: data/shards -> models/detector.safetensors."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import torch

from lib.batches.frames import FrameRef
from lib.batches.scan_pattern import rays_per_turn
from lib.errors import DataError, ParamsError, run_stage
from lib.model.detector import Detector, DetectorConfig
from lib.outputs import write_csv, write_json
from lib.params import ModelParams, Params, TrainParams, load_params
from lib.shards.index import read_index
from lib.shards.reader import Shard, read_shard
from lib.shards.split import assign_splits, training_frames
from lib.training.checkpoints import save_detector
from lib.training.devices import choose_device, choose_precision, make_deterministic
from lib.training.loop import EpochRecord, Recipe, TrainingSet, train_detector

SHARDS = Path("data/shards")
MODEL = Path("models/detector.safetensors")
METRICS = Path("metrics/train.json")
HISTORY = Path("plots/training.csv")
LOG = Path("logs/train.log")
VIEW_MARGIN = 1.1


def main() -> None:
    """Run the stage."""
    params = load_params()
    device = choose_device(params.execution.device)
    precision = choose_precision(params.train.precision, device)
    make_deterministic(params.train.seed)
    log = _log()
    data = _training_set(params)
    config = detector_config(params.model, data.shards)
    detector = Detector(config)
    parameters = sum(value.numel() for value in detector.parameters())
    log.info("device %s, precision %s, %d parameters, %s", device, precision, parameters, config)
    log.info("%d frames to train on, %d to validate on", len(data.training), len(data.validation))

    def on_epoch(history: Sequence[EpochRecord]) -> None:
        write_csv(HISTORY, [field.name for field in fields(EpochRecord)], map(asdict, history))
        log.info("%s", history[-1])

    grid = config.grid(_visible_columns(config, data.shards[0]))
    history = train_detector(
        detector, data, Recipe(params.train, grid, device, precision, _parts(params.train, device)), on_epoch
    )
    save_detector(MODEL, detector)
    last = {name: value for name, value in asdict(history[-1]).items() if name != "learning_rate"}
    summary = {
        **last,
        "parameters": parameters,
        "precision": precision,
        "training_frames": len(data.training),
        "validation_frames": len(data.validation),
    }
    write_json(METRICS, summary)
    log.info("wrote %s", MODEL)


def detector_config(params: ModelParams, shards: Sequence[Shard]) -> DetectorConfig:
    """Complete the model's params with the scan pattern of the data."""
    lidars = [lidar for shard in shards for lidar in shard.lidars]
    return DetectorConfig(
        fusion=params.fusion,
        image_channels=params.image_channels,
        lidar_channels=params.lidar_channels,
        fusion_channels=params.fusion_channels,
        range_view_rows=params.range_view_rows or max(lidar.channels for lidar in lidars),
        range_view_columns=params.range_view_columns or rays_per_turn(shards[0]),
        upper_fov_deg=max(lidar.upper_fov_deg for lidar in lidars),
        lower_fov_deg=min(lidar.lower_fov_deg for lidar in lidars),
    )


def _parts(params: TrainParams, device: torch.device) -> int:
    if params.batch_size % params.cpu_threads:
        raise ParamsError(
            f"train.cpu_threads: got {params.cpu_threads}, which does not divide train.batch_size={params.batch_size}; "
            "each thread works on an equal part of a batch"
        )
    return params.cpu_threads if device.type == "cpu" else 1


def _training_set(params: Params) -> TrainingSet:
    entries = read_index(SHARDS)
    splits = assign_splits(entries, params.split)
    shards: list[Shard] = []
    training: list[FrameRef] = []
    validation: list[FrameRef] = []
    for entry in entries:
        if splits[entry.scenario] == "test":
            continue
        shard = read_shard(SHARDS / entry.file)
        refs = [FrameRef(len(shards), int(index)) for index in training_frames(shard, params.split)]
        (training if splits[entry.scenario] == "train" else validation).extend(refs)
        shards.append(shard)
    if not training:
        raise DataError(
            f"data.root={params.data.root}: no frame is left to train on with split.train_on={params.split.train_on}; "
            "give normality scenarios, or set split.train_on=anomaly_free"
        )
    if not validation:
        raise ParamsError(
            f"split.validation_fraction: got {params.split.validation_fraction}, which leaves no scenario to validate "
            "on; raise it or give more scenarios"
        )
    if len({shard.image.shape[1:] + shard.points.shape[1:] for shard in shards}) > 1:
        raise DataError(
            f"{SHARDS}: the shards differ in image size or cloud length; set preprocess.image_height, "
            "preprocess.image_width and preprocess.max_points and run `dvc repro`"
        )
    return TrainingSet(shards, training, validation)


def _visible_columns(config: DetectorConfig, shard: Shard) -> int:
    """Columns of the range view that training looks at: the camera's view and a margin, an even number."""
    half_view_rad = math.atan(shard.camera.width_px / 2 / shard.camera.fx_px) * VIEW_MARGIN
    columns = math.ceil(half_view_rad / math.pi * config.range_view_columns / 16) * 16
    return min(columns, config.range_view_columns)


def _log() -> logging.Logger:
    LOG.parent.mkdir(exist_ok=True)
    log = logging.getLogger("train")
    log.setLevel(logging.INFO)
    handler = logging.FileHandler(LOG, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    return log


if __name__ == "__main__":
    run_stage(main)
