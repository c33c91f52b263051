"""Which frames a training takes, which it is checked on, and what the model file says of them."""

from pathlib import Path

import torch

from lib.common.cache import fingerprint
from lib.common.errors import DataError, ParamsError
from lib.common.paths import TRACKS
from lib.common.ticks import SINGLE_FRAME
from lib.loading.dataset import FrameRef
from lib.loading.shard_windows import windows_of
from lib.model.weights_file import TrainedOn
from lib.sensors.sensor_statistics import evenly_spread, measure
from lib.shards.index import open_entry, read_index
from lib.shards.leaks import check_no_leak
from lib.shards.shard_reader import Shard
from lib.shards.split import assign_splits, training_frames
from lib.shards.split_params import SplitParams
from lib.training.recipe import TrainingSet


def training_set(
    folder: Path, params: SplitParams, data_root: str, tracks: Path = TRACKS, window: tuple[int, ...] = SINGLE_FRAME
) -> TrainingSet:
    """Open the shards of a folder that train and validate, with their tracks if the window has several lags.

    data_root: where the shards came from.

    Raises DataError or ParamsError where no frame is left to train or to validate on, a frame is in the test as well,
    or the shards differ in shape.
    """
    entries = read_index(folder)
    splits = assign_splits(entries, params)
    check_no_leak(folder, entries, splits)
    shards: list[Shard] = []
    training: list[FrameRef] = []
    validation: list[FrameRef] = []
    for entry in entries:
        if splits[entry.scenario] == "test":
            continue
        shard = open_entry(folder, entry)
        refs = [FrameRef(len(shards), int(index)) for index in training_frames(shard, params)]
        (training if splits[entry.scenario] == "train" else validation).extend(refs)
        shards.append(shard)
    if not training:
        raise DataError(
            f"data.root={data_root}: no frame is left to train on with split.train_on={params.train_on}; "
            "give normality scenarios, or set split.train_on=anomaly_free"
        )
    if not validation:
        raise ParamsError(
            f"split.validation_fraction: got {params.validation_fraction}, which leaves no scenario to validate "
            "on; raise it or give more scenarios"
        )
    if len({shard.image.shape[1:] + shard.points.shape[1:] for shard in shards}) > 1:
        raise DataError(
            f"{folder}: the shards differ in image size or cloud length; set preprocess.image_height, "
            "preprocess.image_width and preprocess.max_points and run `dvc repro`"
        )
    return TrainingSet(shards, training, validation, windows_of(shards, window, tracks))


def trained_on(data: TrainingSet) -> TrainedOn:
    """What a model file says of its training data. Sensors are measured on frames that trained, spread evenly."""
    return TrainedOn(
        scenarios=tuple(sorted({shard.scenario for shard in data.shards})),
        shards=fingerprint([[shard.path.name, shard.fingerprint] for shard in data.shards]),
        sensors=measure(data.shards[ref.shard].frame(ref.index) for ref in evenly_spread(data.training)),
        torch=torch.__version__.split("+")[0],  # without how it was built
    )
