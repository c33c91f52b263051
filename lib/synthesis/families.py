"""Families of shapes and surfaces that pseudo-anomalies are drawn from: training's and, apart from them, validation's.

A detector is judged on validation by shapes and surfaces that it did not train on, as it is on the test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self

import torch
from torch import Tensor

from lib.synthesis.pseudo_textures import random_textures
from lib.synthesis.solids import Solids, random_solids
from lib.synthesis.validation_solids import random_crystals
from lib.synthesis.validation_textures import random_ornaments


class Textures(Protocol):
    """One texture per frame."""

    def __getitem__(self, rows: slice) -> Self: ...

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        ...


@dataclass(frozen=True)
class Families:
    """What draws B solids, by centres and extents (B, 3) [m], and B textures, by extents and which need a pattern.

    misfits: whether misfits (misfits.py) are pasted besides.
    """

    solids: Callable[[Tensor, Tensor, torch.Generator], Solids]
    textures: Callable[[Tensor, Tensor, torch.Generator], Textures]
    misfits: bool


TRAINING: Final = Families(random_solids, random_textures, misfits=True)
VALIDATION: Final = Families(random_crystals, random_ornaments, misfits=False)
