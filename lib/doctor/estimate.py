"""Estimate of the cost of preprocess and train: disk from the shards' layout, time and memory from a short trial."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from lib.anovox.reading.anovox_recordings import open_anovox
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.params import DataParams, ExecutionParams, Sections
from lib.common.workers import available_cores
from lib.doctor.footprint import training_footprint
from lib.doctor.survey import Survey, SurveyedScenario, evenly_spread
from lib.model.devices import choose_device, choose_precision
from lib.model.model_params import ModelParams
from lib.preprocessing.preprocess_params import PreprocessParams
from lib.preprocessing.resize import resize_frame
from lib.reading.recorded_frames import ReadFrame, largest_usable_cloud
from lib.shards.schema import Storage, shard_arrays
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.shards.split import Split, trainable_frames
from lib.shards.split_params import SplitParams
from lib.training.recipe import Recipe
from lib.training.train_params import TrainParams
from lib.training.training_setup import detector_config, process_count, range_grid

TRIAL_FRAMES: Final = 2
VOXEL_BYTES: Final = 8
VALIDATION_COST: Final = 1 / 3
"""Cost of a forward pass relative to a training step."""


@dataclass(frozen=True)
class Estimate:
    """Bytes of data/shards; hours of preprocess and train on this machine; memory of a training step.

    `memory_measured`: whether the memory was measured on the device; otherwise it is a lower bound from the tensors
    that autograd saves. `trial_frames`: number of frames in the trial.
    """

    shards_bytes: int
    preprocess_hours: float
    workers: int
    train_hours: float
    train_frames: int
    validation_frames: int
    epochs: int
    train_memory_bytes: int
    memory_measured: bool
    device: str
    precision: str
    trial_frames: int


class PlannedParams(Sections):
    """Sections of params.yaml that the estimate depends on."""

    data: DataParams
    preprocess: PreprocessParams
    split: SplitParams
    model: ModelParams
    train: TrainParams
    execution: ExecutionParams


def estimate(survey: Survey, splits: Mapping[str, Split], params: PlannedParams) -> Estimate | None:
    """Convert and train on a few frames of a training scenario, and extrapolate; None if none of them can be read.

    Sets torch's number of threads, as training does.
    """
    scenarios = {scenario.config.name: scenario for scenario in survey.scenarios}
    sensors = params.preprocess.sensors
    clouds = ((s.largest_cloud, partial(open_anovox, s.path, s.config, sensors)) for s in survey.scenarios)
    max_points = params.preprocess.max_points or padded_length(largest_usable_cloud(clouds))
    trial = next(scenarios[name] for name, part in splits.items() if part == "train")
    device = choose_device(params.execution.device)
    precision = choose_precision(params.train.precision, device)
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        storage = Storage(params.preprocess.compression, params.preprocess.point_dtype)
        made = _trial_shard(Path(folder) / "trial.h5", trial, params.preprocess, max_points, storage)
        if made is None:
            return None
        shard, convert_seconds = made
        config = detector_config(params.model, [shard])
        recipe = Recipe(params.train, range_grid(config, shard), device, precision)
        processes = process_count(params.train, params.execution.processes, device)
        footprint = training_footprint(config, shard, recipe, processes)
        frame_bytes, trial_frames = _frame_bytes(shard, storage), len(shard)
    usable = {name: trainable_frames(scenario.entry(), params.split) for name, scenario in scenarios.items()}
    training, validation = (sum(usable[n] for n, p in splits.items() if p == part) for part in ("train", "validation"))
    frames = sum(scenario.usable_frames for scenario in scenarios.values())
    workers = max(1, min(params.execution.workers or available_cores(), len(scenarios)))
    train_steps = (training + VALIDATION_COST * validation) * params.train.epochs
    return Estimate(
        shards_bytes=frames * frame_bytes,
        preprocess_hours=frames * (_read_seconds(survey) + convert_seconds) / workers / 3600,
        workers=workers,
        train_hours=train_steps * footprint.seconds_per_frame / 3600,
        train_frames=training,
        validation_frames=validation,
        epochs=params.train.epochs,
        train_memory_bytes=footprint.memory_bytes,
        memory_measured=footprint.measured_memory,
        device=device.type,
        precision=precision,
        trial_frames=trial_frames,
    )


def _frame_bytes(shard: Shard, storage: Storage) -> int:
    """Bytes per frame of a shard with the format `storage`."""
    if storage.compression != "none":
        return shard.path.stat().st_size // len(shard)
    height, width = shard.image.shape[1:3]
    arrays = shard_arrays(height, width, shard.points.shape[1], len(shard.lidars), 0, storage.point_dtype)
    return sum(array.row_bytes for array in arrays if array.name != "voxels_flat") + VOXEL_BYTES * len(shard.voxels(0))


def _trial_shard(
    path: Path, trial: SurveyedScenario, params: PreprocessParams, max_points: int, storage: Storage
) -> tuple[Shard, float] | None:
    """A shard with a few frames of a scenario's first camera, and the seconds per frame to resize and write it."""
    scenario = open_scenario(trial.path, trial.config, params.sensors)
    chosen = evenly_spread(scenario.frame_ids, 2 * TRIAL_FRAMES)
    reads = (read for read in read_frames(scenario, chosen) if isinstance(read, ReadFrame))
    camera = scenario.views[0].name
    frames = list(islice((read.frame for read in reads if read.frame.camera_name == camera), TRIAL_FRAMES))
    if not frames:
        return None
    (height, width), start = frames[0].image.shape[:2], time.perf_counter()
    size = params.image_height or height, params.image_width or width
    write_shard(path, [resize_frame(frame, *size) for frame in frames], max_points, storage=storage)
    return read_shard(path), (time.perf_counter() - start) / len(frames)


def _read_seconds(survey: Survey) -> float:
    """Seconds per frame for reading it and computing its statistics, in one process."""
    frames = sum(scenario.statistics.frames for scenario in survey.scenarios)
    return sum(scenario.read_seconds for scenario in survey.scenarios) / max(1, frames)
