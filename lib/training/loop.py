"""The training loop: pseudo-anomalies pasted on the device, and checks against collapse; it can be interrupted."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from lib.common.errors import TrainingError
from lib.common.stopping import Meanwhile, no_question
from lib.loading.data_location import DataLocation
from lib.loading.frame_reader import FrameRef
from lib.loading.loader import Loader, open_loader
from lib.loading.order import shuffled
from lib.model.class_scores import rescored
from lib.model.detector import Detections, Detector
from lib.model.devices import Precision, autocast
from lib.model.parallel import Threads, replicas, share_statistics
from lib.shards.shard_reader import Shard
from lib.synthesis.families import TRAINING, VALIDATION, Families
from lib.synthesis.pseudo_anomalies import Mix, paste_pseudo_anomalies
from lib.synthesis.targets import UNSURE, Targets, no_targets
from lib.training.augmentation import augment
from lib.training.checkpoints import Checkpoints
from lib.training.losses import detection_loss, segmentation_loss
from lib.training.muon import Muon, shares_of
from lib.training.teammates import Gradients, Part, Teammates
from lib.training.train_params import TrainParams
from lib.training.training_state import EpochRecord, TrainingState
from lib.views.frame_batch import FrameBatch
from lib.views.range_view import RangeGrid, Views, make_views
from lib.views.sensor_dropout import drop_modality

LOG = logging.getLogger("train")
CONSTANT_SCORES = 1e-3
VALIDATION_SEED = 7919


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Shards, the frames to train on, and the frames (of other scenarios) to validate on."""

    shards: Sequence[Shard]
    training: Sequence[FrameRef]
    validation: Sequence[FrameRef]


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained, fixed for all epochs.

    `parts`: a batch is divided into so many, worked on at the same time, whose gradients are averaged; batch statistics
    are those of a part. `objective`: to find anomalies, or merely to tell the normal classes apart, from frames as they
    are; either is checked on pseudo-anomalies. `data_location`: where the frames are kept. `compiled`: network,
    loss and their gradient are fused by torch.compile. `processes`: each part has a process of its own, which starts
    for seconds and is faster from then on, instead of a thread; the result is the same.
    """

    params: TrainParams
    grid: RangeGrid
    device: torch.device
    precision: Precision
    parts: int = 1
    objective: Literal["anomalies", "classes"] = "anomalies"
    data_location: Literal["auto"] | DataLocation = "auto"
    compiled: bool = False
    processes: bool = False

    @property
    def mix(self) -> Mix:
        """What the params say of how much is pasted."""
        p = self.params
        return Mix(
            slots=p.pseudo_anomalies_per_frame,
            clean_fraction=p.clean_fraction,
            misfit_fraction=p.misfit_fraction,
            ground_negative_fraction=p.ground_negative_fraction,
            transplant_fraction=p.transplant_fraction,
        )


def train_detector(
    detector: Detector,
    data: TrainingSet,
    recipe: Recipe,
    on_epoch: Callable[[Sequence[EpochRecord]], None],
    checkpoints: Checkpoints | None = None,
) -> list[EpochRecord]:
    """Train in place; call `on_epoch` with the history after every epoch, and return it.

    With `checkpoints`, go on where an interrupted training was, to the same end. Raises TrainingError when the loss is
    not finite, the labels have one class, or the scores are constant; Stopped when a signal asks for it.
    """
    detector.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = _first_state(detector, data, recipe)
    if checkpoints:
        checkpoints.restore(state)
    if state.history:
        on_epoch(state.history)
    poll = partial(checkpoints.within_step, state) if checkpoints else no_question
    loader, total = _open_loader(data, recipe, poll), recipe.params.epochs * len(data.training)
    done = (state.epoch - 1) * len(data.training) + min(state.step * recipe.params.batch_size, len(data.training))
    with (
        Threads(recipe.parts) as threads,
        open_teammates(state.twins, loader, recipe, poll) as teammates,
        tqdm(total=total, initial=done, unit="sample", desc="train") as progress,
    ):
        for epoch in range(state.epoch, recipe.params.epochs + 1):
            _train_epoch(threads, teammates, state, loader, data, recipe, progress, checkpoints)
            train_loss = torch.stack(state.losses).mean().item()
            _check_loss(train_loss, epoch, recipe.params.learning_rate)
            learning_rate = float(state.schedules[0].get_last_lr()[0])
            unseen = _stoppable(loader.batches(data.validation, recipe.params.batch_size), state, checkpoints)
            state.history.append(_validate(threads, detector, unseen, recipe, epoch, train_loss, learning_rate))
            on_epoch(state.history)
            progress.set_postfix(loss=f"{train_loss:.3f}", auroc=f"{state.history[-1].validation_point_auroc:.3f}")
            state.epoch, state.step, state.losses = epoch + 1, 0, []
            state.generators = _generators(recipe, epoch + 1)
    return state.history


def _first_state(detector: Detector, data: TrainingSet, recipe: Recipe) -> TrainingState:
    params = recipe.params
    steps = params.epochs * math.ceil(len(data.training) / params.batch_size)
    optimizers = make_optimizers(detector, recipe)
    # Of a warm-up of one step exactly, OneCycleLR would divide by zero.
    warm_up = 0.0 if params.warm_up_fraction * steps == 1 else params.warm_up_fraction
    schedules = [
        OneCycleLR(each, params.learning_rate, total_steps=steps, pct_start=warm_up, cycle_momentum=False)
        for each in optimizers
    ]
    return TrainingState(replicas(detector, recipe.parts), optimizers, schedules, _generators(recipe, 1))


def open_teammates(
    twins: Sequence[Detector], loader: Loader, recipe: Recipe, poll: Meanwhile = no_question
) -> AbstractContextManager[Teammates | None]:
    """Return the processes that work on the parts of a batch, where the recipe asks for them.

    `meanwhile` is called now and then while a step waits for them.
    """
    if not recipe.processes or len(twins) == 1:
        return nullcontext()
    return Teammates(partial(_gradients, recipe), twins, loader.layout(_part_size(recipe)), poll)


def _part_size(recipe: Recipe) -> int:
    return math.ceil(recipe.params.batch_size / recipe.parts)


def _train_epoch(
    threads: Threads,
    teammates: Teammates | None,
    state: TrainingState,
    loader: Loader,
    data: TrainingSet,
    recipe: Recipe,
    progress: "tqdm[NoReturn]",
    checkpoints: Checkpoints | None,
) -> None:
    """Take the steps of an epoch that are still to be taken."""
    params = recipe.params
    part_size = _part_size(recipe)
    frames = shuffled(data.training, params.seed, state.epoch, loader.window_frames)
    steps = math.ceil(len(frames) / (part_size * recipe.parts))
    parts = loader.batches(frames[state.step * part_size * recipe.parts :], part_size)
    while batch := list(islice(parts, recipe.parts)):
        given = list(zip(state.twins, batch, state.generators, strict=False))
        state.losses.append(training_step(threads, given, recipe, state.optimizers, teammates))
        for schedule in state.schedules:
            schedule.step()
        state.step += 1
        if state.step == steps:
            share_statistics(state.twins)
        progress.update(sum(len(part.num_points_B) for part in batch))
        if checkpoints:
            checkpoints.after_step(state)


def _stoppable(
    batches: Iterable[FrameBatch], state: TrainingState, checkpoints: Checkpoints | None
) -> Iterator[FrameBatch]:
    """The same batches, between which a training can be asked to end."""
    for batch in batches:
        if checkpoints:
            checkpoints.after_step(state)
        yield batch


def _open_loader(data: TrainingSet, recipe: Recipe, poll: Meanwhile) -> Loader:
    refs = [*data.training, *data.validation]
    loader, sentence = open_loader(data.shards, refs, recipe.device, recipe.data_location, poll)
    LOG.info("%s", sentence)
    return loader


def _generators(recipe: Recipe, epoch: int) -> list[torch.Generator]:
    seed = recipe.params.seed * 100_003 + epoch
    return [torch.Generator(recipe.device).manual_seed(seed + 1_000_003 * part) for part in range(recipe.parts)]


def make_optimizers(detector: Detector, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the kernels of hidden convolutions, AdamW for all else: heads, biases, norms.

    Muon comes in as many instances as a batch has parts, so that their steps can be taken at the same time.
    """
    params = recipe.params
    hidden = {name for name, value in detector.named_parameters() if value.dim() == 4 and "head" not in name}
    kernels = [value for name, value in detector.named_parameters() if name in hidden]
    others = [value for name, value in detector.named_parameters() if name not in hidden]
    muons = [Muon(share, params.learning_rate, params.weight_decay) for share in shares_of(kernels, recipe.parts)]
    return *muons, torch.optim.AdamW(others, params.learning_rate, weight_decay=params.weight_decay, fused=True)


def training_step(
    threads: Threads,
    parts: Sequence[Part],
    recipe: Recipe,
    optimizers: Sequence[torch.optim.Optimizer],
    teammates: Teammates | None = None,
) -> Tensor:
    """One step on a batch, given as its parts, by threads or by processes; returns its loss."""
    detector = parts[0][0]
    work = partial(_gradients, recipe)
    results = list(threads.map(work, parts)) if teammates is None else teammates.gradients(parts)
    sizes = [len(batch.num_points_B) for _, batch, _ in parts]
    shares = [size / sum(sizes) for size in sizes]
    for parameter, *gradients in zip(detector.parameters(), *(gradients for _, gradients in results), strict=True):
        parameter.grad = _weighted_sum(gradients, shares)
    torch.nn.utils.clip_grad_norm_(detector.parameters(), recipe.params.max_gradient_norm)
    list(threads.map(_take_step, optimizers))
    return _weighted_sum([loss for loss, _ in results], shares)


def _weighted_sum(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    if len(values) == 1:
        return values[0].contiguous()
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total += value * weight
    return total


def _take_step(optimizer: torch.optim.Optimizer) -> None:
    optimizer.step()


def _gradients(recipe: Recipe, part: Part) -> Gradients:
    """Loss of a part of a batch, and its gradient with respect to the detector's parameters."""
    detector, batch, generator = part
    detector.train()
    views, targets = augment(*_training_views(batch, recipe, generator), recipe.params.fog_fraction, generator)
    if detector.config.fuses:
        views = drop_modality(views, recipe.params.modality_dropout, generator)
    loss = (_fused_loss if recipe.compiled else _network_loss)(detector, views, targets, recipe)
    return loss.detach(), torch.autograd.grad(loss, list(detector.parameters()))


def _network_loss(detector: Detector, views: Views, targets: Targets, recipe: Recipe) -> Tensor:
    with autocast(recipe.device, recipe.precision):
        detections = detector(views)
    return _loss(detections, views, targets, recipe)


def _fused_loss(detector: Detector, views: Views, targets: Targets, recipe: Recipe) -> Tensor:
    from torch._dynamo.exc import TorchDynamoException  # takes a second, and only those who compile need it

    try:
        return _compiled_loss()(detector, views, targets, recipe)
    except TorchDynamoException as error:
        reason = " ".join(str(error).split())[:300]
        raise TrainingError(f"torch.compile failed ({reason}); set execution.compile=off") from None


@cache
def _compiled_loss() -> Callable[[Detector, Views, Targets, Recipe], Tensor]:
    """Fused by torch.compile for each size of a batch: two at most, as the last one of an epoch has its own."""
    return torch.compile(_network_loss, dynamic=False, fullgraph=True)


def _loss(detections: Detections, views: Views, targets: Targets, recipe: Recipe) -> Tensor:
    if recipe.objective == "classes":
        return segmentation_loss(detections, views)
    return detection_loss(detections, views, targets, recipe.params)


def _training_views(batch: FrameBatch, recipe: Recipe, generator: torch.Generator) -> tuple[Views, Targets]:
    if recipe.objective == "anomalies":
        return _pasted(batch, recipe, TRAINING, generator)
    views, _ = make_views(batch, recipe.grid)
    return views, no_targets(views)


@torch.no_grad()
def _pasted(batch: FrameBatch, recipe: Recipe, families: Families, generator: torch.Generator) -> tuple[Views, Targets]:
    views, _ = make_views(batch, recipe.grid)
    return paste_pseudo_anomalies(views, recipe.grid, recipe.mix, families, generator)


def _validate(
    threads: Threads,
    detector: Detector,
    batches: Iterable[FrameBatch],
    recipe: Recipe,
    epoch: int,
    train_loss: float,
    learning_rate: float,
) -> EpochRecord:
    detector.eval()
    seeded = ((batch, VALIDATION_SEED + number) for number, batch in enumerate(batches))
    judged = threads.map(partial(_judge_pasted, detector, recipe), seeded)
    losses, scores, marks = zip(*judged, strict=True)
    mark = torch.cat(marks)
    score, label = torch.cat(scores)[mark != UNSURE], mark[mark != UNSURE] == 1
    _check_scores(score, label, epoch)
    return EpochRecord(
        epoch=epoch,
        train_loss=train_loss,
        validation_loss=torch.stack(losses).mean().item(),
        normal_score=score[~label].mean().item(),
        pseudo_anomaly_score=score[label].mean().item(),
        validation_point_auroc=auroc(score[label].cpu().numpy(), score[~label].cpu().numpy()),
        learning_rate=learning_rate,
    )


def auroc(positive: npt.NDArray[np.floating], negative: npt.NDArray[np.floating]) -> float:
    """Share of the pairs of a positive (M,) and a negative score (N,) in which the positive one is higher.

    Ties count half. Counted in integers, so that the order of the scores does not matter. Training has a function of
    its own, so that a new metric in lib/evaluation trains nothing anew.
    """
    ascending = np.sort(negative)
    below, at_most = np.searchsorted(ascending, positive, "left"), np.searchsorted(ascending, positive, "right")
    return int(below.sum() + at_most.sum()) / (2 * len(positive) * len(negative))


@torch.no_grad()
def _judge_pasted(detector: Detector, recipe: Recipe, seeded: tuple[FrameBatch, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Loss; scores (K,) of a batch's cells with pseudo-anomalies; their marks (K,) as in Targets, UNSURE if empty."""
    batch, seed = seeded
    views, targets = _pasted(batch, recipe, VALIDATION, torch.Generator(recipe.device).manual_seed(seed))
    with autocast(recipe.device, recipe.precision):
        detections = detector(views)
    loss = _loss(detections, views, targets, recipe)
    judged = detections if recipe.objective == "anomalies" else rescored(detections, "energy")
    scored = views.has_return_BRC & (targets.cell_BRC != UNSURE)
    return loss, judged.cell_BRC.flatten(), torch.where(scored, targets.cell_BRC, UNSURE).flatten()


def _check_loss(loss: float, epoch: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise TrainingError(
            f"the training loss is {loss} in epoch {epoch}; lower train.learning_rate (now {learning_rate:g}) "
            "or set train.precision=float32"
        )


def _check_scores(score: Tensor, label: Tensor, epoch: int) -> None:
    if not torch.isfinite(score).all():
        raise TrainingError(f"the scores are not finite after epoch {epoch}; lower train.learning_rate")
    if not label.any() or label.all():
        found = "no" if not label.any() else "only"
        raise TrainingError(
            f"the validation points hold {found} pseudo-anomalies, so nothing can be learned or checked: they are "
            "pasted on labelled ground in the camera's view; look at plots/labels/ for wrong labels or calibration, "
            "or raise split.validation_fraction"
        )
    if score.std() < CONSTANT_SCORES:
        raise TrainingError(
            f"all scores are equal after epoch {epoch} (standard deviation {score.std().item():.1e}): the training "
            "has collapsed; lower train.learning_rate and check plots/labels/ for wrong labels"
        )
