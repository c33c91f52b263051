"""Objects as single frames show them: which cells and pixels are one object's, and choosing among them.

Shape letters as in range_view.py; ...: any further dimensions.
"""

import torch
from torch import Tensor

from lib.common.labels import (
    BICYCLE,
    BUS,
    CAR,
    DYNAMIC,
    FENCE,
    MOTORCYCLE,
    PEDESTRIAN,
    POLE,
    RIDER,
    STATIC,
    TRAFFIC_LIGHT,
    TRAFFIC_SIGN,
    TRUCK,
    VEGETATION,
    WALL,
)
from lib.views.tensors import class_table

OBJECT_CLASSES = (
    WALL, FENCE, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION, PEDESTRIAN, RIDER, CAR, TRUCK, BUS, MOTORCYCLE,
    BICYCLE, STATIC, DYNAMIC,
)  # fmt: skip
SMALL_OBJECT_RADIUS_M = 1.2
LARGE_OBJECT_RADIUS_M = 3.0


def class_mask(class_ids: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Say which class ids (any shape, uint8) are among the wanted ones."""
    return class_table(wanted, class_ids.device)[class_ids.long()]


def object_radius_m(class_ids: Tensor) -> Tensor:
    """How far aside [m] of a point its object reaches, by the class ids (any shape)."""
    small = class_mask(class_ids, (POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, PEDESTRIAN, STATIC, DYNAMIC))
    return torch.where(small, SMALL_OBJECT_RADIUS_M, LARGE_OBJECT_RADIUS_M)


def same_object(x_m: Tensor, y_m: Tensor, class_ids: Tensor, place_B3: Tensor, class_B: Tensor) -> Tensor:
    """Say of places on the ground (B, ...) and their class ids whether they belong to the object at place_B3: its
    class, not far aside.
    """
    rest = [1] * (x_m.dim() - 1)
    aside_x_m, aside_y_m = x_m - place_B3[:, 0].view(-1, *rest), y_m - place_B3[:, 1].view(-1, *rest)
    near = aside_x_m.square_().addcmul_(aside_y_m, aside_y_m) < object_radius_m(class_B).square().view(-1, *rest)
    return near & (class_ids == class_B.view(-1, *rest))


def choose_cells(weight_BRC: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one cell per frame in proportion to its weight: flat index (B,), and whether any had weight."""
    flat = weight_BRC.flatten(1)
    # Exponential numbers by their logarithm: torch's own exponential_ draws one after another.
    waiting = torch.rand(flat.shape, generator=generator, device=flat.device).log_().neg_().clamp_(min=1e-20)
    return (flat / waiting).argmax(1), flat.amax(1) > 0


def class_rarity(class_BRC: Tensor) -> Tensor:
    """Weigh cells so that each class of a frame is as likely as another."""
    flat = class_BRC.flatten(1).long()
    counts = torch.zeros(len(flat), 256, device=flat.device).scatter_add(1, flat, torch.ones_like(flat).float())
    return (1.0 / counts.gather(1, flat)).view(class_BRC.shape)
