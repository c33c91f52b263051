"""Objects of single frames: which cells and pixels belong to one object, and choosing an object at random.

Shape letters as in range_view.py; ...: any further dimensions.
"""

import torch
from torch import Tensor

from lib.common import labels
from lib.views.tensors import class_table

OBJECT_CLASSES = (
    labels.WALL, labels.FENCE, labels.POLE, labels.TRAFFIC_LIGHT, labels.TRAFFIC_SIGN, labels.VEGETATION,
    labels.PEDESTRIAN, labels.RIDER, labels.CAR, labels.TRUCK, labels.BUS, labels.MOTORCYCLE, labels.BICYCLE,
    labels.STATIC, labels.DYNAMIC,
)  # fmt: skip
SMALL_CLASSES = (
    labels.POLE, labels.TRAFFIC_LIGHT, labels.TRAFFIC_SIGN, labels.PEDESTRIAN, labels.STATIC, labels.DYNAMIC,
)  # fmt: skip
SMALL_OBJECT_RADIUS_M = 1.2
LARGE_OBJECT_RADIUS_M = 3.0


def class_mask(class_ids: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Return which class ids (any shape, uint8) are among the wanted ones."""
    return class_table(wanted, class_ids.device)[class_ids.long()]


def object_radius_m(class_ids: Tensor) -> Tensor:
    """Horizontal radius [m] around a point within which points of its class belong to the same object (any shape)."""
    return torch.where(class_mask(class_ids, SMALL_CLASSES), SMALL_OBJECT_RADIUS_M, LARGE_OBJECT_RADIUS_M)


def same_object(x_m: Tensor, y_m: Tensor, class_ids: Tensor, place_B3: Tensor, class_B: Tensor) -> Tensor:
    """Return which positions x, y (B, ...) belong to the object at place_B3: same class, and within its radius."""
    rest = [1] * (x_m.dim() - 1)
    aside_x_m, aside_y_m = x_m - place_B3[:, 0].view(-1, *rest), y_m - place_B3[:, 1].view(-1, *rest)
    near = aside_x_m.square_().addcmul_(aside_y_m, aside_y_m) < object_radius_m(class_B).square().view(-1, *rest)
    return near & (class_ids == class_B.view(-1, *rest))


def choose_cells(weight_BRC: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one cell per frame in proportion to its weight: flat index (B,), and whether any weight is above 0."""
    flat = weight_BRC.flatten(1)
    # -log(u) instead of torch's exponential_, which draws serially.
    waiting = torch.rand(flat.shape, generator=generator, device=flat.device).log_().neg_().clamp_(min=1e-20)
    return (flat / waiting).argmax(1), flat.amax(1) > 0


def class_rarity(class_BRC: Tensor) -> Tensor:
    """Weights of cells under which all classes of a frame are equally likely: 1 / the class's number of cells."""
    flat = class_BRC.flatten(1).long()
    counts = torch.zeros(len(flat), 256, device=flat.device).scatter_add(1, flat, torch.ones_like(flat).float())
    return (1.0 / counts.gather(1, flat)).view(class_BRC.shape)
