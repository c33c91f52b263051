"""Tensor helpers: constants that are sent to a device once, a slight blur, dataclasses with a row per frame."""

from typing import Final, Self

import torch
from torch import Tensor

_KEPT: Final[dict[tuple[object, ...], Tensor]] = {}  # a plain one: torch.compile warns of functools.cache


class Rows:
    """A dataclass of tensors (B, ...), or of such dataclasses, whose rows can be taken by a slice."""

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(*(value[rows] for value in vars(self).values()))


def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values (n,) on a device; nobody may change them.

    They are sent once: sending them anew would make the host wait for the device.
    """
    key = (values, dtype, device)
    if key not in _KEPT:
        with torch.inference_mode(False):
            _KEPT[key] = torch.tensor(values, dtype=dtype, device=device)
    return _KEPT[key]


def class_table(wanted: tuple[int, ...], device: torch.device) -> Tensor:
    """Return a table (256,) bool that says of every class id whether it is among the wanted ones."""
    key = ("classes", wanted, device)
    if key not in _KEPT:
        _KEPT[key] = constant(tuple(class_id in wanted for class_id in range(256)), torch.bool, device)
    return _KEPT[key]


def blurred(maps: Tensor) -> Tensor:
    """Mean of each pixel of float32 maps (..., H, W) and those of its 8 neighbours that there are.

    As torch's avg_pool2d without padding, which takes ten times as long on the CPU.
    """
    return _with_neighbours(_with_neighbours(maps, -1), -2)


def _with_neighbours(maps: Tensor, dim: int) -> Tensor:
    length = maps.shape[dim]
    total = maps.clone()
    total.narrow(dim, 1, length - 1).add_(maps.narrow(dim, 0, length - 1))
    total.narrow(dim, 0, length - 1).add_(maps.narrow(dim, 1, length - 1))
    shares = tuple(1 / (3 - (place == 0) - (place == length - 1)) for place in range(length))
    return total.mul_(constant(shares, torch.float32, maps.device).view(-1, *[1] * (-1 - dim)))
