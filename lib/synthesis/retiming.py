"""How the vehicle ahead might have moved in the last second instead: its track, re-timed, so that it brakes fully now.

Where it is now stays as it is. The same changes make negatives: it brakes or accelerates as drivers do, starts, or
drives at another speed. So that something was changed tells nothing.
Shape letters: B frames, N moments, T ticks of a track (Past.places_m_BT).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from lib.common.ticks import TICK_S

HARD_MPS2: Final = (6.0, 10.0)
"""Full braking; drivers brake and accelerate with up to"""
USUAL_MPS2: Final = 3.5
OTHER_SPEED_MPS: Final = 3.0
POSITIVE_FRACTION: Final = 0.5
STANDING_M: Final = 0.35
"""What has moved less in all known ticks stands."""
LONGEST_S: Final = 1.3
STOOD_S: Final = 0.7
"""A vehicle that stands may have come to rest up to so long ago."""
LEAST_BRAKED_S: Final = 0.08
LEAST_TICKS: Final = 3
NEAREST_M: Final = 2.7
"""So near to the LiDAR, no vehicle is put."""


@dataclass(frozen=True, eq=False)
class Retiming:
    """How the motion of the vehicle ahead is changed in B frames.

    edited_B, positive_B bool: whether, and whether it then brakes fully. It decelerates with deceleration_mps2_B
    (below 0: accelerates) over braked_s_B, until ended_s_B ago, and is faster by faster_mps_B all the time.
    """

    edited_B: Tensor
    positive_B: Tensor
    deceleration_mps2_B: Tensor
    braked_s_B: Tensor
    ended_s_B: Tensor
    faster_mps_B: Tensor

    def farther_m(self, ago_s_BN: Tensor) -> Tensor:
        """How much farther back (B, N) [m] the vehicle was so long ago than in truth."""
        since_s = (ago_s_BN - self.ended_s_B[:, None]).clamp(min=0)
        braked_s, deceleration = self.braked_s_B[:, None], self.deceleration_mps2_B[:, None]
        while_s = torch.minimum(since_s, braked_s)
        farther_m = deceleration * while_s * (since_s - while_s / 2)
        return (farther_m + self.faster_mps_B[:, None] * ago_s_BN) * self.edited_B[:, None]


def draw_retiming(
    places_m_BT: Tensor,
    ranges_m: Sequence[tuple[int, Tensor]],
    fraction: float,
    fastest_mps: float,
    generator: torch.Generator,
) -> Retiming:
    """Draw for each track whether and how it is re-timed; `fraction`: of those that are known.

    By its speed now, no vehicle becomes faster than fastest_mps in its past, and none drives backwards; nor does any
    come nearer to the ego than NEAREST_M at a lag [ticks], where ranges_m has the lag and its range (B,) then.
    """
    B, device = len(places_m_BT), places_m_BT.device
    known_BT = torch.isfinite(places_m_BT)
    way_m_BT = -torch.where(known_BT, places_m_BT, 0.0)
    ticks = torch.arange(known_BT.shape[1], device=device)
    recent = known_BT & (ticks > 0) & (ticks <= 3)
    speed_mps_B = (way_m_BT * recent).sum(1) / (ticks * recent).sum(1).clamp(min=1) / TICK_S
    stands_B = way_m_BT.abs().amax(1) < STANDING_M
    drawn = torch.rand(7, B, generator=generator, device=device)
    edited_B = (known_BT.sum(1) > LEAST_TICKS) & (drawn[0] < fraction)
    hard_B = drawn[1] < POSITIVE_FRACTION
    low, high = HARD_MPS2
    deceleration_B = torch.where(hard_B, low + (high - low) * drawn[2], USUAL_MPS2 * (2 * drawn[2] - 1))
    ended_s_B = torch.where(stands_B, STOOD_S * drawn[4], 0.0)
    faster_B = torch.where(drawn[5] < 0.3, OTHER_SPEED_MPS * (2 * drawn[6] - 1), 0.0)
    speed_mps_B = speed_mps_B.clamp(0.0, fastest_mps)
    faster_B = (speed_mps_B + faster_B).clamp(0.0, fastest_mps) - speed_mps_B
    after_mps_B = speed_mps_B + faster_B
    room_mps_B = torch.where(deceleration_B > 0, fastest_mps - after_mps_B, after_mps_B)
    braked_s_B = torch.minimum(LONGEST_S * drawn[3], room_mps_B / deceleration_B.abs().clamp(min=0.1))
    rooms_m = [(lag, range_m_B - NEAREST_M) for lag, range_m_B in ranges_m]
    for lag, room_m_B in rooms_m:
        braked_s_B = torch.minimum(braked_s_B, _longest_s(lag * TICK_S - ended_s_B, room_m_B, deceleration_B))
    wish = Retiming(edited_B, edited_B & hard_B, deceleration_B, braked_s_B, ended_s_B, faster_B)
    for lag, room_m_B in rooms_m:
        farther_m_B = wish.farther_m(torch.full((B, 1), lag * TICK_S, device=device))[:, 0]
        edited_B = edited_B & (farther_m_B <= room_m_B.clamp(min=0) + 1e-3)
    edited_B = edited_B & (~hard_B | (braked_s_B > LEAST_BRAKED_S))
    return replace(wish, edited_B=edited_B, positive_B=edited_B & hard_B)


def _longest_s(since_s_B: Tensor, room_m_B: Tensor, deceleration_mps2_B: Tensor) -> Tensor:
    """How long (B,) a vehicle may have braked that was at most room_m farther back since_s before it ended."""
    way_s2 = 2 * room_m_B.clamp(min=0.0) / deceleration_mps2_B.clamp(min=1e-3)
    since_s = since_s_B.clamp(min=0.0)
    return torch.where(way_s2 < since_s.square(), since_s - (since_s.square() - way_s2).clamp(min=0).sqrt(), torch.inf)


def farther_back_m(places_m_BT: Tensor, retiming: Retiming) -> Tensor:
    """How much farther back (B, T) [m] the vehicle was at each tick than by its track; 0 where that is not known."""
    ticks = torch.arange(places_m_BT.shape[1], device=places_m_BT.device)
    return _forwards(retiming.farther_m((ticks * TICK_S).expand_as(places_m_BT)), places_m_BT)


def _forwards(farther_m_BT: Tensor, places_m_BT: Tensor) -> Tensor:
    """farther_m_BT, changed where a vehicle that is to be slower would drive backwards; 0 where its place is not known.

    There, the vehicle ahead may have been another one.
    """
    moved_m_BT = places_m_BT - farther_m_BT
    rearmost_m_BT = torch.nan_to_num(moved_m_BT, nan=torch.inf).cummin(1).values
    moved_m_BT = torch.where(farther_m_BT < 0, torch.minimum(moved_m_BT, rearmost_m_BT), moved_m_BT)
    return torch.nan_to_num(places_m_BT - moved_m_BT)
