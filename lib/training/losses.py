"""What the detector is trained on: pseudo-anomalies against the rest, and the classes of what is normal.

Shape letters: B frames, R x C range-view cells, S semantic classes, h x w quarter-size pixels.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, max_pool2d, softplus

from lib.common.labels import NORMAL_IDS
from lib.model.backbones import PIXEL_STRIDE
from lib.model.detector import Logits, quarter_size
from lib.synthesis.targets import MAX_SLOTS, UNSURE, Targets
from lib.training.recipe import Recipe
from lib.training.train_params import TrainParams
from lib.views.range_view import Views
from lib.views.tensors import constant

_CLASS_NUMBERS = tuple(NORMAL_IDS.index(class_id) if class_id in NORMAL_IDS else -1 for class_id in range(256))


def training_loss(logits: Logits, views: Views, targets: Targets, recipe: Recipe) -> Tensor:
    """Return the scalar loss of a recipe's objective."""
    if recipe.objective == "classes":
        return segmentation_loss(logits, views)
    return detection_loss(logits, views, targets, recipe.params)


def detection_loss(logits: Logits, views: Views, targets: Targets, params: TrainParams) -> Tensor:
    """Return the scalar training loss.

    Points: binary cross-entropy (balanced_bce), each pseudo-anomaly weighted by its points (object_weights), so that
    small and far ones count. Pixels: the same without these weights, at a quarter of the image size.
    Semantics: one-versus-all on normal classes; pseudo-anomalies push all classes down.
    """
    scored = views.has_return_BRC & (targets.cell_BRC != UNSURE)
    anomalous = (targets.cell_BRC == 1) & scored
    weight = object_weights(targets.cell_object_BRC, params)
    point = balanced_bce(logits.cell_BRC, anomalous, scored & ~anomalous, weight, params)
    semantic = _semantic_loss(logits.cell_class_BSRC, views.point_class_BRC, anomalous)
    small_class = quarter_size(views.pixel_class_BHW)
    small_anomalous, small_normal = _quarter_targets(targets.pixel_BHW)
    ones = torch.ones_like(logits.pixel_Bhw)
    pixel = balanced_bce(logits.pixel_Bhw, small_anomalous, small_normal, ones, params)
    semantic_pixel = _semantic_loss(logits.pixel_class_BShw, small_class, small_anomalous)
    classes = semantic + params.pixel_weight * semantic_pixel
    return point + params.pixel_weight * pixel + params.semantic_weight * classes


def segmentation_loss(logits: Logits, views: Views) -> Tensor:
    """Cross-entropy of a plain segmentation of points and pixels into the normal classes; no other class has a part."""
    points = _class_cross_entropy(logits.cell_class_BSRC, views.point_class_BRC)
    return points + _class_cross_entropy(logits.pixel_class_BShw, quarter_size(views.pixel_class_BHW))


def balanced_bce(
    logits: Tensor, positive: Tensor, negative: Tensor, positive_weight: Tensor, params: TrainParams
) -> Tensor:
    """Mean over negatives, over the hardest of them and, weighted, over positives.

    These three are added by the weights 1, hard_negative_weight and pseudo_anomaly_weight, and the sum is multiplied by
    anomaly_weight. As many are the hardest as hard_negative_fraction is of all cells, of which some are neither.
    """
    loss = binary_cross_entropy_with_logits(logits, positive.float(), reduction="none")
    negative_loss = torch.where(negative, loss, 0.0).flatten()
    mean_negative = negative_loss.sum() / negative.sum().clamp(min=1)
    hardest = negative_loss.topk(max(1, round(params.hard_negative_fraction * negative_loss.numel()))).values.mean()
    weight = torch.where(positive, positive_weight, 0.0)
    mean_positive = (weight * loss).sum() / weight.sum().clamp(min=1.0)
    loss_of_positives = params.pseudo_anomaly_weight * mean_positive
    return params.anomaly_weight * (mean_negative + params.hard_negative_weight * hardest + loss_of_positives)


def object_weights(object_BRC: Tensor, params: TrainParams) -> Tensor:
    """Weight (B, R, C) of each cell on a pseudo-anomaly; 1 elsewhere.

    (object_reference_points / cells on it)^object_balance, clipped to object_weight_range.
    """
    flat = object_BRC.flatten(1)
    counts = torch.zeros(len(flat), MAX_SLOTS, device=flat.device)
    counts = counts.scatter_add(1, flat.clamp(min=0), (flat >= 0).float())
    points = counts.gather(1, flat.clamp(min=0)).clamp(min=1)
    weight = (params.object_reference_points / points).pow(params.object_balance).clamp(*params.object_weight_range)
    return torch.where(flat >= 0, weight, 1.0).view(object_BRC.shape)


def _semantic_loss(logits_BSRC: Tensor, class_BRC: Tensor, anomalous_BRC: Tensor) -> Tensor:
    """One-versus-all cross-entropy: the sum of softplus(logit) over the classes, less the logit of the true one."""
    number_BRC, known = _class_numbers(class_BRC)
    true_logit = torch.where(known, logits_BSRC.gather(1, number_BRC[:, None])[:, 0], 0.0)
    counted = known | anomalous_BRC
    loss = softplus(logits_BSRC).sum(1) - true_logit
    return torch.where(counted, loss, 0.0).sum() / counted.sum().clamp(min=1)


def _class_cross_entropy(logits_BSRC: Tensor, class_BRC: Tensor) -> Tensor:
    number_BRC, known = _class_numbers(class_BRC)
    loss = cross_entropy(logits_BSRC, number_BRC, reduction="none")
    return torch.where(known, loss, 0.0).sum() / known.sum().clamp(min=1)


def _class_numbers(class_BRC: Tensor) -> tuple[Tensor, Tensor]:
    """Number of each class among the normal ones (0 for any other), and whether it is one."""
    numbers = constant(_CLASS_NUMBERS, torch.int64, class_BRC.device)[class_BRC.long()]
    return numbers.clamp(min=0), numbers >= 0


def _quarter_targets(pixel_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """Quarter-size pixels that are anomalous (at least half of it is) and those that are normal (all of it is)."""
    share = avg_pool2d((pixel_BHW == 1)[:, None].float(), PIXEL_STRIDE, ceil_mode=True)[:, 0]
    touched = max_pool2d((pixel_BHW != 0)[:, None].float(), PIXEL_STRIDE, ceil_mode=True)[:, 0]
    return share >= 0.5, touched == 0
