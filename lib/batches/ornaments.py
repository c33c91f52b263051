"""Validation's surface colours: spirals, crossing waves, speckles; neither training nor the simulator has them.

Shape letters: B frames, N points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.batches.crystals import random_axes
from lib.batches.rows import Rows

COLORS = 8
WAVES = 3
_MIXING = (73_856_093, 19_349_663, 83_492_791)


@dataclass(frozen=True, eq=False)
class Ornaments(Rows):
    """One random ornament per frame: kind 0 spiral, 1 waves, 2 speckle.

    axes_B33, waves_BW3 [1/m]: rows are directions, their length that of the pattern.
    """

    kind_B: Tensor
    palette_BK3: Tensor
    axes_B33: Tensor
    arms_B: Tensor
    twist_B: Tensor
    waves_BW3: Tensor
    phase_BW: Tensor
    grain_m_B: Tensor

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        kind = self.kind_B[:, None, None]
        first, second = self.palette_BK3[:, 0, :, None], self.palette_BK3[:, 1, :, None]
        share_B1N = torch.where(kind == 0, _spiral(self, offset_B3N), _waves(self, offset_B3N))
        return torch.where(kind == 2, _speckle(self, offset_B3N), torch.lerp(first, second, share_B1N))


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
        waves_BW3=random_axes(B, WAVES, generator, device)[:, :, 2]
        * (6 + 12 * uniform(B, WAVES, 1))
        / size_m_B[:, None, None],
        phase_BW=2 * torch.pi * uniform(B, WAVES),
        grain_m_B=0.02 + 0.06 * uniform(B),
    )


def _spiral(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Share (B, 1, N) of the second colour: arms that wind about an axis."""
    across, aside = (ornaments.axes_B33[:, :2] @ offset_B3N).unbind(1)
    turns = torch.atan2(aside, across) * ornaments.arms_B[:, None]
    wound = turns + ornaments.twist_B[:, None] * torch.hypot(across, aside)
    return (0.5 + 3 * wound.sin()).clamp(0, 1)[:, None]


def _waves(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Share (B, 1, N) of the second colour: plane waves of several directions that cross."""
    waves_BWN = (ornaments.waves_BW3 @ offset_B3N + ornaments.phase_BW[..., None]).sin()
    return (0.5 + 0.4 * waves_BWN.sum(1, keepdim=True)).clamp(0, 1)


def _speckle(ornaments: Ornaments, offset_B3N: Tensor) -> Tensor:
    """Colours (B, 3, N): grains of a few centimetres, each in a colour of the palette."""
    x, y, z = (offset_B3N / ornaments.grain_m_B[:, None, None]).floor().long().unbind(1)
    mixed = (x * _MIXING[0]) ^ (y * _MIXING[1]) ^ (z * _MIXING[2])
    color_BN = (mixed ^ (mixed >> 9)) % COLORS
    return ornaments.palette_BK3.transpose(1, 2).gather(2, color_BN[:, None].expand(-1, 3, -1))
