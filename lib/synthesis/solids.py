"""Random solids for pseudo-anomalies: unions of convex parts, each an ellipsoid cut by half-spaces.

Rays from one point, or parallel rays, are intersected with many planes by one matrix product: from one point, the
inverse distance to a plane is linear in the direction; along one direction, the distance is linear in the origin.
Shape letters: B frames, M parts, Q half-spaces, N rays or points. None of the simulator's anomalies is built this way.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.views.tensors import Rows

PARTS = 2
HALF_SPACES = 5
NEAREST = 1e-4
FARTHEST = 1e6
TINY = 1e-6

Linear = Callable[[Tensor, Tensor], Tensor]
"""From vectors (B, K, 3) and constants (B, K): vector . direction + constant for N directions, (B, K, N)."""


@dataclass(frozen=True, eq=False)
class Solids(Rows):
    """One solid per frame: part m is {p : |q| <= 1 and normal . q <= offset} with q = to_local (p - center)."""

    center_B3: Tensor
    part_center_BM3: Tensor
    to_local_BM33: Tensor
    normal_BMQ3: Tensor
    offset_BMQ: Tensor


@dataclass(frozen=True, eq=False)
class Spans(Rows):
    """Interval in which each ray from one point is inside each part: enter_BMN to leave_BMN, in units of the direction.

    enter is infinite if a ray misses or starts inside. facing_BMN: cosine between the surface normal at the entry and
    the direction to the light, clamped to 0 (undefined at a miss).
    """

    enter_BMN: Tensor
    leave_BMN: Tensor
    facing_BMN: Tensor

    def first(self) -> tuple[Tensor, Tensor]:
        """Distance (B, N) at which rays enter the solid, infinite at a miss, and the cosine to the light there."""
        enter_BN = self.enter_BMN.amin(1)
        facing_BMN = torch.where(self.enter_BMN == enter_BN[:, None], self.facing_BMN, 0.0)
        return enter_BN, facing_BMN.amax(1).nan_to_num_(0.0)

    def hold(self, distance_BN: Tensor) -> Tensor:
        """Return whether the points at the given distances along the rays are inside (B, N)."""
        distance_B1N = distance_BN[:, None]
        return ((self.enter_BMN <= distance_B1N) & (distance_B1N <= self.leave_BMN)).any(1)


@dataclass(frozen=True, eq=False)
class _Intersections:
    """Distances at which rays meet the parts' ball (nan: never) and planes, and which plane is entered last.

    entered_BMQN: 1 or 0; origin_BM3 and direction_BM3N in the parts' coordinates.
    """

    ball_enter_BMN: Tensor
    ball_leave_BMN: Tensor
    plane_enter_BMN: Tensor
    plane_leave_BMN: Tensor
    entered_BMQN: Tensor
    origin_BM3: Tensor
    direction_BM3N: Tensor

    def inside(self) -> tuple[Tensor, Tensor]:
        """Where rays enter and leave the parts, (B, M, N) each; enter is infinite if a ray misses or starts inside."""
        enter_BMN = torch.maximum(self.ball_enter_BMN, self.plane_enter_BMN)
        leave_BMN = torch.minimum(self.ball_leave_BMN, self.plane_leave_BMN)
        return torch.where((enter_BMN < leave_BMN) & (enter_BMN > NEAREST), enter_BMN, torch.inf), leave_BMN


def random_solids(center_B3: Tensor, extent_B3: Tensor, generator: torch.Generator) -> Solids:
    """Draw solids that fit into boxes of the given full extents [m] around centres [m], rotated about the vertical."""
    B, M, Q = len(center_B3), PARTS, HALF_SPACES
    device = center_B3.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    present_BM = torch.arange(M, device=device) < (uniform(B, 1) * M).ceil().clamp(min=1)
    single_B1 = present_BM.sum(1, keepdim=True) == 1
    scale_BM3 = extent_B3[:, None] / 2 * torch.where(single_B1[..., None], 1.0, 0.35 + 0.5 * uniform(B, M, 3))
    room_BM3 = extent_B3[:, None] / 2 - scale_BM3
    yaw_BM = uniform(B, M) * 2 * torch.pi
    tilt_BM = (uniform(B, M) - 0.5) * 0.8
    rotation_BM33 = _rotation_z(yaw_BM) @ _rotation_x(tilt_BM)
    shift_BM3 = (uniform(B, M, 3) * 2 - 1) * room_BM3
    # Every frame needs the same number of parts: a missing part is a copy of the first one.
    keep_BM = torch.where(present_BM, torch.arange(M, device=device), 0)
    row_B1 = torch.arange(B, device=device)[:, None]

    normal_BMQ3 = torch.nn.functional.normalize(torch.randn(B, M, Q, 3, generator=generator, device=device), dim=-1)
    offset_BMQ = 0.35 + 0.55 * uniform(B, M, Q)
    round_BM1 = uniform(B, M, 1) < 0.25
    offset_BMQ = torch.where(round_BM1, 2.0, offset_BMQ)
    to_local_BM33 = (1.0 / scale_BM3)[..., None] * rotation_BM33.transpose(-1, -2)
    parts = shift_BM3, to_local_BM33, normal_BMQ3, offset_BMQ
    return Solids(center_B3, *(values[row_B1, keep_BM] for values in parts))


def along(direction_B3N: Tensor) -> Linear:
    """Return a Linear that evaluates at given directions or points (B, 3, N)."""
    return lambda vectors_BK3, constants_BK: torch.baddbmm(constants_BK[..., None], vectors_BK3, direction_B3N)


def spans(solids: Solids, origin_B3: Tensor, linear: Linear, light_B3: Tensor) -> Spans:
    """Intersect rays from one origin per frame with the parts; `linear` evaluates at the rays' directions."""
    rays = _intersect(solids, origin_B3, linear)
    return Spans(*rays.inside(), _facing(solids, rays, light_B3))


def entry(solids: Solids, origin_B3: Tensor, linear: Linear) -> Tensor:
    """Distances (B, N) at which rays enter the solids: `spans(...).first()[0]` without the rest."""
    return _intersect(solids, origin_B3, linear).inside()[0].amin(1)


def _intersect(solids: Solids, origin_B3: Tensor, linear: Linear) -> _Intersections:
    B, M, Q = solids.offset_BMQ.shape
    origin_BM3 = _to_local(solids, origin_B3)
    room_BMQ = solids.offset_BMQ - (solids.normal_BMQ3 @ origin_BM3[..., None]).squeeze(-1)
    inverse_BMQ3 = _world_normals(solids) / torch.where(room_BMQ.abs() < TINY, TINY, room_BMQ)[..., None]
    # A ray is inside all half-spaces from the last plane that it enters (the smallest inverse distance) to the first
    # plane that it leaves (the largest). It enters those half-spaces that its origin is outside of.
    constants, vectors = _faces(room_BMQ < 0, torch.zeros_like(room_BMQ), -inverse_BMQ3)
    pull_BM3 = (origin_BM3[:, :, None] @ solids.to_local_BM33).squeeze(2)
    products = linear(
        torch.cat([vectors, solids.to_local_BM33.flatten(1, 2), pull_BM3], dim=1),
        torch.cat([constants, constants.new_zeros(B, 4 * M)], dim=1),
    )
    face_B2MQN = products[:, : 2 * M * Q].view(B, 2, M, Q, -1)
    direction_BM3N = products[:, 2 * M * Q : -M].view(B, M, 3, -1)
    nearest_B2MN = face_B2MQN.amax(3)
    ball_enter, ball_leave = _through_ball(
        direction_BM3N.square().sum(2), products[:, -M:], origin_BM3.square().sum(2)[..., None]
    )
    return _Intersections(
        ball_enter,
        ball_leave,
        (-nearest_B2MN[:, 0]).clamp_(min=1 / FARTHEST).reciprocal_(),
        nearest_B2MN[:, 1].clamp(min=1 / FARTHEST).reciprocal_(),
        # ge_ on floats, not a comparison to bool: several times faster on the CPU.
        (face_B2MQN[:, 0] - nearest_B2MN[:, 0, :, None]).ge_(0),
        origin_BM3,
        direction_BM3N,
    )


def _facing(solids: Solids, rays: _Intersections, light_B3: Tensor) -> Tensor:
    unit_BMQ3 = torch.nn.functional.normalize(_world_normals(solids), dim=-1)
    plane_BMQ1 = unit_BMQ3 @ light_B3[:, None, :, None]
    plane_BMN = (rays.entered_BMQN * (plane_BMQ1 + 1)).amax(2) - 1
    touched_BM3N = torch.addcmul(rays.origin_BM3[..., None], rays.direction_BM3N, rays.ball_enter_BMN[:, :, None])
    outward_BM3N = solids.to_local_BM33.transpose(2, 3) @ touched_BM3N
    towards_BMN = (light_B3[:, None, None] @ outward_BM3N).squeeze(2)
    ball_BMN = towards_BMN * torch.rsqrt(outward_BM3N.square().sum(2).clamp_(min=1e-12))
    return torch.where(rays.plane_enter_BMN > rays.ball_enter_BMN, plane_BMN, ball_BMN).clamp_(min=0)


def shaded(solids: Solids, points_B3N: Tensor, light_B3: Tensor) -> Tensor:
    """Return which points (B, 3, N) [m] are in the shadow of a part under parallel light; none inside the part."""
    B, M, Q = solids.offset_BMQ.shape
    center_BM3 = (solids.center_B3[:, None] + solids.part_center_BM3)[..., None]
    shift_BM3 = -(solids.to_local_BM33 @ center_BM3).squeeze(-1)
    light_BM3 = (solids.to_local_BM33 @ light_B3[:, None, :, None]).squeeze(-1)
    approach_BMQ = (solids.normal_BMQ3 @ light_BM3[..., None]).squeeze(-1)
    approach_BMQ = torch.where(approach_BMQ.abs() < TINY, TINY, approach_BMQ)
    room_BMQ = solids.offset_BMQ - (solids.normal_BMQ3 @ shift_BM3[..., None]).squeeze(-1)
    slope_BMQ3 = -_world_normals(solids) / approach_BMQ[..., None]
    constants, vectors = _faces(approach_BMQ < 0, room_BMQ / approach_BMQ, slope_BMQ3)
    products = torch.baddbmm(
        torch.cat([constants, shift_BM3.flatten(1)], dim=1)[..., None],
        torch.cat([vectors, solids.to_local_BM33.flatten(1, 2)], dim=1),
        points_B3N,
    )
    plane_B2MN = products[:, : 2 * M * Q].view(B, 2, M, Q, -1).amax(3)
    local_BM3N = products[:, 2 * M * Q :].view(B, M, 3, -1)
    pull_BMN = (light_BM3[:, :, None] @ local_BM3N).squeeze(2)
    ball_enter, ball_leave = _through_ball(light_BM3.square().sum(2)[..., None], pull_BMN, local_BM3N.square().sum(2))
    enter, leave = torch.maximum(ball_enter, plane_B2MN[:, 0]), torch.minimum(ball_leave, -plane_B2MN[:, 1])
    return ((enter < leave) & (enter > NEAREST)).any(1)


def _faces(entered_BMQ: Tensor, constant_BMQ: Tensor, vector_BMQ3: Tensor) -> tuple[Tensor, Tensor]:
    """Constants (B, 2 M Q) and vectors (B, 2 M Q, 3) of linear functions: of the planes entered, then of those left.

    Those of planes left are negated. A plane of the wrong kind has the constant -inf, so that the maximum over the
    planes of one kind gives the entry or the exit.
    """
    kind_B2MQ = torch.stack([entered_BMQ, ~entered_BMQ], dim=1)
    constant_B2MQ = torch.where(kind_B2MQ, torch.stack([constant_BMQ, -constant_BMQ], dim=1), -torch.inf)
    vector_B2MQ3 = torch.where(kind_B2MQ[..., None], torch.stack([vector_BMQ3, -vector_BMQ3], dim=1), 0.0)
    return constant_B2MQ.flatten(1), vector_B2MQ3.flatten(1, 3)


def _through_ball(speed2: Tensor, pull: Tensor, distance2: Tensor) -> tuple[Tensor, Tensor]:
    """Distances at which rays enter and leave the unit ball; nan at a miss, with which every comparison is False.

    `speed2` = |direction|^2, `pull` = direction . origin, `distance2` = |origin|^2.
    """
    squared = torch.addcmul(pull.square(), speed2, distance2 - 1, value=-1)
    root = squared * squared.rsqrt()  # torch's sqrt of negative numbers is slow on the CPU
    return (-pull - root) / speed2, (root - pull) / speed2


def _world_normals(solids: Solids) -> Tensor:
    """Normals (B, M, Q, 3) in world axes, not normalized."""
    return solids.normal_BMQ3 @ solids.to_local_BM33


def _to_local(solids: Solids, point_B3: Tensor) -> Tensor:
    center_BM3 = solids.center_B3[:, None] + solids.part_center_BM3
    return (solids.to_local_BM33 @ (point_B3[:, None] - center_BM3)[..., None]).squeeze(-1)


def _rotation_z(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, -s, o, s, c, o, o, o, i], dim=-1).view(*angle.shape, 3, 3)


def _rotation_x(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([i, o, o, o, c, -s, o, s, c], dim=-1).view(*angle.shape, 3, 3)
