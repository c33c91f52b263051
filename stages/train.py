"""Train the detector on normal frames with pseudo-anomalies: data/shards -> models/weights.safetensors."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import partial

from lib.common.cache import code_fingerprint, file_digest, fingerprint, resumable_work
from lib.common.errors import DataError, run_stage
from lib.common.outputs import exclusive_lock, write_csv, write_json
from lib.common.params import DataParams, ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, TRACKS, TRAIN_METRICS, TRAINING_LOG, TRAINING_TABLE, WEIGHTS
from lib.common.stopping import stop_requests
from lib.common.terminal import PlainFormatter
from lib.loading.shard_windows import fastest_mps
from lib.model.detector import Detector, DetectorConfig, build_detector
from lib.model.devices import Precision, choose_compiled, choose_device, choose_precision, make_deterministic
from lib.model.model_file import save_detector
from lib.model.model_params import ModelParams
from lib.shards.split_params import SplitParams
from lib.training.checkpoints import Checkpoints
from lib.training.loop import train_detector
from lib.training.process_group import ProcessGroup, run_in_processes
from lib.training.recipe import Recipe, TrainingSet
from lib.training.train_params import TrainParams
from lib.training.training_frames import trained_on, training_set
from lib.training.training_setup import detector_config, process_count, range_grid
from lib.training.training_state import EpochRecord


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    data: DataParams
    split: SplitParams
    model: ModelParams
    train: TrainParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    device = choose_device(params.execution.device)
    run_in_processes(partial(_train, params), process_count(params.train, params.execution.processes, device))


def _train(params: Params, group: ProcessGroup) -> None:
    """Train in one process of a group. The main one writes all files."""
    device = choose_device(params.execution.device, group.local_rank)
    precision = choose_precision(params.train.precision, device)
    make_deterministic(params.train.seed)
    data = training_set(SHARDS, params.split, params.data.root, TRACKS, params.model.window)
    config = detector_config(params.model, data.shards)
    detector = build_detector(config)
    fastest = fastest_mps(data.windows or ())
    compiled = choose_compiled(params.execution.compile, device)
    recipe = Recipe(
        params.train, range_grid(config, data.shards[0]), device, precision, compiled=compiled, fastest_mps=fastest
    )
    with stop_requests() as asked:
        if not group.is_main:
            checkpoints = Checkpoints(None, params.execution.checkpoint_seconds, asked)
            train_detector(detector, data, recipe, lambda history: None, checkpoints, group)
            return
        with exclusive_lock(WEIGHTS.parent), resumable_work("train", _key(params, data, recipe, config)) as folder:
            log = _log()
            log.info("device %s, precision %s, %d parameters, %s", device, precision, _parameters(detector), config)
            log.info("%d processes; torch.compile: %s", group.size, "yes" if compiled else "no")
            log.info("%d frames to train on, %d to validate on", len(data.training), len(data.validation))

            def on_epoch(history: Sequence[EpochRecord]) -> None:
                write_csv(TRAINING_TABLE, [field.name for field in fields(EpochRecord)], map(asdict, history))
                log.info("%s", history[-1])

            checkpoints = Checkpoints(folder / "checkpoint.pt", params.execution.checkpoint_seconds, asked)
            history = train_detector(detector, data, recipe, on_epoch, checkpoints, group)
            log.info("%s", checkpoints.cost())
            save_detector(WEIGHTS, detector, trained_on(data))
            _write_summary(detector, data, precision, history)
            log.info("wrote %s", WEIGHTS)


def _key(params: Params, data: TrainingSet, recipe: Recipe, config: DetectorConfig) -> str:
    """Fingerprint of all that a training depends on: an interrupted one goes on only with the same."""
    frames = [[ref.shard, ref.index] for ref in (*data.training, *data.validation)]
    shards = [[shard.path.name, shard.fingerprint] for shard in data.shards]
    followed = [window.shard.path.name for window in data.windows or () if window.tracks is not None]
    tracks = [[name, file_digest(TRACKS / name)] for name in followed]
    sections = params.split.model_dump(mode="json"), params.train.model_dump(mode="json")
    computed = recipe.device.type, recipe.precision, recipe.compiled
    return fingerprint(*sections, asdict(config), frames, shards, tracks, *computed, code_fingerprint("train"))


def _write_summary(detector: Detector, data: TrainingSet, precision: Precision, history: Sequence[EpochRecord]) -> None:
    last = {name: value for name, value in asdict(history[-1]).items() if name != "learning_rate"}
    summary = {
        **last,
        "parameters": _parameters(detector),
        "precision": precision,
        "training_frames": len(data.training),
        "validation_frames": len(data.validation),
    }
    write_json(TRAIN_METRICS, summary)


def _parameters(detector: Detector) -> int:
    return sum(value.numel() for value in detector.parameters())


def _log() -> logging.Logger:
    log = logging.getLogger("train")
    log.setLevel(logging.INFO)
    try:
        TRAINING_LOG.parent.mkdir(exist_ok=True)
        TRAINING_LOG.unlink(missing_ok=True)  # if it is a link, its target is not overwritten
        handler = logging.FileHandler(TRAINING_LOG, mode="w", encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{TRAINING_LOG}: cannot be written ({error}); check its folder, or move away what is in its place"
        ) from None
    handler.setFormatter(PlainFormatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    return log


if __name__ == "__main__":
    run_stage(main)
