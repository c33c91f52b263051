"""Where the vehicle ahead was in the last second -> whether it brakes fully."""

import torch
from torch import Tensor, nn

from lib.common.ticks import HISTORY_TICKS, TICK_S

HIDDEN = 64
INPUTS = 4 * HISTORY_TICKS
RANGE_SCALE_M = 40.0
SILENT = -20.0


class TrackHead(nn.Module):
    """Tracks of vehicles ahead -> logits (B,) that they brake fully; -inf where a track is not known."""

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
            logit_B: Tensor = self.layers(track_inputs(places_m_BT, range_m_B))[:, 0]
        return torch.where(torch.isfinite(places_m_BT[:, 1:]).any(1), logit_B, -torch.inf)

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
