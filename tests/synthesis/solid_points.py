"""Solids as their definition has them, point by point."""

from torch import Tensor

from lib.synthesis.solids import Solids


def contains(solids: Solids, points_B3N: Tensor) -> Tensor:
    """Say which points (B, 3, N) [m] lie inside: (B, N) bool."""
    center_BM3 = solids.center_B3[:, None] + solids.part_center_BM3
    local_BM3N = solids.to_local_BM33 @ (points_B3N[:, None] - center_BM3[..., None])
    inside_BMN = local_BM3N.square().sum(2) <= 1
    inside_BMN &= (solids.normal_BMQ3 @ local_BM3N <= solids.offset_BMQ[..., None]).all(dim=2)
    return inside_BMN.any(dim=1)
