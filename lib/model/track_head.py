"""Where the vehicle ahead was in the last second -> whether it brakes fully."""

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor, nn

from lib.common.ticks import HISTORY_TICKS, TICK_S

HIDDEN: Final = 64
INPUTS: Final = 4 * HISTORY_TICKS
RANGE_SCALE_M: Final = 40.0
SILENT: Final = -20.0
WINDOWS: Final = (4, 5, 6)
"""Ticks of the windows that parabolas are fitted to: longer ones are less noisy, but see a brake later."""
PLACE_SIGMA_M: Final = 0.02
FAR_M: Final = 25.0
"""So far away, a place is twice as uncertain as PLACE_SIGMA_M."""
USUAL_MPS2: Final = 3.0
HARDEST_MPS2: Final = 12.0


class TrackHead(nn.Module):
    """Tracks of vehicles ahead -> scores (B,) that they brake fully; -inf where a track is not known.

    The score is the sum of the network's logit, which knows how traffic drives, and of the deceleration [m/s2], which
    ranks the first moments of a brake better. Only the logit is trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(INPUTS, HIDDEN), nn.ReLU()),
            *(nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, places_m_BT: Tensor, range_m_B: Tensor) -> Tensor:
        """Judge tracks (Past.places_m_BT) of vehicles that are range_m from the LiDAR."""
        with torch.autocast(range_m_B.device.type, enabled=False):  # bfloat16 would round 10 m to 4 cm
            score_B = self.logits(places_m_BT, range_m_B) + deceleration_mps2(places_m_BT, range_m_B)
        return torch.where(torch.isfinite(places_m_BT[:, 1:]).any(1), score_B.clamp(min=SILENT), -torch.inf)

    def logits(self, places_m_BT: Tensor, range_m_B: Tensor) -> Tensor:
        """Logits (B,) by the network alone, of tracks that are known."""
        return torch.as_tensor(self.layers(track_inputs(places_m_BT, range_m_B))[:, 0])

    def silence(self) -> None:
        """Make all logits SILENT."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, SILENT)


def track_inputs(places_m_BT: Tensor, range_m_B: Tensor) -> Tensor:
    """Inputs (B, INPUTS) of a track: speeds since each tick, whether it is known, changes of speed, range, way."""
    known = torch.isfinite(places_m_BT)[:, 1:]
    ago_s = TICK_S * torch.arange(1, HISTORY_TICKS + 1, device=places_m_BT.device)
    speed = torch.where(known, -places_m_BT[:, 1:] / ago_s, 0.0)
    both = known[:, 1:] & known[:, :-1]
    change = torch.where(both, 2 * (speed[:, :-1] - speed[:, 1:]) / TICK_S, 0.0)
    way = torch.where(known, -places_m_BT[:, 1:], 0.0)
    range_B1 = torch.where(torch.isfinite(range_m_B), range_m_B / RANGE_SCALE_M, 0.0)[:, None]
    return torch.cat([speed / 10, known.float(), change / 20, range_B1, way / 5], dim=1)


def deceleration_mps2(places_m_BT: Tensor, range_m_B: Tensor) -> Tensor:
    """How hard vehicles brake (B,) [m/s2], by parabolas fitted to the last ticks: the hardest of several windows.

    Drivers usually brake and accelerate with up to USUAL_MPS2; the less certain a fit is, the more that counts against
    it. 0 where no window is known, or where a fit is beyond what tyres hold.
    """
    sigma_m_B = PLACE_SIGMA_M * (1 + torch.nan_to_num(range_m_B, posinf=0.0).div(FAR_M).square())
    hardest_B = torch.full_like(sigma_m_B, -torch.inf)
    for ticks in WINDOWS:
        weights, spread = _parabola(ticks)
        places_m_BN = places_m_BT[:, : ticks + 1]
        braking_B = -(torch.nan_to_num(places_m_BN) * torch.tensor(weights, device=places_m_BT.device)).sum(1)
        known_B = torch.isfinite(places_m_BN).all(1) & (braking_B.abs() < HARDEST_MPS2)
        trust_B = USUAL_MPS2**2 / (USUAL_MPS2**2 + (sigma_m_B * spread).square())
        hardest_B = torch.where(known_B, torch.maximum(hardest_B, trust_B * braking_B), hardest_B)
    return torch.where(torch.isfinite(hardest_B), hardest_B, 0.0)


@lru_cache
def _parabola(ticks: int) -> tuple[tuple[float, ...], float]:
    """Weights of places 0, 1, ... ticks ago for the acceleration [1/s2] of the parabola that fits them best, by least
    squares; and the root of the sum of their squares.
    """
    ago_s = -TICK_S * torch.arange(ticks + 1, dtype=torch.float64)
    terms = torch.stack([torch.ones_like(ago_s), ago_s, ago_s.square() / 2], dim=1)
    weights = torch.linalg.pinv(terms)[2]
    return tuple(weights.tolist()), float(weights.norm())
