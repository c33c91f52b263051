"""Placement of objects: the ego's route, the spot of the anomaly, and the ground already occupied.

All scenarios, with or without an anomaly, draw a spot and keep it and the view of it clear in the same way, so that
only the anomaly itself distinguishes them.
"""

from dataclasses import dataclass

import numpy as np

from lib.simulator.shapes import Float
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.street import Street

EGO_HALF_WIDTH_M = 1.15
CLEAR_AHEAD_M = 3.6
_EGO_BEHIND_M = 4.5
_APPROACH = 2.0
"""An exponent above 1 ends the route nearer to the spot than a uniform draw, so that small objects are visible."""


@dataclass(frozen=True)
class Route:
    """The ego's route: straight ahead from (0, d) in street coordinates; travel_m is driven during the scenario."""

    d: float
    yaw_rad: float
    speed_mps: float
    travel_m: float
    duration_s: float

    def position(self, fraction: float) -> tuple[float, float]:
        """World x, y after a fraction (0 to 1) of the route."""
        reach = fraction * self.travel_m
        return reach * float(np.cos(self.yaw_rad)), self.d + reach * float(np.sin(self.yaw_rad))


@dataclass(frozen=True)
class Spot:
    """Position reserved for the anomaly or normal content: street coordinates s, d, ground height z and extent [m].

    place is `lane`, `road`, `parking`, `sidewalk` or `verge`.
    """

    place: str
    s: float
    d: float
    z: float
    extent_m: float
    size: str

    @property
    def radius_m(self) -> float:
        """Radius [m] of the footprint around the centre."""
        return 0.5 * self.extent_m + 0.1


class Occupancy:
    """Occupied rectangles in street coordinates, and points that must not be occluded."""

    def __init__(self, sight: Float) -> None:
        self._taken = np.empty((0, 4))
        self._sight = sight

    def take(self, s_low: float, s_high: float, d_low: float, d_high: float) -> bool:
        """Occupy a rectangle if it is free and does not occlude the spot; return success."""
        taken, (s, d) = self._taken, self._sight.T
        overlap = (taken[:, 0] < s_high) & (taken[:, 1] > s_low) & (taken[:, 2] < d_high) & (taken[:, 3] > d_low)
        in_sight = (s > s_low - 0.1) & (s < s_high + 0.1) & (d > d_low - 0.1) & (d < d_high + 0.1)
        if overlap.any() or in_sight.any():
            return False
        self.reserve(s_low, s_high, d_low, d_high)
        return True

    def reserve(self, s_low: float, s_high: float, d_low: float, d_high: float) -> None:
        """Occupy a rectangle without checks."""
        self._taken = np.concatenate([self._taken, [[s_low, s_high, d_low, d_high]]])


def draw_route(street: Street, params: SimulateParams, rng: np.random.Generator) -> Route:
    """Draw a lane and a speed with which the ego drives several metres, but not past the spot."""
    lane = int(rng.integers(street.right_lanes))
    low, high = params.anomaly_distance_m
    travel = min(float(rng.uniform(4.0, 11.0)), 0.7 * (high - low))
    duration = params.seconds_between_frames * (params.frames_per_scenario - 1)
    d = street.lane_center(lane) + float(rng.uniform(-0.2, 0.2))
    if duration == 0:
        return Route(d, street.heading(0.0) / 2, speed_mps=travel, travel_m=0.0, duration_s=0.0)
    return Route(d, street.heading(travel) / 2, travel / duration, travel, duration)


def waypoints(street: Street, route: Route) -> Float:
    """Waypoints (N, 2) [m, world] of the ego's lane, 1 m apart, from its start to the street's end."""
    s = np.arange(0.0, street.front_m)
    return np.column_stack(street.xy(s, np.full_like(s, route.d)))


def draw_spot(street: Street, route: Route, params: SimulateParams, size: str, rng: np.random.Generator) -> Spot:
    """Draw a spot that in every frame is at the wanted distance, in view, and beside or ahead of the ego's path."""
    low, high = params.anomaly_distance_m
    extent = float(rng.uniform(*next(reach for name, reach in params.anomaly_sizes_m.items() if name == size)))
    half_view = 0.82 * np.deg2rad(params.camera_fov_deg) / 2
    margin = 0.02 * (high - low)
    for _ in range(10):
        place, d, z = _draw_place(street, route, extent, rng)
        for fraction in rng.random(20).tolist():
            last = low + margin + fraction**_APPROACH * (high - route.travel_m - low - 2 * margin)
            s = _s_at_distance(street, route, d, last)
            beside = place in ("sidewalk", "verge", "parking")
            if s is None or (beside and street.in_opening(s, 1 if d > 0 else -1, 3)):
                continue
            spot = Spot(place, s, d, z, extent, size)
            if _clear_of_path(street, route, spot) and _in_view(street, route, spot, half_view, low, high):
                return spot
    distance = max(low, CLEAR_AHEAD_M + extent / 2 + 0.1)
    return Spot("lane", route.travel_m + distance, route.d, 0.0, extent, size)


def _draw_place(street: Street, route: Route, extent: float, rng: np.random.Generator) -> tuple[str, float, float]:
    """Draw the kind of place, its d [m] and its ground height [m]."""
    draw = rng.random()
    sign = -1 if rng.random() < 0.65 else 1
    kerb, side = street.kerb(sign), street.side(sign)
    if draw < 0.28:
        return "lane", route.d + float(rng.uniform(-0.9, 0.9)), 0.0
    if draw < 0.45:
        reach = street.lanes_end(sign)
        return "road", sign * float(rng.uniform(0.0, reach - 0.3)), 0.0
    if draw < 0.55 and side.parking_m:
        return "parking", sign * (kerb - side.parking_m / 2 + float(rng.uniform(-0.2, 0.2))), 0.0
    if draw < 0.94:
        inset = min(extent / 2 + 0.1, side.sidewalk_m / 2)
        return "sidewalk", sign * (kerb + float(rng.uniform(inset, side.sidewalk_m - inset + 1e-6))), street.kerb_m
    room = side.verge_m - extent / 2
    return "verge", sign * (street.walk_end(sign) + max(0.0, float(rng.uniform(0.0, 1.0)) * room)), street.kerb_m


def _s_at_distance(street: Street, route: Route, d: float, distance: float) -> float | None:
    """The s ahead at which d has this distance [m] from the ego's last position; None if there is none."""
    x, y = route.position(1.0)
    ahead = distance**2 - (d - y) ** 2
    if ahead <= 1.0:
        return None
    s = x + float(np.sqrt(ahead))
    for _ in range(3):
        at = street.place(s, d)
        s += distance - float(np.hypot(at[0] - x, at[1] - y))
    return s


def _clear_of_path(street: Street, route: Route, spot: Spot) -> bool:
    x, y = street.place(spot.s, spot.d)
    last_x, last_y = route.position(1.0)
    cosine, sine = float(np.cos(route.yaw_rad)), float(np.sin(route.yaw_rad))
    ahead = cosine * (x - last_x) + sine * (y - last_y)
    beside = abs(-sine * (x - last_x) + cosine * (y - last_y))
    return ahead - spot.radius_m > CLEAR_AHEAD_M or beside - spot.radius_m > EGO_HALF_WIDTH_M


def _in_view(street: Street, route: Route, spot: Spot, half_view_rad: float, low: float, high: float) -> bool:
    x, y = street.place(spot.s, spot.d)
    for fraction in (0.0, 0.5, 1.0):
        ego_x, ego_y = route.position(fraction)
        bearing = np.arctan2(y - ego_y, x - ego_x) - route.yaw_rad
        if abs(bearing) > half_view_rad or not low <= np.hypot(x - ego_x, y - ego_y) <= high:
            return False
    return True


def sight_points(street: Street, route: Route, spot: Spot) -> Float:
    """Street coordinates (n, 2) along the lines of sight from the ego's positions to the spot's middle and edges."""
    fractions = np.linspace(0.05, 1.0, 24)[:, None]
    lines = []
    for fraction in (0.0, 0.5, 1.0):
        start = np.array([fraction * route.travel_m, route.d])
        ahead = np.array([spot.s, spot.d]) - start
        across = np.array([-ahead[1], ahead[0]]) / max(float(np.hypot(*ahead)), 1e-6)
        for edge in (-0.8, 0.0, 0.8):
            lines.append(start + fractions * (ahead + edge * spot.radius_m * across))
    return np.concatenate(lines)


def occupancy(street: Street, route: Route, spot: Spot) -> Occupancy:
    """Occupancy before any object is placed: the ego's path and the spot."""
    ground = Occupancy(sight_points(street, route, spot))
    half = EGO_HALF_WIDTH_M + 0.25
    drift = abs(street.curvature) * route.travel_m**2 / 8
    ground.reserve(-_EGO_BEHIND_M, route.travel_m + CLEAR_AHEAD_M, route.d - half - drift, route.d + half + drift)
    reach = spot.radius_m + 0.15
    ground.reserve(spot.s - reach, spot.s + reach, spot.d - reach, spot.d + reach)
    return ground
