"""Speed of training on the CPU: the naive loop and ours, and the parts of a step."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.frames import repeated, simulated_frames
from benchmarks.naive_loop import NaiveLoop, RawFrames, padded_batch, write_raw
from benchmarks.subject import Measure, Spread, Subject, Table
from benchmarks.timing import Times
from benchmarks.training_loop import PARTS, WAIT, Clock, Epoch, clock_steps, timed_epoch
from lib.common.params import load_params
from lib.common.workers import available_cores
from lib.loading.dataset import FrameRef, ShardDataset
from lib.model.detector import DetectorConfig, build_detector
from lib.model.devices import choose_precision, make_deterministic
from lib.preprocessing.resize import resize_frame
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.training.recipe import Recipe
from lib.training.training_setup import detector_config, process_count, range_grid
from lib.views.range_view import RangeGrid, make_views
from stages.check import Params

DIFFERENT_FRAMES, FRAMES, ROUNDS = 4, 32, 5
NAIVE: Final = "naive: PNG + .npy, padded per batch, eager float32"
FLOAT32, OURS = "ours, float32", "ours"
NAIVE_SHRUNK: Final = "naive: files of 512 x 768 pixels, shrunk each time"
OURS_SHRUNK: Final = "ours: shards of preprocess.image_height, image_width"
CPU: Final = torch.device("cpu")
READING: Final = (
    "The network's arithmetic bounds both loops, and reading and decoding take little of it at this size. What ours "
    "gains comes from bfloat16 units where the CPU has them, channels-last convolutions, and processes that each work "
    "on their own micro-batches."
)

STEP: Final = "On one micro-batch, in one process with one thread, while no other process works."


def measure(folder: Path) -> Subject:
    """Simulate frames of the default sample's size and time training on them with both loops."""
    make_deterministic(1)
    params = load_params(Params)
    simulated = params.simulate
    size = {
        name: getattr(simulated, name)
        for name in ("image_height", "image_width", "lidar_channels", "lidar_rays_per_channel")
    }
    frames = simulated_frames(folder / "simulated", DIFFERENT_FRAMES, size)
    write_shard(
        folder / "shard.h5", list(repeated(frames, FRAMES)), padded_length(max(len(frame.points) for frame in frames))
    )
    shard = read_shard(folder / "shard.h5")
    refs = [FrameRef(0, index) for index in range(FRAMES)]
    write_raw(folder / "raw", [shard], refs)
    config = detector_config(params.model, [shard])
    grid = range_grid(config, shard)
    _check(RawFrames(folder / "raw", FRAMES), shard, grid)
    times, waits, clock = _timed(folder / "raw", shard, config, grid)
    shrunk = _shrunk(folder, (simulated.image_height, simulated.image_width))
    precision = choose_precision(params.train.precision, CPU)
    setting = (
        f"{FRAMES} frames of {simulated.image_height} x {simulated.image_width} pixels and up to "
        f"{shard.points.shape[1]:,} points, batches of {params.train.batch_size}, fusion {config.fusion}, on the CPU: "
        f"ours with {_processes()} processes in {precision}, the naive loop with torch's own threads "
        f"({available_cores()}) in float32, with the same network, pseudo-anomalies and augmentation, and AdamW alone."
    )
    tables, measures = _summary(times, waits, clock, shrunk)
    return Subject("Training on the CPU", setting, ("torch", "numpy", "pillow"), tables, measures, READING)


def _shrunk(folder: Path, size: tuple[int, int]) -> Times:
    """Epochs of both loops on the same network, from files of AnoVox's size and from shards of smaller images."""
    params, simulated = load_params(Params), load_params(Params).simulate
    frames = simulated_frames(folder / "simulated_true_size", DIFFERENT_FRAMES)
    length = padded_length(max(len(frame.points) for frame in frames))
    write_shard(folder / "true_size.h5", list(repeated(frames, FRAMES)), length)
    write_shard(folder / "shrunk.h5", [resize_frame(frame, *size) for frame in repeated(frames, FRAMES)], length)
    shard, refs = read_shard(folder / "shrunk.h5"), [FrameRef(0, index) for index in range(FRAMES)]
    write_raw(folder / "raw_true_size", [read_shard(folder / "true_size.h5")], refs)
    rays = {"range_view_rows": simulated.lidar_channels, "range_view_columns": simulated.lidar_rays_per_channel}
    config = detector_config(params.model.model_copy(update=rays), [shard])
    grid = range_grid(config, shard)
    _check(RawFrames(folder / "raw_true_size", FRAMES, size), shard, grid)
    recipe = _recipe(grid)
    plain = replace(recipe, precision="float32")
    naive = NaiveLoop(folder / "raw_true_size", FRAMES, build_detector(config), plain, available_cores(), size)
    return _in_turn(naive, NAIVE_SHRUNK, {OURS_SHRUNK: partial(_epoch, config, shard.path, recipe)})[0]


def _recipe(grid: RangeGrid) -> Recipe:
    params = load_params(Params).train
    return Recipe(params, grid, CPU, choose_precision(params.precision, CPU))


def _processes() -> int:
    params = load_params(Params)
    return process_count(params.train, params.execution.processes, CPU)


def _epoch(config: DetectorConfig, shard: Path, recipe: Recipe) -> Epoch:
    return timed_epoch(config, shard, FRAMES, recipe, _processes())


def _in_turn(
    naive: NaiveLoop, name: str, ours: Mapping[str, Callable[[], Epoch]]
) -> tuple[Times, dict[str, list[float]]]:
    """Seconds of epochs of the naive loop and of ours in turn; and of ours the percentage that waits for data.

    Ours are timed in the processes that train, without their start.
    """
    naive.epoch()
    seconds: dict[str, list[float]] = {name: [], **{way: [] for way in ours}}
    waits: dict[str, list[float]] = {way: [] for way in ours}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        naive.epoch()
        seconds[name].append(time.perf_counter() - start)
        for way, train in ours.items():
            epoch = train()
            seconds[way].append(epoch.seconds)
            waits[way].append(100 * epoch.waited / epoch.seconds)
    return Times({way: np.array(values) for way, values in seconds.items()}), waits


def _check(raw: RawFrames, shard: Shard, grid: RangeGrid) -> None:
    """Assert that both loops train on the same views."""
    numbers = range(4)
    naive, _ = make_views(padded_batch([raw[i] for i in numbers]), grid)
    ours, _ = make_views(ShardDataset([shard]).__getitems__(numbers), grid)
    assert all(torch.equal(value, getattr(naive, name)) for name, value in vars(ours).items())


def _timed(raw: Path, shard: Shard, config: DetectorConfig, grid: RangeGrid) -> tuple[Times, list[float], Clock]:
    """Epochs of each loop in turn, the percentage of our epochs that waits for data, and the parts of our step."""
    recipe = _recipe(grid)
    full = replace(recipe, precision="float32")
    naive = NaiveLoop(raw, FRAMES, build_detector(config), full, available_cores())
    ours = {FLOAT32: partial(_epoch, config, shard.path, full), OURS: partial(_epoch, config, shard.path, recipe)}
    times, waits = _in_turn(naive, NAIVE, ours)
    return times, waits[OURS], clock_steps(config, shard.path, FRAMES, recipe)


def _summary(
    times: Times, waits: list[float], clock: Clock, shrunk: Times
) -> tuple[tuple[Table, ...], tuple[Measure, ...]]:
    rows = tuple(
        (name, times.rate(name, FRAMES).text(), times.speedup(name, NAIVE).text()) for name in (NAIVE, FLOAT32, OURS)
    )
    rows_shrunk = tuple(
        (name, shrunk.rate(name, FRAMES).text(), shrunk.speedup(name, NAIVE_SHRUNK).text())
        for name in (NAIVE_SHRUNK, OURS_SHRUNK)
    )
    steps = FRAMES // load_params(Params).train.batch_size
    parts = {name: np.array(clock.seconds[name][steps:]) for name in (WAIT, *PARTS)}  # of the second epoch
    total = sum(float(np.median(seconds)) for seconds in parts.values())
    rows_of_parts = tuple(
        (name, Spread.of(1000 * seconds).text(), f"{100 * float(np.median(seconds)) / total:.1f} %")
        for name, seconds in parts.items()
    )
    tables = (
        Table("Samples/s of an epoch", ("loop", "samples/s", "times the naive loop"), rows),
        Table(
            "Samples/s of an epoch, from AnoVox's true size",
            ("loop", "samples/s", "times the naive loop"),
            rows_shrunk,
            "The same network on images of the size above; the clouds are those of 64 x 1,562 rays.",
        ),
        Table("A step of ours", ("part", "ms", "share"), rows_of_parts, STEP),
    )
    pasting = parts[PARTS[0]] / parts[PARTS[1]]
    measures = (
        Measure("naive_loop", "samples/s relative to the naive loop", times.speedup(OURS, NAIVE), at_least=5),
        Measure(
            "naive_loop_true_size",
            "samples/s relative to the naive loop, from AnoVox's true size",
            shrunk.speedup(OURS_SHRUNK, NAIVE_SHRUNK),
            at_least=5,
        ),
        Measure(
            "data_wait",
            "part of an epoch spent waiting for data",
            Spread.of(np.array(waits)),
            at_most=3,
            unit="%",
        ),
        Measure(
            "pasting",
            "time of views, pasting, augmentation relative to the forward pass",
            Spread.of(pasting),
            at_most=1,
        ),
    )
    return tables, measures
