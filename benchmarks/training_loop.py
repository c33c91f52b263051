"""The project's training loop with a clock: where an epoch's time goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

import torch
from torch import Tensor

from lib.loading.data_location import DataLocation
from lib.loading.frame_reader import FrameRef
from lib.loading.loader import Loader
from lib.loading.order import shuffled
from lib.model.detector import Detector
from lib.model.parallel import Threads, replicas
from lib.shards.shard_reader import Shard
from lib.synthesis.targets import Targets
from lib.training import loop
from lib.training.augmentation import augment
from lib.training.loop import Recipe, make_optimizers, open_teammates, training_step
from lib.training.teammates import Part
from lib.views.range_view import Views
from lib.views.sensor_dropout import drop_modality

Result = TypeVar("Result")

WAIT: Final = "waiting for data"
PARTS: Final = (
    "views, pasting, augmentation",
    "forward pass and loss",
    "backward pass",
    "averaging, clipping, optimizers",
)
OTHERS: Final = "waiting for the other processes"


@dataclass(eq=False)
class Clock:
    """Seconds by name, of all epochs; the device has finished whenever the clock is read."""

    device: torch.device
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, name: str, function: Callable[[], Result]) -> Result:
        """Call a function, wait for what it asked of the device, and note how long that took."""
        start = time.perf_counter()
        result = function()
        synchronize(self.device)
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        return result


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class OurLoop:
    """A detector, its optimizers and its loader."""

    def __init__(
        self,
        shards: Sequence[Shard],
        refs: Sequence[FrameRef],
        detector: Detector,
        recipe: Recipe,
        data_location: DataLocation,
    ) -> None:
        self._recipe, self._refs = recipe, refs
        self._loader = Loader(shards, refs, recipe.device, data_location)
        detector.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizers = make_optimizers(detector, recipe)
        self._twins = replicas(detector, recipe.parts)
        self._processes = ExitStack()  # which end with this program
        self._teammates = self._processes.enter_context(open_teammates(self._twins, self._loader, recipe))
        self._generators = [torch.Generator(recipe.device).manual_seed(1 + part) for part in range(recipe.parts)]
        self._epoch = 0
        self.wait_fraction: list[float] = []

    def epoch(self) -> float:
        """Train on every frame once like lib.training.loop; returns the mean loss and records the waiting fraction."""
        start, waited = time.perf_counter(), 0.0
        losses: list[Tensor] = []
        with Threads(self._recipe.parts) as threads:
            batches = self._batches()
            while True:
                asked = time.perf_counter()
                parts = next(batches)
                waited += time.perf_counter() - asked
                if not parts:
                    break
                losses.append(training_step(threads, parts, self._recipe, self._optimizers, self._teammates))
            loss = torch.stack(losses).mean().item()
        self.wait_fraction.append(waited / (time.perf_counter() - start))
        return loss

    def clocked_epoch(self, clock: Clock) -> None:
        """The same with a stop after each part of this process's step: on its own part of the batch, with one thread,
        while the other processes, if there are any, work on theirs.
        """
        with Threads(self._recipe.parts) as threads:
            batches = self._batches()
            while parts := clock.timed(WAIT, lambda: next(batches)):
                self._clocked_step(threads, parts, clock)

    def _batches(self) -> Iterator[list[Part]]:
        size = self._recipe.params.batch_size // self._recipe.parts
        self._epoch += 1
        frames = self._loader.batches(shuffled(self._refs, 1, self._epoch, self._loader.window_frames), size)
        while True:
            yield list(zip(self._twins, islice(frames, self._recipe.parts), self._generators, strict=False))

    def _clocked_step(self, threads: Threads, parts: Sequence[Part], clock: Clock) -> None:
        recipe, (detector, batch, generator) = self._recipe, parts[0]
        asked = list(zip(self._teammates._mates if self._teammates else (), parts[1:], strict=False))
        for mate, part in asked:
            mate.ask(part)

        def make() -> tuple[Views, Targets]:
            detector.train()
            pasted = loop._training_views(batch, recipe, generator)
            views, targets = augment(*pasted, recipe.params.fog_fraction, generator)
            return drop_modality(views, recipe.params.modality_dropout, generator), targets

        def update() -> None:
            for parameter, *each in zip(detector.parameters(), *gradients, strict=True):
                parameter.grad = loop._weighted_sum(each, [1 / len(each)] * len(each))
            torch.nn.utils.clip_grad_norm_(detector.parameters(), recipe.params.max_gradient_norm)
            list(threads.map(lambda optimizer: optimizer.step(), self._optimizers))

        views, targets = clock.timed(PARTS[0], make)
        loss = clock.timed(PARTS[1], lambda: loop._network_loss(detector, views, targets, recipe))
        own = clock.timed(PARTS[2], lambda: torch.autograd.grad(loss, list(detector.parameters())))
        gradients = [own, *clock.timed(OTHERS, lambda: [mate.answer(part)[1] for mate, part in asked])]
        clock.timed(PARTS[3], update)
