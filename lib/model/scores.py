"""From the detector's logits to scores per point, pixel and frame. Higher = more anomalous, finite, raw."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lib.batches.mirror import mirrored
from lib.batches.views import Views, project
from lib.model.detector import Detections, Detector


@dataclass(frozen=True, eq=False)
class Scores:
    """point_BP float32 (0 for padding), pixel_BHW float32, frame_B float32."""

    point_BP: Tensor
    pixel_BHW: Tensor
    frame_B: Tensor


def judge_both_ways(detector: Detector, views: Views) -> Detections:
    """Mean logits of the street and of its mirror image, which is as good a street."""
    here, there = detector(views), detector(mirrored(views))
    return Detections(*((getattr(here, f.name) + getattr(there, f.name).flip(-1)) / 2 for f in fields(Detections)))


def scores_of(detections: Detections, views: Views, cell_BP: Tensor, top_points: int) -> Scores:
    """Give every point its cell's logit; a frame's score is the mean of the highest cells that the camera sees.

    `cell_BP` as made by make_views; points outside the range view (padding) get 0.
    """
    flat = detections.cell_BRC.flatten(1)
    point_BP = torch.where(cell_BP >= 0, flat.gather(1, cell_BP.clamp(min=0)), 0.0)
    return Scores(point_BP, detections.pixel_BHW, frame_scores(detections, views, top_points))


def frame_scores(detections: Detections, views: Views, top_points: int) -> Tensor:
    """Mean (B,) of the `top_points` highest logits among the cells that both sensors see."""
    flat = detections.cell_BRC.flatten(1)
    seen = project(views)[1].flatten(1)
    lowest = flat.amin(1, keepdim=True)
    top = torch.where(seen, flat, lowest).topk(min(top_points, flat.shape[1]), dim=1).values
    return top.mean(1)
