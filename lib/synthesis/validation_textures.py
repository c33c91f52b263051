"""Validation textures: spirals, mosaics and speckles, patterns of neither training nor the simulator.

Shape letters: B frames, N points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.synthesis.validation_solids import random_axes
from lib.views.tensors import Rows

COLORS = 8
_HASH_FACTORS = (73_856_093, 19_349_663, 83_492_791, 2_654_435_761)


@dataclass(frozen=True, eq=False)
class ValidationTextures(Rows):
    """One random texture per frame; kind 0 spiral, 1 mosaic, 2 speckle.

    axes_B33 [1/m]: rows are directions, scaled by 1 / the object's size; arms_B: arms of a spiral; twist_B: its phase
    [rad] per object size; tiles_B: tiles of a mosaic per object size; speckle_m_B: size of a speckle.
    """

    kind_B: Tensor
    palette_BK3: Tensor
    axes_B33: Tensor
    arms_B: Tensor
    twist_B: Tensor
    tiles_B: Tensor
    speckle_m_B: Tensor

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        kind = self.kind_B[:, None, None]
        first, second = self.palette_BK3[:, 0, :, None], self.palette_BK3[:, 1, :, None]
        pieces_B3N = torch.where(kind == 1, _mosaic(self, offset_B3N), _speckle(self, offset_B3N))
        return torch.where(kind == 0, torch.lerp(first, second, _spiral(self, offset_B3N)), pieces_B3N)


def random_validation_textures(
    extent_B3: Tensor, patterned_B: Tensor, generator: torch.Generator
) -> ValidationTextures:
    """Draw textures for objects of the given extents (B, 3) [m]. All have a pattern, so `patterned_B` is not used."""
    B, device = len(extent_B3), extent_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    size_m_B = extent_B3.amax(1).clamp(min=0.3)
    axes_B33 = random_axes(B, 1, generator, device).squeeze(1)
    return ValidationTextures(
        kind_B=(3 * uniform(B)).long(),
        palette_BK3=0.03 + 0.95 * uniform(B, COLORS, 3),
        axes_B33=axes_B33 / size_m_B[:, None, None],
        arms_B=2 + (5 * uniform(B)).floor(),
        twist_B=(uniform(B) * 2 - 1) * 20,
        tiles_B=6 + 6 * uniform(B),
        speckle_m_B=0.02 + 0.06 * uniform(B),
    )


def _spiral(textures: ValidationTextures, offset_B3N: Tensor) -> Tensor:
    """Fraction (B, 1, N) of the second colour: arms that wind about an axis."""
    across, aside = (textures.axes_B33[:, :2] @ offset_B3N).unbind(1)
    turns = torch.atan2(aside, across) * textures.arms_B[:, None]
    angle = turns + textures.twist_B[:, None] * torch.hypot(across, aside)
    return (0.5 + 3 * angle.sin()).clamp(0, 1)[:, None]


def _mosaic(textures: ValidationTextures, offset_B3N: Tensor) -> Tensor:
    """Colours (B, 3, N): tiles, each split along a random diagonal into two colours of the palette."""
    place_B2N = (textures.axes_B33[:, :2] @ offset_B3N) * textures.tiles_B[:, None, None]
    tile_B2N = place_B2N.floor()
    (x, y), (across, aside) = tile_B2N.long().unbind(1), (place_B2N - tile_B2N).unbind(1)
    rising = _hashed(x, y, torch.full_like(x, COLORS)) % 2 == 0
    half = torch.where(rising, across > aside, across + aside > 1).long()
    return _colored(textures, _hashed(x, y, half))


def _speckle(textures: ValidationTextures, offset_B3N: Tensor) -> Tensor:
    """Colours (B, 3, N): cubes of a few centimetres, each in a colour of the palette."""
    return _colored(textures, _hashed(*(offset_B3N / textures.speckle_m_B[:, None, None]).floor().long().unbind(1)))


def _hashed(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Hash of integer positions: a pseudo-random number for each. Without the last product, xor alone shows a plaid."""
    return (((x * _HASH_FACTORS[0]) ^ (y * _HASH_FACTORS[1]) ^ (z * _HASH_FACTORS[2])) * _HASH_FACTORS[3]) >> 20


def _colored(textures: ValidationTextures, number_BN: Tensor) -> Tensor:
    index_B3N = (number_BN % COLORS)[:, None].expand(-1, 3, -1)
    return textures.palette_BK3.transpose(1, 2).gather(2, index_B3N)
