"""How drivers accelerate [m/s2]: towards a speed, behind a vehicle, and AnoVox's own follower."""

import math
from dataclasses import dataclass
from typing import Final

HARDEST_MPS2: Final = 9.0
"""What tyres hold."""
MIN_GAP_M: Final = 2.0
"""How far apart vehicles stand in a queue."""

_FOLLOWER_SLOWER_MPS: Final = 12.0 / 3.6
_FOLLOWER_FASTEST_MPS: Final = 70.0 / 3.6
_FOLLOWER_BRAKE: Final = 0.3
_FOLLOWER_THROTTLE: Final = 0.75
_THROTTLE_MPS2: Final = 5.0
"""Acceleration at full throttle from standing; it falls to none at _TOP_SPEED_MPS."""
_TOP_SPEED_MPS: Final = 45.0


@dataclass(frozen=True)
class Idm:
    """A driver of the intelligent driver model (Treiber, Hennecke, Helbing 2000).

    desired_mps: speed on a free road; headway_s: time gap; gap_m: bumper to bumper when standing.
    """

    desired_mps: float
    headway_s: float
    acceleration_mps2: float = 1.6
    comfortable_mps2: float = 2.2
    gap_m: float = MIN_GAP_M

    def acceleration(self, speed_mps: float, gap_m: float | None = None, ahead_mps: float = 0.0) -> float:
        """Acceleration behind a vehicle at `gap_m`, bumper to bumper, which drives `ahead_mps`; None: a free road."""
        free = 1 - (speed_mps / max(self.desired_mps, 0.1)) ** 4
        if gap_m is None:
            return self.acceleration_mps2 * max(free, -1.5)
        closing = speed_mps * (speed_mps - ahead_mps) / (2 * math.sqrt(self.acceleration_mps2 * self.comfortable_mps2))
        wanted_m = self.gap_m + max(0.0, speed_mps * self.headway_s + closing)
        wish = self.acceleration_mps2 * (max(free, -1.5) - (wanted_m / max(gap_m, 0.1)) ** 2)
        return max(wish, -HARDEST_MPS2)


def follower_pedals(speed_mps: float, distance_m: float, ahead_mps: float) -> tuple[float, float]:
    """Throttle and brake (0 to 1) of AnoVox's ego behind the lead, `distance_m` from centre to centre.

    It chooses a speed by the time gap (distance - 5 m) / closing speed, at least 1 m/s: below 3 s the lead's speed
    less 12 km/h, below 6 s the lead's speed, else 70 km/h, so also below 5 m, where the sign turns: there it drives
    into the lead. Brakes are at most 0.3. Source: AnoVox's generator, 5d7a44d.
    """
    time_gap_s = (distance_m - 5.0) / max(1.0, speed_mps - ahead_mps)
    if 0 < time_gap_s < 3:
        wanted_mps = max(0.0, ahead_mps - _FOLLOWER_SLOWER_MPS)
    elif 3 <= time_gap_s < 6:
        wanted_mps = ahead_mps
    else:
        wanted_mps = _FOLLOWER_FASTEST_MPS
    error_kmh = 3.6 * (wanted_mps - speed_mps)
    return min(max(error_kmh, 0.0), _FOLLOWER_THROTTLE), min(max(-error_kmh, 0.0), _FOLLOWER_BRAKE)


def pedal_acceleration(throttle: float, brake: float, speed_mps: float) -> float:
    """Acceleration that the pedals give."""
    return throttle * _THROTTLE_MPS2 * (1 - speed_mps / _TOP_SPEED_MPS) - brake * HARDEST_MPS2


def pedals_for(acceleration_mps2: float, speed_mps: float) -> tuple[float, float]:
    """Throttle and brake (0 to 1) that give an acceleration."""
    if acceleration_mps2 < 0:
        return 0.0, min(-acceleration_mps2 / HARDEST_MPS2, 1.0)
    return min(acceleration_mps2 / (_THROTTLE_MPS2 * max(1 - speed_mps / _TOP_SPEED_MPS, 0.1)), 1.0), 0.0
