"""Small constant tensors, sent to a device once: sending one anew would make the host wait for the device."""

from typing import Final

import torch
from torch import Tensor

_KEPT: Final[dict[tuple[object, ...], Tensor]] = {}  # a plain one: torch.compile warns of functools.cache


def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values (n,) on a device; nobody may change them."""
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
