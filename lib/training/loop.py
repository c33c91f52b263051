"""The training loop: pseudo-anomalies pasted on the device, and checks against collapse."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from tqdm import tqdm

from lib.batches.augment import augment
from lib.batches.frames import FrameBatch, FrameRef, batches, shuffled
from lib.batches.pseudo_anomalies import UNSURE, Targets, paste_pseudo_anomalies
from lib.batches.views import RangeGrid, Views, make_views
from lib.errors import TrainingError
from lib.model.detector import Detector
from lib.params import TrainParams
from lib.shards.reader import Shard
from lib.training.devices import Precision, autocast
from lib.training.losses import LossWeights, detection_loss

CLEAN_FRACTION = 0.25
WARM_UP = 0.15
MAX_GRADIENT_NORM = 5.0
CONSTANT_SCORES = 1e-3
VALIDATION_SEED = 7919


@dataclass(frozen=True)
class EpochRecord:
    """One row of plots/training.csv; scores are mean logits of validation points."""

    epoch: int
    train_loss: float
    validation_loss: float
    normal_score: float
    pseudo_anomaly_score: float
    validation_point_auroc: float
    learning_rate: float


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Shards, the frames to train on, and the frames (of other scenarios) to validate on."""

    shards: Sequence[Shard]
    training: Sequence[FrameRef]
    validation: Sequence[FrameRef]


@dataclass(frozen=True)
class Recipe:
    """How a detector is trained, fixed for all epochs."""

    params: TrainParams
    grid: RangeGrid
    device: torch.device
    precision: Precision

    @property
    def loss_weights(self) -> LossWeights:
        """Return the loss's part of the params."""
        p = self.params
        return LossWeights(p.semantic_weight, p.pixel_weight, p.hard_negative_fraction, p.object_balance)


def train_detector(
    detector: Detector, data: TrainingSet, recipe: Recipe, on_epoch: Callable[[Sequence[EpochRecord]], None]
) -> list[EpochRecord]:
    """Train in place; call `on_epoch` with the history after every epoch, and return it.

    Raises TrainingError when the loss is not finite, the labels have one class, or the scores are constant.
    """
    params = recipe.params
    detector.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = params.epochs * math.ceil(len(data.training) / params.batch_size)
    optimizer = torch.optim.AdamW(
        detector.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, params.learning_rate, total_steps=steps, pct_start=WARM_UP
    )
    history: list[EpochRecord] = []
    with tqdm(total=params.epochs * len(data.training), unit="sample", desc="train") as progress:
        for epoch in range(1, params.epochs + 1):
            generator = torch.Generator(recipe.device).manual_seed(params.seed * 100_003 + epoch)
            frames = shuffled(data.training, params.seed, epoch)
            detector.train()
            losses: list[Tensor] = []
            for batch in batches(data.shards, frames, params.batch_size, recipe.device):
                losses.append(training_step(detector, batch, recipe, optimizer, generator))
                schedule.step()
                progress.update(len(batch.num_points_B))
            train_loss = torch.stack(losses).mean().item()
            _check_loss(train_loss, epoch, params.learning_rate)
            history.append(_validate(detector, data, recipe, epoch, train_loss, float(schedule.get_last_lr()[0])))
            on_epoch(history)
            progress.set_postfix(loss=f"{train_loss:.3f}", auroc=f"{history[-1].validation_point_auroc:.3f}")
    return history


def training_step(
    detector: Detector,
    batch: FrameBatch,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Tensor:
    """Paste pseudo-anomalies into a batch, augment it, take one step, and return the loss."""
    views, targets = augment(*_pasted(batch, recipe, generator), generator)
    with autocast(recipe.device, recipe.precision):
        detections = detector(views)
    loss = detection_loss(detections, views, targets, recipe.loss_weights)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(detector.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def _pasted(batch: FrameBatch, recipe: Recipe, generator: torch.Generator) -> tuple[Views, Targets]:
    views, _ = make_views(batch, recipe.grid)
    slots = recipe.params.pseudo_anomalies_per_frame
    return paste_pseudo_anomalies(views, recipe.grid, slots, CLEAN_FRACTION, generator)


@torch.no_grad()
def _validate(
    detector: Detector, data: TrainingSet, recipe: Recipe, epoch: int, train_loss: float, learning_rate: float
) -> EpochRecord:
    detector.eval()
    generator = torch.Generator(recipe.device).manual_seed(VALIDATION_SEED)
    losses, scores, labels = [], [], []
    for batch in batches(data.shards, data.validation, recipe.params.batch_size, recipe.device):
        views, targets = _pasted(batch, recipe, generator)
        with autocast(recipe.device, recipe.precision):
            detections = detector(views)
        losses.append(detection_loss(detections, views, targets, recipe.loss_weights))
        scored = views.has_return_BRC & (targets.cell_BRC != UNSURE)
        scores.append(detections.cell_BRC[scored])
        labels.append(targets.cell_BRC[scored] == 1)
    score, label = torch.cat(scores), torch.cat(labels)
    _check_scores(score, label, epoch)
    return EpochRecord(
        epoch=epoch,
        train_loss=train_loss,
        validation_loss=torch.stack(losses).mean().item(),
        normal_score=score[~label].mean().item(),
        pseudo_anomaly_score=score[label].mean().item(),
        validation_point_auroc=float(roc_auc_score(label.cpu().numpy(), score.cpu().numpy())),
        learning_rate=learning_rate,
    )


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
