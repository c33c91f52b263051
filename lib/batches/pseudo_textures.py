"""Random surface colours for pseudo-anomalies: plain, noise field, cells, gradient. The simulator's anomalies use none.

Shape letters: B frames, N points.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.batches.rows import Rows

LATTICE = 12
CELL_SEEDS = 10


@dataclass(frozen=True, eq=False)
class PseudoTextures(Rows):
    """One random texture per frame; evaluated at positions relative to the object [m]."""

    kind_B: Tensor
    palette_BK3: Tensor
    lattice_B1DDD: Tensor
    frequency_B: Tensor
    contrast_B: Tensor
    seeds_BK3: Tensor
    gradient_B3: Tensor

    def colors(self, offset_B3N: Tensor) -> Tensor:
        """Colours (B, 3, N) in [0, 1] at positions relative to the object's centre [m]."""
        B, _, N = offset_B3N.shape
        scaled_B3N = offset_B3N * self.frequency_B[:, None, None]
        wrapped_B3N = scaled_B3N - scaled_B3N.floor()  # torch's remainder is slow on the CPU
        grid = (wrapped_B3N * 2 - 1).transpose(1, 2).reshape(B, N, 1, 1, 3)
        field = torch.nn.functional.grid_sample(self.lattice_B1DDD, grid, align_corners=False, padding_mode="border")
        noise_BN = ((field.view(B, N) - 0.5) * self.contrast_B[:, None] + 0.5).clamp_(0, 1)
        along_BN = ((offset_B3N * self.gradient_B3[..., None]).sum(1) + 0.5).clamp_(0, 1)
        kind = self.kind_B[:, None]
        blend_BN = torch.where(kind == 1, noise_BN, torch.where(kind == 2, along_BN, 0.0))
        first, second = self.palette_BK3[:, 0, :, None], self.palette_BK3[:, 1, :, None]
        seeds = self.seeds_BK3
        nearness_BKN = torch.baddbmm(seeds.square().sum(2, keepdim=True), seeds, offset_B3N, beta=-0.5)
        # Numbers, 1 for the nearest, not truth values: several times as fast on the CPU.
        nearest_BKN = (nearness_BKN - nearness_BKN.amax(1, keepdim=True)).ge_(0)
        cells_B3N = self.palette_BK3.transpose(1, 2) @ nearest_BKN
        return torch.where(kind[..., None] == 3, cells_B3N, torch.lerp(first, second, blend_BN[:, None]))


def random_textures(extent_B3: Tensor, patterned_B: Tensor, generator: torch.Generator) -> PseudoTextures:
    """Draw textures for objects of the given extents [m]; where `patterned_B`, none is of a plain colour."""
    B, device = len(extent_B3), extent_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    grey = uniform(B, CELL_SEEDS, 1)
    saturation = uniform(B, 1, 1).sqrt()
    palette = grey * (1 - saturation) + uniform(B, CELL_SEEDS, 3) * saturation
    size = extent_B3.amax(1)
    direction = torch.nn.functional.normalize(torch.randn(B, 3, generator=generator, device=device), dim=-1)
    return PseudoTextures(
        kind_B=torch.where(patterned_B, 1 + (3 * uniform(B)).long(), (4 * uniform(B)).long()),
        palette_BK3=palette * 0.95 + 0.03,
        lattice_B1DDD=uniform(B, 1, LATTICE, LATTICE, LATTICE),
        frequency_B=(0.12 + 0.6 * uniform(B)) / size.clamp(min=0.3),
        contrast_B=2.5 * 4.0 ** uniform(B),
        seeds_BK3=(uniform(B, CELL_SEEDS, 3) - 0.5) * extent_B3[:, None],
        gradient_B3=direction / size[:, None],
    )
