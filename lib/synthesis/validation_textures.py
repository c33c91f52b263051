"""Validation's surface colours: spirals, mosaics, speckles; neither training nor the simulator has such patterns.

Shape letters: B frames, N points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.synthesis.validation_solids import random_axes
from lib.views.tensors import Rows

COLORS = 8
_MIXING = (73_856_093, 19_349_663, 83_492_791, 2_654_435_761)


@dataclass(frozen=True, eq=False)
class Ornaments(Rows):
    """One random ornament per frame: kind 0 spiral, 1 mosaic, 2 speckle.

    axes_B33 [1/m]: rows are directions, their length the inverse of the object's; tiles_B: of a mosaic, along it.
    """

    kind_B: Tensor
    palette_BK3: Tensor
    axes_B33: Tensor
    arms_B: Tensor
    twist_B: Tensor
    tiles_B: Tensor
    grain_m_B: Tensor

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        kind = self.kind_B[:, None, None]
        first, second = self.palette_BK3[:, 0, :, None], self.palette_BK3[:, 1, :, None]
        pieces_B3N = torch.where(kind == 1, _mosaic(self, offset_B3N), _speckle(self, offset_B3N))
        return torch.where(kind == 0, torch.lerp(first, second, _spiral(self, offset_B3N)), pieces_B3N)


def random_ornaments(extent_B3: Tensor, patterned_B: Tensor, generator: torch.Generator) -> Ornaments:
    """Draw ornaments for objects of the given extents [m]. All of them have a pattern."""
    B, device = len(extent_B3), extent_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    size_m_B = extent_B3.amax(1).clamp(min=0.3)
    axes_B33 = random_axes(B, 1, generator, device).squeeze(1)
    return Ornaments(
        kind_B=(3 * uniform(B)).long(),
        palette_BK3=0.03 + 0.95 * uniform(B, COLORS, 3),
        axes_B33=axes_B33 / size_m_B[:, None, None],
        arms_B=2 + (5 * uniform(B)).floor(),
        twist_B=(uniform(B) * 2 - 1) * 20,
        tiles_B=6 + 6 * uniform(B),
        grain_m_B=0.02 + 0.06 * uniform(B),
    )


def _spiral(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Share (B, 1, N) of the second colour: arms that wind about an axis."""
    across, aside = (ornaments.axes_B33[:, :2] @ offset_B3N).unbind(1)
    turns = torch.atan2(aside, across) * ornaments.arms_B[:, None]
    wound = turns + ornaments.twist_B[:, None] * torch.hypot(across, aside)
    return (0.5 + 3 * wound.sin()).clamp(0, 1)[:, None]


def _mosaic(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Colours (B, 3, N): tiles, each cut in two along either diagonal, its halves in colours of the palette."""
    place_B2N = (ornaments.axes_B33[:, :2] @ offset_B3N) * ornaments.tiles_B[:, None, None]
    tile_B2N = place_B2N.floor()
    (x, y), (across, aside) = tile_B2N.long().unbind(1), (place_B2N - tile_B2N).unbind(1)
    other_way = _mixed(x, y, torch.full_like(x, COLORS)) % 2 == 0
    half = torch.where(other_way, across > aside, across + aside > 1).long()
    return _colored(ornaments, _mixed(x, y, half))


def _speckle(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Colours (B, 3, N): grains of a few centimetres, each in a colour of the palette."""
    return _colored(ornaments, _mixed(*(offset_B3N / ornaments.grain_m_B[:, None, None]).floor().long().unbind(1)))


def _mixed(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Numbers as if drawn anew for each place: multiplied at last, as exclusive ors alone make a plaid of places."""
    return (((x * _MIXING[0]) ^ (y * _MIXING[1]) ^ (z * _MIXING[2])) * _MIXING[3]) >> 20


def _colored(ornaments: Ornaments, number_BN: Tensor) -> Tensor:
    index_B3N = (number_BN % COLORS)[:, None].expand(-1, 3, -1)
    return ornaments.palette_BK3.transpose(1, 2).gather(2, index_B3N)
