"""From the detector's logits to scores per point, pixel and frame. Higher = more anomalous, finite, raw."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate, log_softmax, softplus

from lib.batches.mirror import mirrored
from lib.batches.views import Views
from lib.model.detector import Detections, Fusion
from lib.model.frame_scores import frame_scores
from lib.params import FrameScore, PredictParams, Score

Judge = Callable[[Views], Detections]


class BlindJudge(Protocol):
    """A judge that can do without the image."""

    def __call__(self, views: Views, /) -> Detections:
        """Judge every cell and pixel."""
        ...

    def without_image(self, views: Views) -> tuple[Tensor, Tensor]:
        """Detections' cell_BRC and cell_class_BSRC as if no camera worked."""
        ...


@dataclass(frozen=True, eq=False)
class Scores:
    """point_BP float32 (0 for padding), pixel_BHW float32, frame_B float32."""

    point_BP: Tensor
    pixel_BHW: Tensor
    frame_B: Tensor


def judge_both_ways(judge: Judge, views: Views) -> Detections:
    """Mean logits of the street and of its mirror image, which is as good a street."""
    here, there = judge(views), judge(mirrored(views))
    return Detections(*((getattr(here, f.name) + getattr(there, f.name).flip(-1)) / 2 for f in fields(Detections)))


def also_without_image(judge: BlindJudge, fusion: Fusion, params: PredictParams) -> Judge:
    """Judge cells once more without the image, and take the mean of the logits by predict.without_image_weight.

    What the image makes look normal may still have an unusual shape. Pixels keep their logits, and so does a detector
    that has one sensor, or loses one.
    """
    weight = params.without_image_weight
    if fusion in ("image", "lidar") or params.blackout != "none" or weight == 0:
        return judge

    def mean(views: Views) -> Detections:
        seeing, (cell_BRC, cell_class_BSRC) = judge(views), judge.without_image(views)
        return replace(
            seeing,
            cell_BRC=torch.lerp(seeing.cell_BRC, cell_BRC, weight),
            cell_class_BSRC=torch.lerp(seeing.cell_class_BSRC, cell_class_BSRC, weight),
        )

    return mean


def rescored(detections: Detections, score: Score) -> Detections:
    """Put another score (see class_score; combined: plus the anomaly logit) in the place of the anomaly logits."""
    if score == "anomaly_logit":
        return detections
    cell_BRC = class_score(detections.cell_class_BSRC, score)
    pixel_Bhw = class_score(detections.pixel_class_BShw, score)
    if score == "combined":
        cell_BRC, pixel_Bhw = cell_BRC + detections.cell_BRC, pixel_Bhw + detections.pixel_Bhw
    return replace(detections, cell_BRC=cell_BRC, pixel_Bhw=pixel_Bhw)


def class_score(logits_BSRC: Tensor, score: Score) -> Tensor:
    """How little (B, R, C) the logits (B, S, R, C) of the S normal classes explain.

    max_softmax: -log of the highest softmax (Hendrycks and Gimpel, ICLR 2017; the logarithm keeps float32 from ties);
    max_logit: -highest logit (Hendrycks et al., ICML 2022); energy: -logsumexp (Liu et al., NeurIPS 2020);
    rejected_by_all, combined: log-probability that each one-versus-all class rejects, sum of log(1 - sigmoid)
    (the idea of RbA: Nayal et al., ICCV 2023).
    """
    if score == "max_softmax":
        return -log_softmax(logits_BSRC, dim=1).amax(1)
    if score == "max_logit":
        return -logits_BSRC.amax(1)
    if score == "energy":
        return -logits_BSRC.logsumexp(1)
    return -softplus(logits_BSRC).sum(1)


def upsampled(small_BHW: Tensor, size: tuple[int, ...]) -> Tensor:
    """A map (B, h, w) at the image's size (H, W)."""
    return interpolate(small_BHW[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def scores_of(
    detections: Detections, views: Views, cell_BP: Tensor, frame_score: FrameScore, top_points: int
) -> Scores:
    """Give every point its cell's logit, and every frame a score by `frame_scores`.

    `cell_BP` as made by make_views; points outside the range view (padding) get 0.
    """
    flat = detections.cell_BRC.flatten(1)
    point_BP = torch.where(cell_BP >= 0, flat.gather(1, cell_BP.clamp(min=0)), 0.0)
    frame_B = frame_scores(detections.cell_BRC, views, frame_score, top_points)
    return Scores(point_BP, upsampled(detections.pixel_Bhw, views.image_B3HW.shape[-2:]), frame_B)
