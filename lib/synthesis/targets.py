"""Which pixels and cells of a batch hold a pseudo-anomaly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.views.range_view import Views

UNSURE = 255  # ignored in losses and scores
MAX_SLOTS = 18  # train.pseudo_anomalies_per_frame is 16 at most; then the misfit, and the vehicle ahead
RETIMED = MAX_SLOTS - 1


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels of pseudo-anomalies: 0 normal, 1 anomalous, 255 unsure (ignored).

    pixel_BHW uint8; cell_BRC uint8 (range view); cell_object_BRC int64: number of the slot that made the cell
    anomalous, -1 elsewhere.
    """

    pixel_BHW: Tensor
    cell_BRC: Tensor
    cell_object_BRC: Tensor


def no_targets(views: Views) -> Targets:
    """Targets of frames without pseudo-anomalies."""
    return Targets(
        torch.zeros_like(views.pixel_class_BHW),
        torch.zeros_like(views.point_class_BRC),
        torch.full(views.point_class_BRC.shape, -1, dtype=torch.int64, device=views.point_class_BRC.device),
    )
