"""Random solids for pseudo-anomalies: unions of convex parts, each half-spaces cut out of an ellipsoid.

Shape letters: B frames, M parts, Q half-spaces, N rays or points. None of the simulator's anomalies is built this way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

PARTS = 2
HALF_SPACES = 5


@dataclass(frozen=True, eq=False)
class Solids:
    """One solid per frame: part m is {p : |q| <= 1 and normal . q <= offset} with q = to_local (p - center)."""

    center_B3: Tensor
    part_center_BM3: Tensor
    to_local_BM33: Tensor
    normal_BMQ3: Tensor
    offset_BMQ: Tensor


def random_solids(center_B3: Tensor, extent_B3: Tensor, generator: torch.Generator) -> Solids:
    """Draw solids that fit in boxes of the given full extents [m] around centres [m], turned about the vertical."""
    B, M, Q = len(center_B3), PARTS, HALF_SPACES
    device = center_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    present_BM = torch.arange(M, device=device) < (uniform(B, 1) * M).ceil().clamp(min=1)
    alone_B1 = present_BM.sum(1, keepdim=True) == 1
    scale_BM3 = extent_B3[:, None] / 2 * torch.where(alone_B1[..., None], 1.0, 0.35 + 0.5 * uniform(B, M, 3))
    room_BM3 = extent_B3[:, None] / 2 - scale_BM3
    yaw_BM = uniform(B, M) * 2 * torch.pi
    tilt_BM = (uniform(B, M) - 0.5) * 0.8
    rotation_BM33 = _rotation_z(yaw_BM) @ _rotation_x(tilt_BM)
    shift_BM3 = (uniform(B, M, 3) * 2 - 1) * room_BM3
    # A missing part lies inside a present one, so that every frame has the same number of parts.
    first = torch.zeros_like(present_BM, dtype=torch.int64)
    keep = torch.where(present_BM, torch.arange(M, device=device), first)[..., None]

    def with_missing(values: Tensor) -> Tensor:
        index = keep.view(B, M, *[1] * (values.dim() - 2)).expand_as(values)
        return values.gather(1, index)

    normal_BMQ3 = torch.nn.functional.normalize(torch.randn(B, M, Q, 3, generator=generator, device=device), dim=-1)
    offset_BMQ = 0.35 + 0.55 * uniform(B, M, Q)
    round_BM1 = uniform(B, M, 1) < 0.25
    offset_BMQ = torch.where(round_BM1, 2.0, offset_BMQ)
    to_local_BM33 = (1.0 / scale_BM3)[..., None] * rotation_BM33.transpose(-1, -2)
    return Solids(
        center_B3,
        with_missing(shift_BM3),
        with_missing(to_local_BM33),
        with_missing(normal_BMQ3),
        with_missing(offset_BMQ),
    )


def moved(solids: Solids, by_B3: Tensor) -> Solids:
    """Shift solids by a vector [m] per frame."""
    return Solids(
        solids.center_B3 + by_B3,
        solids.part_center_BM3,
        solids.to_local_BM33,
        solids.normal_BMQ3,
        solids.offset_BMQ,
    )


def first_hit(solids: Solids, origin_B3N: Tensor, direction_B3N: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter the solids: t_BN float32 (in units of the direction, inf = miss) and the normal_B3N there.

    Origins that all rays of a frame share may come as (B, 3, 1). Rays that start inside miss.
    """
    t_BMN, normal_BM3N = _entries(solids, origin_B3N, direction_B3N)
    t_BN, part = t_BMN.min(dim=1)
    world_BM3N = solids.to_local_BM33.transpose(2, 3) @ normal_BM3N
    chosen = world_BM3N.gather(1, part[:, None, None].expand(-1, 1, 3, -1)).squeeze(1)
    chosen = chosen * torch.rsqrt(chosen.square().sum(1, keepdim=True).clamp(min=1e-12))
    return t_BN, torch.where(torch.isfinite(t_BN)[:, None], chosen, 0.0)


def entry(solids: Solids, origin_B3N: Tensor, direction_B3N: Tensor) -> Tensor:
    """As first_hit, without the normal."""
    return _entries(solids, origin_B3N, direction_B3N, normals=False)[0].amin(dim=1)


def _entries(solids: Solids, origin_B3N: Tensor, direction_B3N: Tensor, normals: bool = True) -> tuple[Tensor, Tensor]:
    """Where rays enter each part: t_BMN, and the normal_BM3N in the part's coordinates (meaningless at a miss)."""
    origin_BM3N = _to_local(solids, origin_B3N)
    direction_BM3N = solids.to_local_BM33 @ direction_B3N[:, None]
    a = direction_BM3N.square().sum(2)
    b = (origin_BM3N * direction_BM3N).sum(2)
    # Not a number where the ray misses the ellipsoid: no comparison below holds then.
    root = (b * b - a * (origin_BM3N.square().sum(2) - 1)).sqrt()
    round_enter, round_leave = (-b - root) / a, (root - b) / a
    along_BMQN = solids.normal_BMQ3 @ direction_BM3N
    crossing_BMQN = (solids.offset_BMQ[..., None] - solids.normal_BMQ3 @ origin_BM3N) / along_BMQN
    inwards_BMQN = along_BMQN < 0
    entries_BMQN = torch.where(inwards_BMQN, crossing_BMQN, -torch.inf)
    plane_enter = entries_BMQN.amax(dim=2)
    plane_leave = torch.where(inwards_BMQN, torch.inf, crossing_BMQN).amin(dim=2)
    enter, leave = torch.maximum(round_enter, plane_enter), torch.minimum(round_leave, plane_leave)
    t_BMN = torch.where((enter < leave) & (enter > 1e-4), enter, torch.inf)
    if not normals:
        return t_BMN, t_BMN
    plane_normal = solids.normal_BMQ3.transpose(2, 3) @ (entries_BMQN == plane_enter[:, :, None]).float()
    round_normal = origin_BM3N + round_enter[:, :, None] * direction_BM3N
    return t_BMN, torch.where((plane_enter > round_enter)[:, :, None], plane_normal, round_normal)


def contains(solids: Solids, points_B3N: Tensor) -> Tensor:
    """Say which points (B, 3, N) [m] lie inside: (B, N) bool."""
    local_BM3N = _to_local(solids, points_B3N)
    inside_BMN = local_BM3N.square().sum(2) <= 1
    inside_BMN &= (solids.normal_BMQ3 @ local_BM3N <= solids.offset_BMQ[..., None]).all(dim=2)
    return inside_BMN.any(dim=1)


def _to_local(solids: Solids, points_B3N: Tensor) -> Tensor:
    center_BM3 = solids.center_B3[:, None] + solids.part_center_BM3
    return solids.to_local_BM33 @ (points_B3N[:, None] - center_BM3[..., None])


def _rotation_z(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, -s, o, s, c, o, o, o, i], dim=-1).view(*angle.shape, 3, 3)


def _rotation_x(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([i, o, o, o, c, -s, o, s, c], dim=-1).view(*angle.shape, 3, 3)
