"""From the detector's logits to scores per point, pixel and frame. Higher = more anomalous, finite, raw."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lib.inference.frame_scores import frame_scores
from lib.inference.predict_params import PredictParams
from lib.model.backbones import PIXEL_STRIDE
from lib.model.detector import Detections
from lib.model.model_params import Fusion
from lib.views.mirror import mirrored
from lib.views.range_view import Views

Scorer = Callable[[Views], Detections]


class SensorLossScorer(Protocol):
    """A scorer that can do without the image."""

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


def score_both_ways(scorer: Scorer, views: Views) -> Detections:
    """Mean logits of the street and of its mirror image, which is as good a street."""
    here, there = scorer(views), _mirrored_back(scorer(mirrored(views)), views.image_B3HW.shape[-1])
    return Detections(*((getattr(here, f.name) + getattr(there, f.name)) / 2 for f in fields(Detections)))


def _mirrored_back(there: Detections, width_px: int) -> Detections:
    """Detections in the mirror image as those of the street.

    Where the width is no multiple of 4, the quarter-size pixels of the mirror image lie 1 to 3 pixels beside those of
    the street: their logits are interpolated.
    """
    beside_px = -width_px % PIXEL_STRIDE
    flipped = Detections(*(getattr(there, f.name).flip(-1) for f in fields(Detections)))
    if beside_px == 0:
        return flipped

    def moved(map_Bw: Tensor) -> Tensor:
        next_Bw = torch.cat([map_Bw[..., 1:], map_Bw[..., -1:]], dim=-1)
        return torch.lerp(map_Bw, next_Bw, beside_px / PIXEL_STRIDE)

    return replace(flipped, pixel_Bhw=moved(flipped.pixel_Bhw), pixel_class_BShw=moved(flipped.pixel_class_BShw))


def also_without_image(scorer: SensorLossScorer, fuses: bool, params: PredictParams) -> Scorer:
    """Judge cells once more without the image, and take the mean of the logits by predict.without_image_weight.

    What the image makes look normal may still have an unusual shape. Pixels keep their logits, and so does a detector
    that has one sensor, or loses one.
    """
    weight = params.without_image_weight
    if not fuses or params.blackout != "none" or weight == 0:
        return scorer

    def mean(views: Views) -> Detections:
        seeing, (cell_BRC, cell_class_BSRC) = scorer(views), scorer.without_image(views)
        return replace(
            seeing,
            cell_BRC=torch.lerp(seeing.cell_BRC, cell_BRC, weight),
            cell_class_BSRC=torch.lerp(seeing.cell_class_BSRC, cell_class_BSRC, weight),
        )

    return mean


def for_sensors(params: PredictParams, fusion: Fusion) -> PredictParams:
    """The params as they hold for a detector: pixels make no frame suspicious where no camera was looked at."""
    if fusion == "lidar" and params.frame_score == "points_or_pixels":
        return params.model_copy(update={"frame_score": "top_points"})
    return params


def upsampled(small_BHW: Tensor, size: tuple[int, ...]) -> Tensor:
    """A quarter-size map (B, h, w) at the image's size (H, W)."""
    whole = tuple(PIXEL_STRIDE * side for side in small_BHW.shape[1:])
    large_BHW = interpolate(small_BHW[:, None], size=whole, mode="bilinear", align_corners=False)[:, 0]
    return large_BHW[:, : size[0], : size[1]]


def scores_of(
    detections: Detections, views: Views, cell_BP: Tensor, params: PredictParams, outside_shift: float = 0.0
) -> Scores:
    """Give every point its cell's logit, and every frame a score by `frame_scores`.

    `cell_BP` as made by make_views; points outside the range view (padding) get 0. `outside_shift` is added to the
    logits of cells outside the image, of which frames know nothing.
    """
    seen = views.seen_BRC
    flat = torch.where(seen, detections.cell_BRC, detections.cell_BRC + outside_shift).flatten(1)
    point_BP = torch.where(cell_BP >= 0, flat.gather(1, cell_BP.clamp(min=0)), 0.0)
    frame_B = frame_scores(detections, views, params)
    return Scores(point_BP, upsampled(detections.pixel_Bhw, views.image_B3HW.shape[-2:]), frame_B)
