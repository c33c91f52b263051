"""Tensor helpers: constants that are copied to a device once, a 3 x 3 blur, dataclasses with one row per frame."""

from typing import Final, Self

import torch
from torch import Tensor

_CACHE: Final[dict[tuple[object, ...], Tensor]] = {}  # a plain dict, as torch.compile warns about functools.cache


class Rows:
    """Base of dataclasses whose fields are tensors (B, ...) or such dataclasses; slicing selects rows of all fields."""

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(*(value[rows] for value in vars(self).values()))


def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values (n,) on a device. The tensor is shared: never modify it.

    Values are copied once, as each copy makes the host wait for the device.
    """
    key = (values, dtype, device)
    if key not in _CACHE:
        with torch.inference_mode(False):
            _CACHE[key] = torch.tensor(values, dtype=dtype, device=device)
    return _CACHE[key]


def class_table(wanted: tuple[int, ...], device: torch.device) -> Tensor:
    """Return a table (256,) bool: for every class id, whether it is among the wanted ones."""
    key = ("classes", wanted, device)
    if key not in _CACHE:
        _CACHE[key] = constant(tuple(class_id in wanted for class_id in range(256)), torch.bool, device)
    return _CACHE[key]


def blurred(maps: Tensor) -> Tensor:
    """3 x 3 box blur of float32 maps (..., H, W); at the borders the mean of the neighbours that exist.

    Equal to avg_pool2d with count_include_pad=False, which takes ten times as long on the CPU.
    """
    return _with_neighbours(_with_neighbours(maps, -1), -2)


def _with_neighbours(maps: Tensor, dim: int) -> Tensor:
    length = maps.shape[dim]
    total = maps.clone()
    total.narrow(dim, 1, length - 1).add_(maps.narrow(dim, 0, length - 1))
    total.narrow(dim, 0, length - 1).add_(maps.narrow(dim, 1, length - 1))
    weights = tuple(1 / (3 - (place == 0) - (place == length - 1)) for place in range(length))
    return total.mul_(constant(weights, torch.float32, maps.device).view(-1, *[1] * (-1 - dim)))
