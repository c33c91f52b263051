"""Where the vehicle ahead was in the last second -> whether it brakes fully."""

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
FEWEST: Final = 4
"""Places that a parabola is fitted to: one more than it has coefficients."""
PLACE_SIGMA_M: Final = 0.02
FAR_M: Final = 25.0
"""So far away, a place is twice as uncertain as PLACE_SIGMA_M."""
USUAL_MPS2: Final = 3.0
HARDEST_MPS2: Final = 12.0


class TrackHead(nn.Module):
    """Tracks of vehicles ahead -> scores (B,) that they brake fully; -inf where a track is too short to tell.

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
        return torch.where(torch.isfinite(score_B), score_B.clamp(min=SILENT), -torch.inf)

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
    it: by PLACE_SIGMA_M, or by how far the places are from the parabola. -inf where no window holds enough places with
    a fit that tyres can hold.
    """
    sigma_m_B = PLACE_SIGMA_M * (1 + torch.nan_to_num(range_m_B, posinf=0.0).div(FAR_M).square())
    hardest_B = torch.full_like(sigma_m_B, -torch.inf)
    for ticks in WINDOWS:
        places_m_BN = places_m_BT[:, : ticks + 1].double()
        known_BN = torch.isfinite(places_m_BN)
        ago_s = -TICK_S * torch.arange(ticks + 1, dtype=torch.float64, device=places_m_BT.device)
        terms_BN3 = torch.stack([torch.ones_like(ago_s), ago_s, ago_s.square() / 2], dim=1) * known_BN[..., None]
        # A little is added, so that the matrix can be inverted where too few places are known.
        normal_B33 = terms_BN3.mT @ terms_BN3 + 1e-9 * torch.eye(3, dtype=torch.float64, device=places_m_BT.device)
        inverse_B33 = torch.linalg.inv_ex(normal_B33).inverse  # inv would wait for CUDA
        fit_B3 = (inverse_B33 @ terms_BN3.mT @ torch.nan_to_num(places_m_BN)[..., None])[..., 0]
        braking_B = -fit_B3[:, 2].float()
        residual_BN = (torch.nan_to_num(places_m_BN) - (terms_BN3 @ fit_B3[..., None])[..., 0]) * known_BN
        freedom_B = (known_BN.sum(1) - 3).clamp(min=1)
        measured_B = residual_BN.square().sum(1).float() / freedom_B
        variance_B = torch.maximum(sigma_m_B.square(), measured_B) * inverse_B33[:, 2, 2].float()
        trust_B = USUAL_MPS2**2 / (USUAL_MPS2**2 + variance_B)
        known_B = (known_BN.sum(1) >= FEWEST) & (braking_B.abs() < HARDEST_MPS2)
        hardest_B = torch.where(known_B, torch.maximum(hardest_B, trust_B * braking_B), hardest_B)
    return hardest_B
