"""Families of shapes and surfaces that pseudo-anomalies are drawn from, disjoint for training and validation.

So validation scores a detector on shapes and surfaces that it did not train on, as the test does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self

import torch
from torch import Tensor

from lib.synthesis.pseudo_textures import random_textures
from lib.synthesis.solids import Solids, random_solids
from lib.synthesis.validation_solids import random_validation_solids
from lib.synthesis.validation_textures import random_validation_textures


class Textures(Protocol):
    """One texture per frame."""

    def __getitem__(self, rows: slice) -> Self: ...

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""


@dataclass(frozen=True)
class Families:
    """Functions that draw shapes and surfaces.

    solids: from centres (B, 3) [m], extents (B, 3) [m] and a generator; textures: from extents, which frames (B,) need
    a pattern, and a generator; misfits: whether misfits (misfits.py) are pasted as well.
    """

    solids: Callable[[Tensor, Tensor, torch.Generator], Solids]
    textures: Callable[[Tensor, Tensor, torch.Generator], Textures]
    misfits: bool


TRAINING: Final = Families(random_solids, random_textures, misfits=True)
VALIDATION: Final = Families(random_validation_solids, random_validation_textures, misfits=False)
