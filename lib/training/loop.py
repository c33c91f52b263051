"""The training loop: the same for one process and for many, each of which works on its micro-batches of every step."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from lib.common.errors import TrainingError
from lib.loading.dataset import ShardDataset, load_batches
from lib.loading.order import shuffled, window_frames
from lib.model.detector import Detector
from lib.model.devices import autocast, compiler_errors
from lib.synthesis.families import TRAINING
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.targets import Targets, no_targets
from lib.training.augmentation import augment
from lib.training.checkpoints import Checkpoints
from lib.training.losses import training_loss
from lib.training.micro_batches import MicroBatch, divide, of_rank
from lib.training.muon import Muon
from lib.training.process_group import ProcessGroup
from lib.training.recipe import Recipe, TrainingSet
from lib.training.running_statistics import RunningStatistics
from lib.training.track_training import known_tracks, train_track_head
from lib.training.train_params import TrainParams
from lib.training.training_state import EpochRecord, TrainingState
from lib.training.validation import validate
from lib.views.frame_batch import FrameBatch
from lib.views.past_views import views_of
from lib.views.range_view import Views
from lib.views.sensor_dropout import drop_modality


def train_detector(
    detector: Detector,
    data: TrainingSet,
    recipe: Recipe,
    on_epoch: Callable[[Sequence[EpochRecord]], None],
    checkpoints: Checkpoints | None = None,
    group: ProcessGroup | None = None,
) -> list[EpochRecord]:
    """Train in place; call `on_epoch` with the history after every epoch, and return the history.

    With `checkpoints`, an interrupted training goes on to the same end. In a group, every process calls this function
    with the same arguments. Raises TrainingError when the loss is not finite, the labels have one class, or the scores
    are constant; Stopped when a signal asks for it.
    """
    group, params = group or ProcessGroup(), recipe.params
    training, validation = (
        ShardDataset(data.shards, frames, data.windows) for frames in (data.training, data.validation)
    )
    if detector.track_head is not None and recipe.objective == "anomalies":
        train_track_head(detector.track_head, *known_tracks(data), recipe)
    state = begin_training(detector, recipe, len(training))
    if checkpoints:
        checkpoints.restore(state, group)
    if state.history and group.is_main:
        on_epoch(state.history)
    model = loss_model(detector, recipe, group)

    def poll() -> None:
        if checkpoints:
            checkpoints.poll(state, group)

    def frames_done() -> int:
        return (state.epoch - 1) * len(training) + min(state.step * params.batch_size, len(training))

    batches = load_batches(training, _frames_to_come(training, params, state.epoch, state.step, group), recipe.device)
    with tqdm(
        total=params.epochs * len(training),
        initial=frames_done(),
        unit="sample",
        desc="train",
        disable=not group.is_main,
    ) as progress:
        while state.epoch <= params.epochs:
            for micro_batches in steps_of_epoch(training, params, state.epoch, group)[state.step :]:
                poll()
                training_step(model, state, [(each, next(batches)) for each in micro_batches], recipe, group)
                progress.update(frames_done() - progress.n)
            train_loss = torch.stack(state.losses).mean().item()
            _check_loss(train_loss, state.epoch, params.learning_rate)
            found = validate(detector, validation, recipe, state.epoch, group, poll)
            state.finish_epoch(train_loss, found)
            if group.is_main:
                on_epoch(state.history)
            progress.set_postfix(loss=f"{train_loss:.3f}", auroc=f"{found.point_auroc:.3f}")
    return state.history


def steps_of_epoch(
    training: ShardDataset, params: TrainParams, epoch: int, group: ProcessGroup
) -> list[list[MicroBatch]]:
    """Return this process's micro-batches of every step of an epoch."""
    order = shuffled(training.frames, params.seed, epoch, window_frames(training.frame_bytes))
    steps = divide(order, params.batch_size, params.micro_batch)
    return [of_rank(step, group.rank, group.size) for step in steps]


def _frames_to_come(
    training: ShardDataset, params: TrainParams, epoch: int, step: int, group: ProcessGroup
) -> Iterator[Sequence[int]]:
    """Yield the frames of this process's micro-batches from a step of an epoch to the end of the training."""
    for number in range(epoch, params.epochs + 1):
        steps = steps_of_epoch(training, params, number, group)
        for micro_batch in chain.from_iterable(steps[step if number == epoch else 0 :]):
            yield micro_batch.frames


def begin_training(detector: Detector, recipe: Recipe, frames: int) -> TrainingState:
    """Return the state of a training on so many frames before its first step; moves the detector to the device."""
    detector.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = make_optimizers(detector, recipe.params)
    return TrainingState(detector, optimizers, [make_schedule(each, recipe.params, frames) for each in optimizers])


def training_step(
    model: nn.Module,
    state: TrainingState,
    given: Sequence[tuple[MicroBatch, FrameBatch]],
    recipe: Recipe,
    group: ProcessGroup,
) -> None:
    """Take a step on the micro-batches of all processes, of which this one has `given`.

    Loss, gradients and batch norm's running statistics are means over all micro-batches, weighted by their sizes.
    """
    model.train()
    statistics = RunningStatistics(model)
    loss = torch.zeros((), device=recipe.device)
    for place, (micro_batch, batch) in enumerate(given, start=1):
        statistics.reset()
        generator = micro_batch.generator(recipe.device, recipe.params.seed, state.epoch)
        views, targets = training_views(batch, recipe, state.detector.config.fuses, generator)
        is_last = place == len(given)
        waits = model.no_sync() if isinstance(model, DistributedDataParallel) and not is_last else nullcontext()
        with waits, compiler_errors():
            micro_loss = model(views, targets)
            (micro_loss * (micro_batch.weight * group.size)).backward()  # DDP divides the sum by the group's size
        statistics.add(micro_batch.weight)
        loss += micro_loss.detach() * micro_batch.weight
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.params.max_gradient_norm)
    for optimizer, schedule in zip(state.optimizers, state.schedules, strict=True):
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    state.losses.append(statistics.finish(group, loss))
    state.step += 1


def training_views(batch: FrameBatch, recipe: Recipe, fuses: bool, generator: torch.Generator) -> tuple[Views, Targets]:
    """Return what the detector sees of a micro-batch, and its targets.

    Pseudo-anomalies are pasted, the frames are augmented, and where both sensors are fused, some frames lose one.
    """
    params = recipe.params
    with torch.no_grad():
        if recipe.objective == "anomalies":
            views, targets = pasted_windows(batch, recipe.grid, recipe.mix, TRAINING, generator)
        else:
            views, _ = views_of(batch, recipe.grid)
            targets = no_targets(views)
        views, targets = augment(views, targets, params.fog_fraction, generator)
        if fuses:
            views = drop_modality(views, params.modality_dropout, generator)
    return views, targets


class LossModel(nn.Module):
    """The detector and its loss as one module, which can be compiled and distributed."""

    detector: Detector

    def __init__(self, detector: Detector, recipe: Recipe) -> None:
        super().__init__()
        self.detector = detector
        self._recipe = recipe

    def forward(self, views: Views, targets: Targets) -> Tensor:
        """Return the loss of a micro-batch, a scalar."""
        with autocast(self._recipe.device, self._recipe.precision):
            detections = self.detector(views)
        return training_loss(detections, views, targets, self._recipe)


def loss_model(detector: Detector, recipe: Recipe, group: ProcessGroup) -> nn.Module:
    """Return the detector with its loss, compiled if the recipe says so, and distributed if the group has others."""
    model = LossModel(detector, recipe)
    if recipe.compiled:
        model.compile(dynamic=False, fullgraph=True)  # once for each size of a micro-batch
    if group.size == 1:
        return model
    return DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)


def make_optimizers(detector: Detector, params: TrainParams) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the kernels of hidden convolutions, AdamW for all else: heads, biases, norms."""
    hidden = {name for name, value in detector.named_parameters() if value.dim() == 4 and "head" not in name}
    kernels = [value for name, value in detector.named_parameters() if name in hidden]
    others = [value for name, value in detector.named_parameters() if name not in hidden]
    return (
        Muon(kernels, params.learning_rate, params.weight_decay),
        torch.optim.AdamW(others, params.learning_rate, weight_decay=params.weight_decay, fused=True),
    )


def make_schedule(optimizer: torch.optim.Optimizer, params: TrainParams, frames: int) -> OneCycleLR:
    """Return the one-cycle schedule of an optimizer over all steps of a training."""
    steps = params.epochs * math.ceil(frames / params.batch_size)
    # With a warm-up of exactly one step, OneCycleLR would divide by zero.
    warm_up = 0.0 if params.warm_up_fraction * steps == 1 else params.warm_up_fraction
    return OneCycleLR(optimizer, params.learning_rate, total_steps=steps, pct_start=warm_up, cycle_momentum=False)


def _check_loss(loss: float, epoch: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the training loss is {loss} in epoch {epoch}; lower train.learning_rate (now {learning_rate:g}) "
            "or set train.precision=float32"
        )
