"""Validation solids: bundles of double pyramids, a shape of neither training nor the simulator's anomalies.

Shape letters as in solids.py: B frames, M parts, Q half-spaces.
"""

import torch
from torch import Tensor

from lib.synthesis.solids import Solids
from lib.views.tensors import constant

MAX_PARTS = 4
MAX_SIDES = 6
MIN_SLOPE, MAX_SLOPE = (0.2, 0.42)  # sine of the faces' slope; larger ones would reach out of the unit ball
TIP = 0.98


def random_validation_solids(center_B3: Tensor, extent_B3: Tensor, generator: torch.Generator) -> Solids:
    """Draw bundles of 1 to 4 double pyramids, their tips cut or not, that fit in boxes of full extents [m]."""
    B, M, device = len(center_B3), MAX_PARTS, center_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    count_B1 = 1 + (M * uniform(B, 1)).long()
    number_M = torch.arange(M, device=device)
    # Every frame needs the same number of parts: a missing part is a copy of the first one.
    keep_BM = torch.where(number_M < count_B1, number_M, 0)
    length_BM1 = torch.where(number_M == 0, 1.0, 0.5 + 0.5 * uniform(B, M))[..., None]
    half_BM3 = length_BM1 * extent_B3[:, None] / 2
    shift_BM3 = (uniform(B, M, 3) * 2 - 1) * (extent_B3[:, None] / 2 - half_BM3)
    to_local_BM33 = random_axes(B, M, generator, device) / half_BM3[..., None, :]

    sides_BM1 = 3 + ((MAX_SIDES - 2) * uniform(B, M, 1)).long()
    angle_BMS = 2 * torch.pi * (torch.arange(MAX_SIDES, device=device) % sides_BM1) / sides_BM1
    slope_BM1 = MIN_SLOPE + (MAX_SLOPE - MIN_SLOPE) * uniform(B, M, 1)
    level_BM1 = (1 - slope_BM1.square()).sqrt()
    rising_BMS = slope_BM1.expand_as(angle_BMS)
    upper_BMS3 = torch.stack([level_BM1 * angle_BMS.cos(), level_BM1 * angle_BMS.sin(), rising_BMS], dim=-1)
    lower_BMS3 = upper_BMS3 * constant((1.0, 1.0, -1.0), torch.float32, device)
    ends_BM23 = constant((0.0, 0.0, 1.0, 0.0, 0.0, -1.0), torch.float32, device).view(2, 3).expand(B, M, 2, 3)
    cut_BM2 = torch.where(uniform(B, M, 2) < 0.5, 0.4 + 0.5 * uniform(B, M, 2), 1.0)
    normals_BMQ3 = torch.cat([upper_BMS3, lower_BMS3, ends_BM23], dim=2)
    offsets_BMQ = torch.cat([TIP * rising_BMS, TIP * rising_BMS, cut_BM2], dim=2)
    parts = shift_BM3, to_local_BM33, normals_BMQ3, offsets_BMQ
    row_B1 = torch.arange(B, device=device)[:, None]
    return Solids(center_B3, *(values[row_B1, keep_BM] for values in parts))


def random_axes(B: int, M: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Random orthonormal axes (B, M, 3, 3), as rows; the last one is uniformly distributed on the sphere."""
    first, other = torch.randn(2, B, M, 3, generator=generator, device=device)
    along = torch.nn.functional.normalize(first, dim=-1)
    aside = torch.nn.functional.normalize(torch.linalg.cross(along, other), dim=-1)
    return torch.stack([aside, torch.linalg.cross(along, aside), along], dim=-2)
