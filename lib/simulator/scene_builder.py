"""Building the scene of a planned scenario."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.random import Generator

from lib.common.labels import LABELS
from lib.simulator import clutter, furniture, people, vehicles
from lib.simulator.anomalies.catalog import build_anomaly
from lib.simulator.assembly import Object, SceneParts, bounds, posed, weighted
from lib.simulator.buildings import add_buildings
from lib.simulator.driving.drive_scene import build_drive_scene
from lib.simulator.ground import add_ground
from lib.simulator.materials import chance
from lib.simulator.occupancy import Spot, draw_route, draw_spot, occupancy, waypoints
from lib.simulator.scenario_plan import AnomalyPlan, ScenarioPlan, sizes
from lib.simulator.scene import Actor, Scene
from lib.simulator.shapes import Point
from lib.simulator.simulate_params import SimulateParams
from lib.simulator.street import draw_street
from lib.simulator.streetside import add_streetside, street_furniture
from lib.simulator.traffic import add_traffic
from lib.simulator.weather import build_weather

GROUND_GAP_M: Final = 0.002
"""Avoids objects in the plane of the ground."""
NORMAL_CONTENT_FRACTION: Final = 0.75
"""Fraction of normal scenes with an object on the spot; the others leave it empty."""
_BUILDING_DENSITY: Final = {
    "Town01": 0.75, "Town02": 0.8, "Town03": 0.85, "Town04": 0.4, "Town05": 0.8, "Town06": 0.45, "Town07": 0.3,
    "Town10HD": 0.9,
}  # fmt: skip


def build_scene(plan: ScenarioPlan, params: SimulateParams) -> Scene:
    """The scene of one scenario, a pure function of plan and parameters.

    Street, traffic, clutter and the spot are drawn in the same way with and without an anomaly; the content of the spot
    has its own generator. If the anomaly is absent in some frames, the scene also has normal content for these.
    """
    if plan.driven:
        return build_drive_scene(plan, params, _BUILDING_DENSITY[plan.town])
    rng = np.random.default_rng([params.seed, 2, plan.index])
    parts = SceneParts()
    weather = build_weather(plan.weather_preset, rng)
    street = draw_street(rng)
    route = draw_route(street, params, rng)
    usual_size = str(rng.choice(sizes(params)))
    spot = draw_spot(street, route, params, plan.anomaly.size if plan.anomaly else usual_size, rng)
    ground = occupancy(street, route, spot)
    add_ground(parts, street, rng)
    add_buildings(parts, street, rng, _BUILDING_DENSITY[plan.town])
    add_traffic(parts, street, route, ground, weather, rng)
    add_streetside(parts, street, route, ground, weather, rng)

    rng_spot = np.random.default_rng([params.seed, 3, plan.index])
    if plan.anomaly:
        content = build_anomaly(plan.anomaly.kind, plan.anomaly.family, spot.extent_m, rng_spot)
        yaw = float(rng_spot.uniform(0, 2 * np.pi))
    else:
        content, yaw = normal_content(spot, street.heading(spot.s), rng_spot)
    x, y = street.place(spot.s, spot.d)
    z = spot.z + GROUND_GAP_M
    actors = _with_actor(parts, content, (x, y, z), yaw)
    if plan.absent:
        rng_usual = np.random.default_rng([params.seed, 5, plan.index])
        usual, usual_yaw = normal_content(spot, street.heading(spot.s), rng_usual)
        _with_actor(parts, usual, (x, y, z), usual_yaw)
    scene = Scene(
        static_parts=parts.static_parts(),
        actors=actors,
        weather=weather,
        ego_start_xy_m=route.position(0.0),
        ego_yaw_rad=route.yaw_rad,
        ego_speed_mps=route.speed_mps,
        ego_route_xy_m=waypoints(street, route),
        texture_seed=int(rng.integers(2**31)),
        lidar_dropout=float(rng.beta(1.0, 30.0)),
        usual_actors=parts.actors[len(actors) :],
    )
    return _with_anomaly_facts(scene, plan.anomaly, content, (x, y, z), yaw) if plan.anomaly else scene


def _with_actor(parts: SceneParts, thing: Object, place_m: Point, yaw_rad: float) -> tuple[Actor, ...]:
    """Add an object, unless empty, as a standing actor, and return all actors."""
    x, y, z = place_m
    if thing:
        parts.add_actor(posed(thing, 0.0, 0.0, 0.0, z), x, y, yaw_rad, 0.0)
    return parts.actors


def _with_anomaly_facts(scene: Scene, anomaly: AnomalyPlan, content: Object, place_m: Point, yaw_rad: float) -> Scene:
    """The scene with the facts about its anomaly; blueprints are named as in AnoVox: static.prop.o_<name>_<class>."""
    x, y, z = place_m
    [word] = [label.name for label in LABELS if label.id == content[0].class_id]
    return replace(
        scene,
        anomaly_size=anomaly.size,
        anomaly_kind=anomaly.kind,
        anomaly_blueprint=f"static.prop.o_{anomaly.family.replace('_', '')}_{word}",
        anomaly_class_id=content[0].class_id,
        anomaly_position_m=(x, y, z + float(bounds(content)[1][2]) / 2),
        anomaly_yaw_rad=yaw_rad,
    )


_ON_ROAD: Final[tuple[tuple[float, Callable[[Generator], Object]], ...]] = (
    (0.14, people.pedestrian),
    (0.10, furniture.traffic_cone),
    (0.09, furniture.trash_bags),
    (0.07, clutter.carton),
    (0.05, furniture.wheelie_bin),
    (0.04, furniture.luggage),
    (0.05, furniture.barrier),
    (0.08, people.cyclist),
    (0.05, people.motorcyclist),
    (0.15, vehicles.hatchback),
    (0.18, clutter.road_spot),
)
_BESIDE: Final[tuple[tuple[float, Callable[[Generator], Object]], ...]] = (
    (0.25, people.pedestrian),
    (0.45, street_furniture),
    (0.15, clutter.litter),
    (0.08, people.bicycle),
    (0.07, people.motorcycle),
)


def normal_content(spot: Spot, heading_rad: float, rng: Generator) -> tuple[Object, float]:
    """Content of the spot in a normal scene, and its yaw [rad]: an object that is common there and fits, or nothing."""
    if not chance(rng, NORMAL_CONTENT_FRACTION):
        return (), 0.0
    choices = _BESIDE if spot.place in ("sidewalk", "verge") else _ON_ROAD
    for _ in range(20):
        build = weighted(rng, choices)
        thing = build(rng)
        low, high = bounds(thing)
        if max(-low[0], high[0], -low[1], high[1]) <= spot.radius_m + 0.15:
            driving = build in (vehicles.hatchback, people.cyclist, people.motorcyclist)
            return thing, heading_rad + (np.pi if spot.d > 0 else 0.0) if driving else float(rng.uniform(0, 2 * np.pi))
    return (), 0.0
