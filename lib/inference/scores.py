"""From the detector's logits to scores per point, pixel and frame: finite, not normalized, higher = more anomalous."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lib.inference.frame_scores import frame_scores
from lib.inference.predict_params import PredictParams
from lib.model.backbones import PIXEL_STRIDE
from lib.model.detector import Logits
from lib.model.model_params import Fusion
from lib.views.mirror import mirrored
from lib.views.range_view import Views

Scorer = Callable[[Views], Logits]


class SensorLossScorer(Protocol):
    """A scorer that can also score without the image."""

    def __call__(self, views: Views, /) -> Logits:
        """Compute the logits of every cell and pixel."""

    def without_image(self, views: Views) -> tuple[Tensor, Tensor]:
        """cell_BRC and cell_class_BSRC of Logits without the camera."""


@dataclass(frozen=True, eq=False)
class Scores:
    """point_BP float32 (0 for padding), pixel_BHW float32, frame_B float32."""

    point_BP: Tensor
    pixel_BHW: Tensor
    frame_B: Tensor


def score_both_ways(scorer: Scorer, views: Views) -> Logits:
    """Test-time augmentation: mean logits of the views and of the flipped views."""
    plain, there = scorer(views), _mirrored_back(scorer(mirrored(views)), views.image_B3HW.shape[-1])
    return Logits(*((getattr(plain, f.name) + getattr(there, f.name)) / 2 for f in fields(Logits)))


def _mirrored_back(there: Logits, width_px: int) -> Logits:
    """Flip logits of flipped views back.

    If the width is no multiple of 4, the flipped quarter-size pixels are shifted by 1 to 3 pixels: their logits are
    interpolated.
    """
    beside_px = -width_px % PIXEL_STRIDE
    maps = {f.name: getattr(there, f.name).flip(-1) for f in fields(Logits) if f.name != "lead_B"}
    flipped = replace(there, **maps)
    if beside_px == 0:
        return flipped

    def moved(map_Bw: Tensor) -> Tensor:
        next_Bw = torch.cat([map_Bw[..., 1:], map_Bw[..., -1:]], dim=-1)
        return torch.lerp(map_Bw, next_Bw, beside_px / PIXEL_STRIDE)

    return replace(flipped, pixel_Bhw=moved(flipped.pixel_Bhw), pixel_class_BShw=moved(flipped.pixel_class_BShw))


def also_without_image(scorer: SensorLossScorer, fuses: bool, params: PredictParams) -> Scorer:
    """Score cells also without the image, and average the logits by predict.without_image_weight.

    An object that looks normal in the image may have an unusual shape. Pixels are not affected, nor are detectors with
    one sensor or with a blackout.
    """
    weight = params.without_image_weight
    if not fuses or params.blackout != "none" or weight == 0:
        return scorer

    def mean(views: Views) -> Logits:
        seeing, (cell_BRC, cell_class_BSRC) = scorer(views), scorer.without_image(views)
        return replace(
            seeing,
            cell_BRC=torch.lerp(seeing.cell_BRC, cell_BRC, weight),
            cell_class_BSRC=torch.lerp(seeing.cell_class_BSRC, cell_class_BSRC, weight),
        )

    return mean


def for_sensors(params: PredictParams, fusion: Fusion) -> PredictParams:
    """Adapt the params to the fusion: without a camera, frame scores do not use pixels."""
    if fusion == "lidar" and params.frame_score == "points_or_pixels":
        return params.model_copy(update={"frame_score": "top_points"})
    return params


def upsampled(small_BHW: Tensor, size: tuple[int, ...]) -> Tensor:
    """Upsample a quarter-size map (B, h, w) to the image's size (H, W), bilinearly."""
    whole = tuple(PIXEL_STRIDE * side for side in small_BHW.shape[1:])
    large_BHW = interpolate(small_BHW[:, None], size=whole, mode="bilinear", align_corners=False)[:, 0]
    return large_BHW[:, : size[0], : size[1]]


def scores_of(
    logits: Logits, views: Views, cell_BP: Tensor, params: PredictParams, outside_shift: float = 0.0
) -> Scores:
    """Give every point its cell's logit, and every frame a score by `frame_scores`.

    `cell_BP` as returned by make_views; points outside the range view (padding) get 0. `outside_shift` is added to the
    logits of cells outside the image, which frame scores do not use. To the odds of the vehicle ahead's cells,
    those that it brakes are added.
    """
    seen = views.seen_BRC
    cell_BRC = torch.where(seen, logits.cell_BRC, logits.cell_BRC + outside_shift)
    if views.motion is not None:
        lead_BRC = torch.where(views.motion.lead_BRC, logits.lead_B[:, None, None], -torch.inf)
        cell_BRC = torch.logaddexp(cell_BRC, lead_BRC + params.vehicle_ahead_shift)
    flat = cell_BRC.flatten(1)
    point_BP = torch.where(cell_BP >= 0, flat.gather(1, cell_BP.clamp(min=0)), 0.0)
    frame_B = frame_scores(logits, views, params)
    return Scores(point_BP, upsampled(logits.pixel_Bhw, views.image_B3HW.shape[-2:]), frame_B)
