"""Training on a GPU: gain of each optimization, comparison with the device's limits, and duration of 50 epochs.

The simulated frames have AnoVox's size; a few different ones are repeated. An epoch of 4,200 repeated frames costs the
same computation as one of different frames, but data on the device needs less memory.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.frames import repeated, simulated_frames
from benchmarks.naive_loop import NaiveLoop, write_raw
from benchmarks.subject import Measure, Spread, Subject, Table
from benchmarks.timing import Times, alternate
from benchmarks.training_loop import PARTS, WAIT, Clock, OurLoop, synchronize
from lib.common.errors import DataError
from lib.common.params import load_params
from lib.loading.data_location import DataLocation
from lib.loading.frame_reader import FrameRef, read_batch
from lib.model.detector import Detector, build_detector
from lib.model.devices import Precision, choose_compiled, make_deterministic
from lib.model.model_params import Fusion
from lib.shards.shard_reader import Shard, read_shard
from lib.shards.shard_writer import padded_length, write_shard
from lib.training.loop import Recipe, TrainingSet, _loss, _training_views, train_detector
from lib.training.training_setup import detector_config, range_grid
from lib.training.training_state import EpochRecord
from stages.check import Params

CUDA: Final = torch.device("cuda", 0)
DIFFERENT_FRAMES, FRAMES, BATCH, ROUNDS = 4, 256, 64, 3
EPOCH_FRAMES, VALIDATION_FRAMES, EPOCHS, MEASURED_EPOCHS = 4200, 336, 50, 3
NAIVE: Final = "naive: PNG + .npy, padded per batch, eager float32"
PLAIN: Final = "float32, eager, streamed"
BEST: Final = "bfloat16, compiled, on the GPU"
GIB: Final = 1 << 30


@dataclass(frozen=True, eq=False)
class Work:
    """A shard of AnoVox's size, its frames, and the same frames as files."""

    shard: Shard
    refs: Sequence[FrameRef]
    raw: Path

    def recipe(
        self, precision: Precision = "bfloat16", fusion: Fusion = "concat", *, compiled: bool = False
    ) -> tuple[Detector, Recipe]:
        """A new detector and its training recipe, with batches of 64."""
        params = load_params(Params)
        model = params.model.model_copy(update={"fusion": fusion})
        train = params.train.model_copy(update={"batch_size": BATCH, "epochs": MEASURED_EPOCHS})
        config = detector_config(model, [self.shard])
        recipe = Recipe(train, range_grid(config, self.shard), CUDA, precision, compiled=compiled)
        return build_detector(config), recipe


def measure(folder: Path) -> Subject:
    """Simulate frames of AnoVox's size and time all methods of training; raises DataError without a GPU."""
    if not torch.cuda.is_available():
        raise DataError("training_cuda: torch finds no CUDA device here; this subject needs one")
    if not choose_compiled("auto", CUDA):
        raise DataError("training_cuda: torch.compile needs Triton, which is not installed here; install triton")
    make_deterministic(1)
    work = _work(folder)
    height, width = work.shard.image.shape[1:3]
    setting = (
        f"{FRAMES} frames of {height} x {width} pixels and up to {work.shard.points.shape[1]:,} points, simulated "
        f"({DIFFERENT_FRAMES} different ones), batches of {BATCH}, on one GPU. `compiled`: execution.compile; `on the "
        "GPU`: execution.data_location."
    )
    tables, measures = _measured(work, torch.cuda.get_device_name(CUDA))
    return Subject("Training on a GPU", setting, ("torch", "numpy", "pillow"), tables, measures)


def _measured(work: Work, device_name: str) -> tuple[tuple[Table, ...], tuple[Measure, ...]]:
    times, clock = _ways(work)
    rates = {name: times.rate(name, FRAMES) for name in times.seconds if name != "parts"}
    rows = tuple((name, rate.text(), times.speedup(name, NAIVE).text()) for name, rate in rates.items())
    fusions: tuple[Fusion, ...] = ("concat", "cross_attention")
    epochs = {fusion: _epoch_seconds(work, fusion) for fusion in fusions}
    title = f"{device_name}: samples/s at true size, concat, batches of {BATCH}"
    note = "Whole steps, from the frames to the optimizers; each way in turn."
    tables = (
        Table(title, ("loop", "samples/s", "times the naive loop"), rows, note),
        _parts(clock),
        _limits(work, rates[BEST].median),
        _extrapolated(epochs),
    )
    measures = (
        Measure("cuda_samples_per_s", "samples/s with concat on the GPU", rates[BEST], at_least=2000, unit="samples/s"),
        Measure("cuda_naive_loop", "times the naive loop's samples/s on the GPU", times.speedup(BEST, NAIVE)),
        Measure(
            "cuda_minutes_50_epochs",
            "for 50 epochs of 4,200 frames with cross_attention, extrapolated",
            Spread.of(epochs["cross_attention"] * EPOCHS / 60),
            at_most=10,
            unit="min",
        ),
    )
    return tables, measures


def _work(folder: Path) -> Work:
    frames = simulated_frames(folder / "simulated_true_size", DIFFERENT_FRAMES)
    path = folder / "true_size.h5"
    write_shard(path, list(repeated(frames, FRAMES)), padded_length(max(len(frame.points) for frame in frames)))
    shard = read_shard(path)
    refs = [FrameRef(0, index) for index in range(FRAMES)]
    write_raw(folder / "raw_true_size", [shard], refs)
    return Work(shard, refs, folder / "raw_true_size")


def _ways(work: Work) -> tuple[Times, Clock]:
    def ours(data_location: DataLocation, precision: Precision = "bfloat16", *, compiled: bool = False) -> OurLoop:
        return OurLoop([work.shard], work.refs, *work.recipe(precision, compiled=compiled), data_location)

    detector, recipe = work.recipe("float32")
    loops = {
        PLAIN: ours("stream", "float32"),
        "bfloat16, eager, streamed": ours("stream"),
        "bfloat16, eager, in memory": ours("memory"),
        "bfloat16, eager, on the GPU": ours("device"),
        "float32, compiled, on the GPU": ours("device", "float32", compiled=True),
        BEST: ours("device", compiled=True),
    }
    clock = Clock(CUDA)
    ways: dict[str, Callable[[], object]] = {NAIVE: NaiveLoop(work.raw, FRAMES, detector, recipe, 1).epoch}
    ways |= {name: loop.epoch for name, loop in loops.items()}
    ways["parts"] = partial(loops["bfloat16, eager, on the GPU"].clocked_epoch, clock)
    return alternate(ways, ROUNDS), clock


def _parts(clock: Clock) -> Table:
    steps = ROUNDS * FRAMES // BATCH
    spreads = {name: Spread.of(1000 * np.array(clock.seconds[name][-steps:])) for name in (WAIT, *PARTS)}
    total = sum(spread.median for spread in spreads.values())
    rows = tuple((name, each.text(), f"{100 * each.median / total:.1f} %") for name, each in spreads.items())
    note = "The host waits for the GPU after each part to time it; the loop itself never does."
    return Table("A step of ours: bfloat16, eager, data on the GPU", ("part", "ms", "share"), rows, note)


def _limits(work: Work, samples_per_s: float) -> Table:
    """Arithmetic and memory traffic of a step, in comparison with the measured limits of the device."""
    flops, moved = _work_per_sample(work)
    matmul, bandwidth = _matmul_flops(torch.bfloat16), _bandwidth()
    rows = (
        ("matrix work", f"{flops * samples_per_s / 1e12:.1f} TFLOP/s", f"{matmul / 1e12:.0f} TFLOP/s",
         f"{100 * flops * samples_per_s / matmul:.1f} %"),
        ("memory traffic", f"{moved * samples_per_s / GIB:.0f} GiB/s", f"{bandwidth / GIB:.0f} GiB/s",
         f"{100 * moved * samples_per_s / bandwidth:.1f} %"),
    )  # fmt: skip
    note = (
        "Ceilings: a bfloat16 product of 8,192 x 8,192 matrices, and a copy of 2 GiB (read and written). Matrix work: "
        "convolutions and products, both passes. Memory traffic, at least: what autograd keeps, written once and read "
        "once."
    )
    return Table(f"{BEST}: share of the ceilings", ("", "used", "ceiling", "share"), rows, note)


def _work_per_sample(work: Work) -> tuple[float, float]:
    """FLOPs of forward and backward pass per sample, and bytes of saved tensors, written and read."""
    detector, recipe = work.recipe()
    detector.to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator(CUDA).manual_seed(1)
    count = 4
    views, targets = _training_views(read_batch([work.shard], work.refs[:count]).to(CUDA), recipe, generator)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        with torch.autocast(CUDA.type, torch.bfloat16):
            detections = detector.train()(views)
        torch.autograd.grad(_loss(detections, views, targets, recipe), list(detector.parameters()))
    return counter.get_total_flops() / count, 2 * sum(kept.values()) / count


def _matmul_flops(dtype: torch.dtype, size: int = 8192) -> float:
    a, b = (torch.randn(size, size, device=CUDA, dtype=dtype) for _ in range(2))
    return 2 * size**3 / _fastest(lambda: a @ b)


def _bandwidth() -> float:
    source = torch.zeros(2 * GIB, dtype=torch.uint8, device=CUDA)
    target = torch.empty_like(source)
    return 2 * len(source) / _fastest(lambda: target.copy_(source))


def _fastest(function: Callable[[], object], calls: int = 10, rounds: int = 5) -> float:
    """Seconds per call in the fastest of several rounds."""
    seconds = []
    for _ in range(1 + rounds):
        synchronize(CUDA)
        start = time.perf_counter()
        for _ in range(calls):
            function()
        synchronize(CUDA)
        seconds.append((time.perf_counter() - start) / calls)
    return min(seconds[1:])


def _epoch_seconds(work: Work, fusion: Fusion) -> npt.NDArray[np.float64]:
    """Seconds of each epoch after the first, including validation, in an actual training."""
    detector, recipe = work.recipe("bfloat16", fusion, compiled=True)
    named = [work.refs[i % FRAMES] for i in range(EPOCH_FRAMES + VALIDATION_FRAMES)]
    data = TrainingSet([work.shard], named[:EPOCH_FRAMES], list(islice(named, EPOCH_FRAMES, None)))
    ends: list[float] = []

    def on_epoch(history: Sequence[EpochRecord]) -> None:
        ends.append(time.perf_counter())

    train_detector(detector, data, recipe, on_epoch)
    return np.diff(ends)


def _extrapolated(seconds: dict[Fusion, npt.NDArray[np.float64]]) -> Table:
    rows = tuple(
        (fusion, Spread.of(each).text(), f"{np.median(each) * EPOCHS / 60:.1f}") for fusion, each in seconds.items()
    )
    note = (
        f"A real training on {EPOCH_FRAMES:,} frames, checked on {VALIDATION_FRAMES}: {MEASURED_EPOCHS - 1} epochs "
        f"measured after the first, which compiles; {EPOCHS} epochs extrapolated."
    )
    return Table("Whole epochs", ("fusion", "s per epoch", f"min for {EPOCHS}"), rows, note)
