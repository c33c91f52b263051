"""Small constant tensors, sent to a device once: sending one anew would make the host wait for the device."""

from functools import cache

import torch
from torch import Tensor


@cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values (n,) on a device; nobody may change them."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


@cache
def class_table(wanted: tuple[int, ...], device: torch.device) -> Tensor:
    """Return a table (256,) bool that says of every class id whether it is among the wanted ones."""
    return constant(tuple(class_id in wanted for class_id in range(256)), torch.bool, device)
