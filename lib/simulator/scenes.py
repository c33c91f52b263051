"""A scenario's plan made into a scene."""

from dataclasses import replace

import numpy as np

from lib.labels import ANOMALY_SIZES
from lib.params import SimulateParams
from lib.simulator.anomalies.catalog import build_anomaly
from lib.simulator.assembly import Object, SceneParts, bounds, posed
from lib.simulator.buildings import add_buildings
from lib.simulator.ground import add_ground
from lib.simulator.layout import Spot, draw_route, draw_spot, occupancy
from lib.simulator.plan import AnomalyPlan, ScenarioPlan
from lib.simulator.scene import Scene
from lib.simulator.street import Street, draw_street
from lib.simulator.traffic import add_traffic
from lib.simulator.weather import build_weather

_BUILT_SHARE = {"Town01": 0.75, "Town02": 0.8, "Town03": 0.85, "Town04": 0.4, "Town05": 0.8, "Town06": 0.45, "Town07": 0.3}

GROUND_GAP_M = 0.002
"""Nothing shares the ground's plane."""


def build_scene(plan: ScenarioPlan, params: SimulateParams) -> Scene:
    """The scene of one scenario, a pure function of plan and parameters.

    Street, traffic, clutter and the spot are drawn in the same way with and without an anomaly.
    """
    rng = np.random.default_rng([params.seed, 2, plan.index])
    parts = SceneParts()
    weather = build_weather(plan.weather_preset, rng)
    street = draw_street(rng)
    route = draw_route(street, params, rng)
    size = str(rng.choice(ANOMALY_SIZES))
    spot = draw_spot(street, route, params, plan.anomaly.size if plan.anomaly else size, rng)
    ground = occupancy(street, route, spot)
    add_ground(parts, street, rng)
    add_buildings(parts, street, rng, _BUILT_SHARE.get(plan.town, 0.9))
    add_traffic(parts, street, route, ground, weather, rng)
    texture_seed = int(rng.integers(2**31))
    dropout = float(rng.beta(1.0, 30.0))
    anomaly = _anomaly(plan.anomaly, spot, params.seed, plan.index, street) if plan.anomaly else None
    if anomaly:
        parts.add(anomaly, parts.next_instance())
    scene = Scene(
        static_parts=parts.static_parts(),
        actors=parts.actors,
        weather=weather,
        ego_start_xy_m=route.position(0.0),
        ego_yaw_rad=route.yaw_rad,
        ego_speed_mps=route.speed_mps,
        texture_seed=texture_seed,
        lidar_dropout=dropout,
    )
    if plan.anomaly is None or anomaly is None:
        return scene
    low, high = bounds(anomaly)
    x, y, z = ((low + high) / 2).tolist()
    return replace(
        scene,
        anomaly_size=plan.anomaly.size,
        anomaly_kind=plan.anomaly.kind,
        anomaly_blueprint=f"static.prop.anomaly_{plan.anomaly.family}",
        anomaly_class_id=anomaly[0].class_id,
        anomaly_position_m=(x, y, z),
    )


def _anomaly(plan: AnomalyPlan, spot: Spot, seed: int, index: int, street: Street) -> Object:
    """The anomaly on its spot, turned at random; a generator of its own leaves the rest of the scene untouched."""
    rng = np.random.default_rng([seed, 3, index])
    thing = build_anomaly(plan.kind, plan.family, spot.extent_m, rng)
    return posed(thing, *street.place(spot.s, spot.d), float(rng.uniform(0, 2 * np.pi)), spot.z + GROUND_GAP_M)
