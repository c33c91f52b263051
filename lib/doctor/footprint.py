"""Time and memory of a training step, measured with the actual detector on real frames."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lib.common.errors import TrainingError
from lib.loading.frame_reader import FrameRef, read_batch
from lib.loading.loader import Loader
from lib.model.detector import Detector
from lib.model.parallel import Threads, replicas
from lib.shards.shard_reader import Shard
from lib.training.loop import Recipe, make_optimizers, open_teammates, training_step

ADAM_BYTES_PER_PARAMETER = 16
"""Weight, gradient and two moments, float32."""
CPU_BATCH = 4
"""Frames of a part at most: as many as parts have by default, as small ones cost more per frame."""
TIMED_STEPS = 2


@dataclass(frozen=True)
class Footprint:
    """Seconds per frame of a training step, and its memory [bytes] at train.batch_size.

    `measured_memory`: whether the memory is CUDA's peak; otherwise it is the sum of saved tensors, weights, gradients
    and moments, without the kernels' workspace.
    """

    seconds_per_frame: float
    memory_bytes: int
    measured_memory: bool
    parameters: int


def training_footprint(detector: Detector, shard: Shard, recipe: Recipe) -> Footprint:
    """Measure a few training steps on a shard's frames, repeated if necessary. Changes the detector.

    Raises TrainingError if the device has too little memory.
    """
    try:
        return _measured(detector, shard, recipe)
    except torch.OutOfMemoryError:
        step = f"a training step with train.batch_size={recipe.params.batch_size}"
        message = f"{step} does not fit into the memory of the device ({recipe.device})"
        raise TrainingError(f"{message}; lower train.batch_size") from None


def _measured(detector: Detector, shard: Shard, recipe: Recipe) -> Footprint:
    device, batch_size = recipe.device, recipe.params.batch_size
    on_cuda = device.type == "cuda"
    size = batch_size if on_cuda else min(batch_size // recipe.parts, CPU_BATCH)
    detector.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    detector.train()
    optimizers = make_optimizers(detector, recipe)
    refs = [FrameRef(0, index % len(shard)) for index in range(size)]
    loader, batch = Loader([shard], refs, device, "stream"), read_batch([shard], refs).to(device)
    seed = recipe.params.seed
    twins = replicas(detector, recipe.parts)
    parts = [(twin, batch, torch.Generator(device).manual_seed(seed)) for twin in twins]
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, _same), Threads(1) as threads:
        training_step(threads, parts[:1], recipe, optimizers)
    with Threads(recipe.parts) as threads, open_teammates(twins, loader, recipe) as teammates:
        training_step(threads, parts, recipe, optimizers, teammates)
        _wait(device)
        start = time.perf_counter()
        for _ in range(TIMED_STEPS):
            training_step(threads, parts, recipe, optimizers, teammates)
        _wait(device)
    seconds = (time.perf_counter() - start) / (TIMED_STEPS * size * len(parts))
    parameters = sum(value.numel() for value in detector.parameters())
    estimated = sum(kept.values()) * batch_size // size + ADAM_BYTES_PER_PARAMETER * parameters
    memory = torch.cuda.max_memory_reserved(device) if on_cuda else estimated
    return Footprint(seconds, memory, on_cuda, parameters)


def _same(value: Any) -> Any:
    return value


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
