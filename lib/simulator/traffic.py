"""Moving and parked vehicles."""

from typing import Final

import numpy as np
from numpy.random import Generator

from lib.simulator import vehicles
from lib.simulator.assembly import SceneParts, bounds, posed, weighted
from lib.simulator.materials import chance
from lib.simulator.occupancy import Occupancy, Route
from lib.simulator.scene import Weather
from lib.simulator.street import Street

_GAP_M = 0.7
_FIRST_M, _LAST_M = -60.0, 110.0
_DRIVING: Final = ((0.80, vehicles.car), (0.12, vehicles.lorry), (0.08, vehicles.bus))


def add_traffic(
    parts: SceneParts, street: Street, route: Route, ground: Occupancy, weather: Weather, rng: Generator
) -> None:
    """Add driving and parked vehicles wherever the ground is free."""
    lights = weather.night or weather.wetness > 0.5 or weather.fog_density > 0.01
    for lane in range(-street.left_lanes, street.right_lanes):
        _drive_lane(parts, street, route, ground, lane, lights, rng)
    add_parked(parts, street, ground, rng)


def add_parked(parts: SceneParts, street: Street, ground: Occupancy, rng: Generator) -> None:
    """Add parked vehicles on the parking lanes."""
    for sign in (-1, 1):
        if street.side(sign).parking_m:
            _park(parts, street, ground, sign, rng)


def _drive_lane(
    parts: SceneParts, street: Street, route: Route, ground: Occupancy, lane: int, lights: bool, rng: Generator
) -> None:
    """Add the vehicles of one lane. All move straight ahead at the same speed, so that they do not collide."""
    forward = lane >= 0
    speed = float(rng.uniform(2.0, 12.0)) if chance(rng, 0.8) else 0.0
    sweep = speed * route.duration_s
    s = _FIRST_M + float(rng.uniform(0, 40))
    while s < _LAST_M:
        thing = weighted(rng, _DRIVING)(rng, lights)
        low, high = bounds(thing)
        length, half = float(high[0] - low[0]), float(high[1])
        d = street.lane_center(lane) + float(rng.uniform(-0.2, 0.2))
        start, end = (s, s + length + sweep) if forward else (s - sweep, s + length)
        bend = abs(street.curvature) * sweep**2 / 8
        if ground.take(start - _GAP_M, end + _GAP_M, d - half - 0.2 - bend, d + half + 0.2 + bend):
            middle = s + length / 2
            on_the_way = middle + (sweep / 2 if forward else -sweep / 2)
            yaw = street.heading(on_the_way) + (0.0 if forward else np.pi)
            parts.add_actor(thing, *street.place(middle, d), yaw, speed)
        s += length + float(rng.uniform(7, 14) + rng.exponential(26))


def _park(parts: SceneParts, street: Street, ground: Occupancy, sign: int, rng: Generator) -> None:
    """Add parked vehicles on a random fraction of a parking lane."""
    occupied_fraction = float(rng.uniform(0.25, 0.9))
    s = _FIRST_M + float(rng.uniform(0, 5))
    while s < _LAST_M + street.extra_m - 15:
        if not chance(rng, occupied_fraction):
            s += 5.5
            continue
        thing = vehicles.car(rng) if chance(rng, 0.93) else vehicles.lorry(rng)
        low, high = bounds(thing)
        length, half = float(high[0] - low[0]), float(high[1])
        d = sign * (street.kerb(sign) - 0.15 - half)
        if ground.take(s, s + length, d - half, d + half):
            x, y = street.place(s + length / 2, d)
            against = sign > 0 if chance(rng, 0.9) else sign < 0
            yaw = street.heading(s + length / 2) + (np.pi if against else 0.0) + float(rng.normal(0, 0.02))
            parts.add(posed(thing, x, y, yaw), parts.next_instance())
        s += length + float(rng.uniform(0.5, 1.6))
