"""The project's training loop with a clock: how long an epoch takes, and where its time goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import torch

from lib.loading.dataset import FrameRef, ShardDataset, load_batches
from lib.loading.order import shuffled
from lib.model.detector import DetectorConfig, build_detector
from lib.shards.shard_reader import read_shard
from lib.training.loop import begin_training, loss_model, training_step, training_views
from lib.training.micro_batches import MicroBatch, divide, of_rank
from lib.training.process_group import ProcessGroup, run_in_processes
from lib.training.recipe import Recipe
from lib.views.frame_batch import FrameBatch

Result = TypeVar("Result")

WAIT: Final = "waiting for data"
PARTS: Final = ("views, pasting, augmentation", "forward pass and loss", "backward pass", "clipping, optimizers")


@dataclass(frozen=True)
class Epoch:
    """Seconds of an epoch, and of them those waiting for data."""

    seconds: float
    waited: float


@dataclass(eq=False)
class Clock:
    """Seconds by name, of all calls."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, name: str, function: Callable[[], Result]) -> Result:
        """Call a function, and note how long it takes."""
        start = time.perf_counter()
        result = function()
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        return result


def timed_epoch(config: DetectorConfig, shard: Path, frames: int, recipe: Recipe, processes: int) -> Epoch:
    """Train a new detector on the first frames of a shard for two epochs on the CPU; time the second one."""
    return run_in_processes(partial(_timed_epoch, config, shard, frames, recipe), processes)


def _timed_epoch(config: DetectorConfig, shard: Path, frames: int, recipe: Recipe, group: ProcessGroup) -> Epoch:
    state = begin_training(build_detector(config), recipe, 2 * frames)
    model = loss_model(state.detector, recipe, group)
    for number in (1, 2):
        start, waited = time.perf_counter(), 0.0
        for micro_batches, batches in _steps(shard, frames, recipe, number, group):
            asked = time.perf_counter()
            given = [(each, next(batches)) for each in micro_batches]
            waited += time.perf_counter() - asked
            training_step(model, state, given, recipe, group)
    return Epoch(time.perf_counter() - start, waited)


def clock_steps(config: DetectorConfig, shard: Path, frames: int, recipe: Recipe) -> Clock:
    """The parts of a step with one micro-batch in one process on the CPU, over two epochs."""
    torch.set_num_threads(1)
    clock, group = Clock(), ProcessGroup()
    state = begin_training(build_detector(config), recipe, 2 * frames)
    model = loss_model(state.detector, recipe, group).train()

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.params.max_gradient_norm)
        for optimizer in state.optimizers:
            optimizer.step()
            optimizer.zero_grad()

    for number in (1, 2):
        for [micro_batch, *_], batches in _steps(shard, frames, recipe, number, group):
            batch = clock.timed(WAIT, partial(next, batches))
            generator = micro_batch.generator(recipe.device, number)
            make = partial(training_views, batch, recipe, config.fuses, generator)
            views, targets = clock.timed(PARTS[0], make)
            loss = clock.timed(PARTS[1], partial(model, views, targets))
            clock.timed(PARTS[2], loss.backward)
            clock.timed(PARTS[3], update)
    return clock


def _steps(
    shard: Path, frames: int, recipe: Recipe, epoch: int, group: ProcessGroup
) -> Iterator[tuple[Sequence[MicroBatch], Iterator[FrameBatch]]]:
    """Yield the process's micro-batches of every step, and an iterator over their frames."""
    dataset = ShardDataset([read_shard(shard)], [FrameRef(0, index) for index in range(frames)])
    params = recipe.params
    steps = divide(shuffled(dataset.frames, 1, epoch, frames), params.batch_size, params.micro_batch)
    mine = [of_rank(step, group.rank, group.size) for step in steps]
    batches = load_batches(dataset, [each.frames for step in mine for each in step], recipe.device)
    for step in mine:
        yield step, batches
