"""Scorers by distance in the feature space of a frozen network: sampling normal features, fitting references, scoring.

Shape letters as in range_view.py; N samples, F features; h x w quarter-size pixels.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib.baselines.references import References
from lib.common.labels import NORMAL_IDS
from lib.model.detector import Detector, Logits, no_lead, quarter_size
from lib.model.devices import Precision, autocast
from lib.views.frame_batch import FrameBatch
from lib.views.range_view import RangeGrid, Views, make_views

Fit = Callable[[Tensor, Tensor], References]
"""Features (N, F) and their classes (N,) -> references."""


@dataclass(frozen=True, eq=False)
class NormalFeatures:
    """Features (N, F) float32 of normal points and of normal pixels, on the CPU, and their classes (N,) uint8."""

    point_NF: Tensor
    point_class_N: Tensor
    pixel_NF: Tensor
    pixel_class_N: Tensor


@torch.inference_mode()
def normal_features(
    detector: Detector, batches: Iterable[FrameBatch], grid: RangeGrid, per_frame: int, seed: int, precision: Precision
) -> NormalFeatures:
    """Sample `per_frame` points in view and `per_frame` pixels of known normal classes from each frame."""
    generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for batch in batches:
        views, _ = make_views(batch, grid)
        with autocast(views.image_B3HW.device, precision):
            cells, pixels = detector.features(views)
        small_class = quarter_size(views.pixel_class_BHW)
        seen, anywhere = views.seen_BRC, torch.ones_like(small_class, dtype=torch.bool)
        for frame in range(len(cells)):
            point = _sample(cells[frame], views.point_class_BRC[frame], seen[frame], per_frame, generator)
            pixel = _sample(pixels[frame], small_class[frame], anywhere[frame], per_frame, generator)
            parts.append((*point, *pixel))
    return NormalFeatures(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def _sample(
    features_FRC: Tensor, class_RC: Tensor, usable_RC: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    known = torch.isin(class_RC, torch.tensor(NORMAL_IDS, device=class_RC.device, dtype=class_RC.dtype))
    places = (known & usable_RC).flatten().nonzero()[:, 0].cpu()
    chosen = places[torch.randperm(len(places), generator=generator)[:count]].to(class_RC.device)
    return features_FRC.flatten(1)[:, chosen].T.float().cpu(), class_RC.flatten()[chosen].cpu()


@dataclass(frozen=True, eq=False)
class DistanceScorer:
    """Scores cells and pixels by the distances of their features to references."""

    detector: Detector
    point: References
    pixel: References

    def __call__(self, views: Views) -> Logits:
        """Logits with distances as `cell_BRC` and `pixel_Bhw`; the class logits are the network's."""
        cells, pixels = self.detector.features(views)
        logits = self.detector.heads(cells, pixels, no_lead(views.range_m_BRC))
        with torch.autocast(cells.device.type, enabled=False):
            cell_BRC = _distance_map(self.point, cells)
            pixel_Bhw = _distance_map(self.pixel, pixels)
        return replace(logits, cell_BRC=cell_BRC, pixel_Bhw=pixel_Bhw)

    def without_image(self, views: Views) -> tuple[Tensor, Tensor]:
        """Distances of cells, and the network's class logits, without the camera."""
        cells = self.detector.features_without_image(views)
        _, cell_class_BSRC = self.detector.cell_logits(cells)
        with torch.autocast(cells.device.type, enabled=False):
            return _distance_map(self.point, cells), cell_class_BSRC


def distance_scorer(detector: Detector, normal: NormalFeatures, fit: Fit, device: torch.device) -> DistanceScorer:
    """Fit references for points and for pixels."""
    point, pixel = fit(normal.point_NF, normal.point_class_N), fit(normal.pixel_NF, normal.pixel_class_N)
    return DistanceScorer(detector, point.to(device), pixel.to(device))


def _distance_map(references: References, features_BFRC: Tensor) -> Tensor:
    B, F, R, C = features_BFRC.shape
    return references.distances(features_BFRC.permute(0, 2, 3, 1).reshape(-1, F)).view(B, R, C)
