"""What a detector finds of pseudo-anomalies in frames that it does not train on, after each epoch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.common.errors import TrainingError
from lib.common.ranking import auroc, rank
from lib.loading.dataset import ShardDataset, load_batches
from lib.model.class_scores import rescored
from lib.model.detector import Detector
from lib.model.devices import autocast
from lib.synthesis.families import VALIDATION
from lib.synthesis.pasted_windows import pasted_windows
from lib.synthesis.targets import UNSURE
from lib.training.losses import training_loss
from lib.training.micro_batches import MicroBatch, divide
from lib.training.process_group import ProcessGroup
from lib.training.recipe import Recipe
from lib.views.frame_batch import FrameBatch

CONSTANT_SCORES = 1e-3
VALIDATION_SEED = 7919


@dataclass(frozen=True)
class ValidationResult:
    """Loss per frame; mean logits of normal points and of those on pseudo-anomalies; AUROC between the two."""

    loss: float
    normal_score: float
    pseudo_anomaly_score: float
    point_auroc: float


@dataclass(frozen=True, eq=False)
class _Scored:
    """Loss of a micro-batch; scores (K,) of its cells; marks (K,) as in Targets, UNSURE for cells without a return."""

    loss: float
    score: Tensor
    mark: Tensor


def validate(
    detector: Detector,
    dataset: ShardDataset,
    recipe: Recipe,
    epoch: int,
    group: ProcessGroup,
    poll: Callable[[], None],
) -> ValidationResult:
    """Score every frame once, in micro-batches divided among the processes; all of them get the same scores.

    `poll`: called before each micro-batch; may raise to abort. Raises TrainingError where the scores are not finite or
    constant, or the frames hold no pseudo-anomaly.
    """
    detector.eval()
    micro_batches = divide(range(len(dataset)), recipe.params.micro_batch, recipe.params.micro_batch)
    flat = [micro_batch for step in micro_batches for micro_batch in step]
    mine = flat[group.rank :: group.size]
    batches = load_batches(dataset, [micro_batch.frames for micro_batch in mine], recipe.device)
    scored: list[_Scored] = []
    for turn in range(math.ceil(len(flat) / group.size)):
        poll()
        if turn < len(mine):
            scored.append(_score(detector, next(batches), mine[turn], recipe))
    by_rank = group.gather(scored)
    ordered = [by_rank[micro_batch.number % group.size][micro_batch.number // group.size] for micro_batch in flat]
    mark = torch.cat([each.mark for each in ordered])
    score, label = torch.cat([each.score for each in ordered])[mark != UNSURE], mark[mark != UNSURE] == 1
    _check_scores(score, label, epoch)
    losses = [each.loss * len(micro_batch.frames) for each, micro_batch in zip(ordered, flat, strict=True)]
    return ValidationResult(
        loss=sum(losses) / len(dataset),
        normal_score=score[~label].mean().item(),
        pseudo_anomaly_score=score[label].mean().item(),
        point_auroc=auroc(rank(score[label].numpy(), score[~label].numpy())),
    )


@torch.no_grad()
def _score(detector: Detector, batch: FrameBatch, micro_batch: MicroBatch, recipe: Recipe) -> _Scored:
    generator = micro_batch.generator(recipe.device, VALIDATION_SEED)
    views, targets = pasted_windows(batch, recipe.grid, recipe.mix, VALIDATION, generator)
    with autocast(recipe.device, recipe.precision):
        detections = detector(views)
    loss = training_loss(detections, views, targets, recipe)
    chosen = detections if recipe.objective == "anomalies" else rescored(detections, "energy")
    scored_BRC = views.has_return_BRC & (targets.cell_BRC != UNSURE)
    mark_BRC = torch.where(scored_BRC, targets.cell_BRC, UNSURE)
    return _Scored(loss.item(), chosen.cell_BRC.flatten().cpu(), mark_BRC.flatten().cpu())


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
