"""Objects on and beside the road: poles, trees, furniture, people, two-wheelers, clutter."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from lib.common.labels import DYNAMIC
from lib.simulator import clutter, furniture, people, vegetation
from lib.simulator.assembly import Object, SceneParts, bounds, posed, weighted
from lib.simulator.ground import road_sign_paint
from lib.simulator.materials import chance
from lib.simulator.occupancy import Occupancy, Route
from lib.simulator.scene import Weather
from lib.simulator.street import Street

_NEAR_M, _FAR_M = -30.0, 75.0
_CROWN_M = 3.2


def add_streetside(
    parts: SceneParts, street: Street, route: Route, ground: Occupancy, weather: Weather, rng: Generator
) -> None:
    """Add everything but surfaces, buildings and cars, wherever the ground is free."""
    for sign in (-1, 1):
        _lamps(parts, street, ground, weather, sign, rng)
        _signs(parts, street, ground, sign, rng)
        _trees(parts, street, ground, sign, rng)
        _furniture(parts, street, ground, sign, rng)
        _pedestrians(parts, street, route, ground, weather, sign, rng)
    _traffic_lights(parts, street, ground, rng)
    _two_wheelers(parts, street, route, ground, rng)
    _roadworks(parts, street, ground, rng)
    _clutter(parts, street, ground, rng)


def _scattered(street: Street, near_m: float, far_m: float, expected: float, rng: Generator) -> list[float]:
    """Random places s, uniform from `near_m` to `far_m` and as dense beyond on a longer street; so many on average."""
    longer = 1 + street.extra_m / (far_m - near_m)
    places: list[float] = rng.uniform(near_m, far_m + street.extra_m, int(rng.poisson(expected * longer))).tolist()
    return places


def facing_road(street: Street, s: float, sign: int) -> float:
    """Yaw [rad] of an object on this side whose front (x) faces the road."""
    return street.heading(s) - sign * np.pi / 2


def stand(
    parts: SceneParts, street: Street, ground: Occupancy, thing: Object, s: float, d: float, z: float, yaw: float
) -> None:
    """Place an object if the ground is free and the spot stays in view."""
    low, high = bounds(posed(thing, 0.0, 0.0, yaw - street.heading(s)))
    if ground.take(s + low[0], s + high[0], d + low[1], d + high[1]):
        parts.add(posed(thing, *street.place(s, d), yaw, z), parts.next_instance())


def _lamps(parts: SceneParts, street: Street, ground: Occupancy, weather: Weather, sign: int, rng: Generator) -> None:
    """Add evenly spaced street lamps; only the foot occupies ground."""
    if chance(rng, 0.25):
        return
    post, head = furniture.street_lamp(rng, weather.night)
    spacing = float(rng.uniform(22, 38))
    for s in np.arange(-60 + float(rng.uniform(0, spacing)), 110 + street.extra_m, spacing).tolist():
        d = sign * (street.kerb(sign) + 0.45)
        if not street.in_opening(s, sign) and ground.take(s - 0.15, s + 0.15, d - 0.15, d + 0.15):
            x, y = street.place(s, d)
            yaw = facing_road(street, s, sign)
            parts.add(posed(post, x, y, yaw, street.kerb_m))
            parts.add(posed(head, x, y, yaw, street.kerb_m), parts.next_instance())


def _signs(parts: SceneParts, street: Street, ground: Occupancy, sign: int, rng: Generator) -> None:
    """Signs facing the traffic of their side, direction boards, utility poles."""
    for s in _scattered(street, _NEAR_M, 90, 4.0, rng):
        kind = int(rng.choice(3, p=(0.78, 0.10, 0.12)))
        thing = (furniture.traffic_sign, furniture.direction_board, furniture.utility_pole)[kind](rng)
        d = sign * (street.kerb(sign) + (0.4 if kind == 0 else street.side(sign).sidewalk_m * 0.9))
        half = 0.2 if kind != 1 else 1.2
        if not street.in_opening(s, sign) and ground.take(s - 0.15, s + 0.15, d - half, d + half):
            yaw = street.heading(s) + (np.pi if sign < 0 else 0.0) + float(rng.normal(0, 0.06))
            parts.add(posed(thing, *street.place(s, d), yaw, street.kerb_m))


def _trees(parts: SceneParts, street: Street, ground: Occupancy, sign: int, rng: Generator) -> None:
    """An avenue, single trees and bushes on the verge and the land behind it."""
    if chance(rng, 0.45) and street.side(sign).sidewalk_m > 2.4:
        spacing = float(rng.uniform(7, 16))
        model = int(rng.integers(2**31))
        for s in np.arange(-50 + float(rng.uniform(0, spacing)), 110 + street.extra_m, spacing).tolist():
            thing = vegetation.avenue_tree(np.random.default_rng([model, int(rng.integers(3))]))
            _plant(parts, street, ground, thing, s, sign * (street.kerb(sign) + 0.75), rng)
    verge = street.side(sign).verge_m
    for s in _scattered(street, -50, 110, 4 if verge < 3 else 12, rng):
        thing = (vegetation.tree, vegetation.bush, vegetation.tall_grass)[int(rng.choice(3, p=(0.35, 0.40, 0.25)))](rng)
        away = street.walk_end(sign) + float(rng.uniform(0.2, max(verge - 0.5, 0.4)))
        _plant(parts, street, ground, thing, s, sign * away, rng)


def _plant(
    parts: SceneParts, street: Street, ground: Occupancy, thing: Object, s: float, d: float, rng: Generator
) -> None:
    """Place a plant; it occupies the ground that it covers below the height of a lorry's mirrors."""
    turned = posed(thing, 0.0, 0.0, float(rng.uniform(0, 6.3)))
    vertices = np.concatenate([piece.mesh.vertices_m for piece in turned])
    low, high = (edge(vertices[vertices[:, 2] < _CROWN_M], axis=0) for edge in (np.min, np.max))
    free = not street.in_opening(s, 1 if d > 0 else -1)
    if free and ground.take(s + low[0], s + high[0], d + low[1], d + high[1]):
        parts.add(posed(turned, *street.place(s, d), street.heading(s), street.kerb_m))


_FURNITURE: tuple[tuple[float, Callable[[Generator], Object]], ...] = (
    (0.16, furniture.bin_),
    (0.14, furniture.bench),
    (0.06, furniture.hydrant),
    (0.09, furniture.mailbox),
    (0.11, furniture.planter),
    (0.06, furniture.advert_column),
    (0.04, furniture.bus_shelter),
    (0.04, furniture.traffic_cone),
    (0.12, furniture.wheelie_bin),
    (0.09, furniture.trash_bags),
    (0.05, furniture.pavement_sign),
    (0.04, furniture.luggage),
)


def street_furniture(rng: Generator) -> Object:
    """Any piece of street furniture."""
    return weighted(rng, _FURNITURE)(rng)


def _furniture(parts: SceneParts, street: Street, ground: Occupancy, sign: int, rng: Generator) -> None:
    kerb, walk = street.kerb(sign), street.walk_end(sign)
    for s in _scattered(street, _NEAR_M, _FAR_M, 8.0, rng):
        if street.in_opening(s, sign):
            continue
        away = float(kerb + rng.uniform(0.5, 0.9) if chance(rng, 0.5) else walk - rng.uniform(0.4, 0.8))
        yaw = facing_road(street, s, sign) + float(rng.normal(0, 0.08))
        stand(parts, street, ground, street_furniture(rng), s, sign * away, street.kerb_m, yaw)
    if chance(rng, 0.2):
        thing = furniture.bollard(rng)
        start, end, step = rng.uniform(-20, 20), rng.uniform(25, 60), rng.uniform(1.5, 2.5)
        for s in np.arange(start, end, step).tolist():
            if not street.in_opening(s, sign):
                stand(parts, street, ground, thing, s, sign * (kerb + 0.3), street.kerb_m, 0.0)


def _pedestrians(
    parts: SceneParts, street: Street, route: Route, ground: Occupancy, weather: Weather, sign: int, rng: Generator
) -> None:
    """People on the sidewalk, standing or walking, and a few who stand on or cross the road."""
    rain = "RAIN" in weather.preset
    for s in _scattered(street, -15, 70, 4.0, rng):
        thing = people.pedestrian(rng, rain)
        d = sign * float(rng.uniform(street.kerb(sign) + 0.6, street.walk_end(sign) - 0.3))
        if chance(rng, 0.05):
            d = float(rng.uniform(-street.kerb(-1), street.kerb(1)))
        on_road = -street.kerb(-1) < d < street.kerb(1)
        ahead = float(rng.choice((-1, 1)))
        speed = 0.0 if on_road or chance(rng, 0.35) else float(rng.uniform(0.8, 1.6))
        sweep = speed * route.duration_s
        start, end = (s, s + sweep) if ahead > 0 else (s - sweep, s)
        if (street.in_opening(s, sign) and not on_road) or not ground.take(start - 0.4, end + 0.4, d - 0.35, d + 0.35):
            continue
        yaw = street.heading(s) + (0.0 if ahead > 0 else np.pi)
        if speed == 0.0:
            z, yaw = 0.0 if on_road else street.kerb_m, float(rng.uniform(0, 6.3))
            parts.add(posed(thing, *street.place(s, d), yaw, z), parts.next_instance())
        else:
            parts.add_actor(posed(thing, 0.0, 0.0, 0.0, street.kerb_m), *street.place(s, d), yaw, speed)


def _traffic_lights(parts: SceneParts, street: Street, ground: Occupancy, rng: Generator) -> None:
    """Add traffic lights at a side street, on both sides of the road."""
    if street.junction is None or chance(rng, 0.4):
        return
    start, end, _ = street.junction
    arm = float(rng.uniform(3.0, 5.0)) if chance(rng, 0.5) else 0.0
    thing = furniture.traffic_light(rng, -arm)
    for sign, s in ((-1, start - 1.5), (1, end + 1.5)):
        d = sign * (street.kerb(sign) + 0.5)
        if ground.take(s - 0.2, s + 0.2, d - 0.2, d + 0.2):
            yaw = street.heading(s) + (np.pi if sign < 0 else 0.0)
            parts.add(posed(thing, *street.place(s, d), yaw, street.kerb_m))


def _two_wheelers(parts: SceneParts, street: Street, route: Route, ground: Occupancy, rng: Generator) -> None:
    """Cyclists and motorcyclists on the road's edge, parked bicycles and motorcycles on the sidewalk."""
    for s in _scattered(street, -25, 65, 2.2, rng):
        sign = int(rng.choice((-1, 1)))
        motor = chance(rng, 0.35)
        thing = people.motorcyclist(rng) if motor else people.cyclist(rng)
        speed = float(rng.uniform(3, 9) if motor else rng.uniform(2, 5.5))
        sweep = speed * route.duration_s
        d = sign * (street.lanes_end(sign) - float(rng.uniform(0.45, 1.0)))
        start, end = (s, s + sweep) if sign < 0 else (s - sweep, s)
        bend = abs(street.curvature) * sweep**2 / 8
        if ground.take(start - 1.0, end + 1.0, d - 0.45 - bend, d + 0.45 + bend):
            middle = s + (sweep / 2 if sign < 0 else -sweep / 2)
            yaw = street.heading(middle) + (np.pi if sign > 0 else 0.0)
            parts.add_actor(thing, *street.place(s, d), yaw, speed)
    for s in _scattered(street, -25, 65, 2.5, rng):
        sign = int(rng.choice((-1, 1)))
        thing = people.leaning(rng, people.bicycle(rng) if chance(rng, 0.65) else people.motorcycle(rng))
        d = sign * float(rng.uniform(street.kerb(sign) + 0.5, street.walk_end(sign) - 0.4))
        yaw = street.heading(s) + float(rng.choice((0.0, np.pi, np.pi / 2)) + rng.normal(0, 0.1))
        if not street.in_opening(s, sign):
            stand(parts, street, ground, thing, s, d, street.kerb_m, yaw)


def _roadworks(parts: SceneParts, street: Street, ground: Occupancy, rng: Generator) -> None:
    """Add a row of cones or barriers along the road's edge, on 22 % of the streets."""
    if not chance(rng, 0.22):
        return
    sign, start = int(rng.choice((-1, 1))), float(rng.uniform(2, 45))
    barriers = chance(rng, 0.4)
    for i in range(int(rng.integers(2, 7))):
        thing = furniture.barrier(rng) if barriers else furniture.traffic_cone(rng)
        s, d = start + i * float(rng.uniform(1.6, 2.6)), sign * (street.kerb(sign) - 0.6 - 0.12 * i)
        yaw = street.heading(s) + (np.pi / 2 if barriers else 0.0) + float(rng.normal(0, 0.1))
        stand(parts, street, ground, thing, s, d, 0.0, yaw)


def _clutter(parts: SceneParts, street: Street, ground: Occupancy, rng: Generator) -> None:
    """Add flat objects on the road (they occupy no ground), litter on road and sidewalks, painted signs."""
    for s in _scattered(street, -15, 60, 14, rng):
        d = float(rng.uniform(-street.kerb(-1) + 0.4, street.kerb(1) - 0.4))
        yaw = street.heading(s) + float(rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.1))
        thing = clutter.road_spot(rng)
        counted = thing[0].class_id == DYNAMIC
        parts.add(posed(thing, *street.place(s, d), yaw), parts.next_instance() if counted else 0)
    for s in _scattered(street, -15, 50, 4, rng):
        sign = int(rng.choice((-1, 1)))
        on_walk = chance(rng, 0.65)
        d = sign * (street.kerb(sign) + (float(rng.uniform(0.3, street.side(sign).sidewalk_m)) if on_walk else -0.3))
        if not street.in_opening(s, sign):
            yaw, z = float(rng.uniform(0, 6.3)), street.kerb_m if on_walk else 0.0
            stand(parts, street, ground, clutter.litter(rng), s, d, z, yaw)
    for s in _scattered(street, 3, 60, 0.8, rng):
        lane = int(rng.integers(-street.left_lanes, street.right_lanes))
        yaw = street.heading(s) + (0.0 if lane >= 0 else np.pi)
        parts.add(posed((road_sign_paint(rng),), *street.place(s, street.lane_center(lane)), yaw))
