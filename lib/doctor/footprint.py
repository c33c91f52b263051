"""Time and memory of a training step, measured with the actual detector on real frames."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lib.common.errors import TrainingError
from lib.loading.dataset import ShardDataset, load_batches
from lib.model.detector import DetectorConfig, build_detector
from lib.model.devices import choose_device
from lib.shards.shard_reader import Shard, read_shard
from lib.training.loop import begin_training, loss_model, training_step
from lib.training.micro_batches import divide, of_rank
from lib.training.process_group import ProcessGroup, run_in_processes
from lib.training.recipe import Recipe

ADAM_BYTES_PER_PARAMETER = 16
"""Weight, gradient and two moments, float32."""
TIMED_STEPS = 2


@dataclass(frozen=True)
class Footprint:
    """Seconds per frame of a training step, and the bytes that it needs on a device.

    `measured_memory`: CUDA's own count of the peak; else what autograd keeps for the backward passes of all processes,
    and weights, gradients and moments, to which kernels add their working memory.
    """

    seconds_per_frame: float
    memory_bytes: int
    measured_memory: bool


def training_footprint(config: DetectorConfig, shard: Shard, recipe: Recipe, processes: int) -> Footprint:
    """Train a new detector for a few steps on a shard's frames, repeated as need be, and measure.

    Raises TrainingError if the device has too little memory.
    """
    try:
        return run_in_processes(partial(_measure, config, shard.path, recipe), processes)
    except torch.OutOfMemoryError:
        step = f"a training step with train.micro_batch={recipe.params.micro_batch}"
        message = f"{step} does not fit into the memory of the device ({recipe.device})"
        raise TrainingError(f"{message}; lower train.micro_batch") from None


def _measure(config: DetectorConfig, path: Path, recipe: Recipe, group: ProcessGroup) -> Footprint:
    device = recipe.device if recipe.device.type == "cpu" else choose_device("cuda", group.local_rank)
    params, shard = recipe.params, read_shard(path)
    [step] = divide([index % len(shard) for index in range(params.batch_size)], params.batch_size, params.micro_batch)
    mine, dataset = of_rank(step, group.rank, group.size), ShardDataset([shard])
    batches = load_batches(dataset, [micro_batch.frames for micro_batch in mine], device)
    given = list(zip(mine, batches, strict=True))
    state = begin_training(build_detector(config), recipe, frames=(TIMED_STEPS + 1) * params.batch_size)
    model = loss_model(state.detector, recipe, group)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        training_step(model, state, given[:1], recipe, group)
    _wait(device)
    start = time.perf_counter()
    for _ in range(TIMED_STEPS):
        training_step(model, state, given, recipe, group)
    _wait(device)
    seconds = (time.perf_counter() - start) / (TIMED_STEPS * params.batch_size)
    if device.type == "cuda":
        return Footprint(seconds, torch.cuda.max_memory_reserved(device), True)
    parameters = sum(value.numel() for value in state.detector.parameters())
    one_process = sum(kept.values()) + ADAM_BYTES_PER_PARAMETER * parameters
    return Footprint(seconds, one_process * group.size, False)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
