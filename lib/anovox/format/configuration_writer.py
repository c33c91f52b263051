"""Scenario_Configuration_Files as AnoVox's generator (Scenarios/ScenarioDefinitionGenerator.py) writes them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.anovox.format import layout
from lib.anovox.format.ego_state_text import carla_number
from lib.anovox.format.recording import ScenarioConfig
from lib.common.outputs import write_text
from lib.geometry.frame import ScenarioType

SPAWN_HEIGHT_M: Final = 0.6
"""Height at which CARLA's vehicles are spawned; they drop onto the road."""
NPC_AMOUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "Town01": (100, 200),
    "Town02": (50, 100),
    "Town03": (200, 150),
    "Town04": (250, 100),
    "Town05": (150, 150),
    "Town06": (150, 50),
    "Town07": (50, 100),
    "Town10HD": (150, 150),
}
"""AnoVox's vehicles and walkers by town."""


@dataclass(frozen=True, eq=False)
class ScenarioDefinition:
    """A scenario and its planned route.

    route_xy_m (N, 2) float64: the ego's waypoints, 1 m apart [m, world, y left]; `ego_yaw_rad`: its heading at the
    first one; `anomaly_waypoint`: index of the waypoint at the anomaly; `anomaly_yaw_rad`: the anomaly's heading.
    Angles are counter-clockwise. The last two are not used for NORMALITY scenarios.
    """

    config: ScenarioConfig
    route_xy_m: npt.NDArray[np.float64]
    ego_yaw_rad: float = 0.0
    anomaly_waypoint: int = 0
    anomaly_yaw_rad: float = 0.0


def write_scenario_configuration(data_root: Path, definitions: Iterable[ScenarioDefinition]) -> None:
    """Write `Scenario_Configuration_Files`: one file per town of AnoVox, its scenarios in the order of their names."""
    by_town: dict[str, list[ScenarioDefinition]] = {}
    for definition in definitions:
        by_town.setdefault(definition.config.town, []).append(definition)
    for town, members in sorted(by_town.items()):
        entries = [_entry(definition) for definition in sorted(members, key=lambda member: member.config.name)]
        document = {"scenario_definition": {"map": town, "scenarios": entries}}
        path = data_root / layout.CONFIGURATION_FOLDER / f"scenario_config_map_{town}.json"
        write_text(path, json.dumps(document, indent=4))


def _entry(definition: ScenarioDefinition) -> dict[str, Any]:
    config, route_xy_m = definition.config, definition.route_xy_m
    vehicles, walkers = NPC_AMOUNTS[config.town]
    end_yaw_rad = float(np.arctan2(*(route_xy_m[-1] - route_xy_m[-2])[::-1]))
    return {
        "anomaly_config": _anomaly_config(definition),
        "id": config.name.removeprefix(layout.SCENARIO_PREFIX),
        "ego_spawnpoint": _spawn_point(route_xy_m[0], definition.ego_yaw_rad),
        "ego_end_spawnpoint": _spawn_point(route_xy_m[-1], end_yaw_rad),
        "ego_route": {"locations": [_location(place_xy_m, 0.0) for place_xy_m in route_xy_m]},
        "weather_preset": config.weather_preset,
        "npc_vehicle_amount": vehicles,
        "npc_walker_amount": walkers,
    }


def _anomaly_config(definition: ScenarioDefinition) -> dict[str, Any]:
    config = definition.config
    named = {
        "anomalytype": config.type.value,
        "anomaly_bp_name": layout.NO_BLUEPRINT if config.anomaly_blueprint is None else config.anomaly_blueprint,
    }
    if config.type is ScenarioType.NORMALITY:
        return {**named, "distance_to_waypoint": 0, "rotation": 0}
    if config.type is ScenarioType.DYNAMIC:
        return {**named, "approximate_dist_to_spawning_waypoint": definition.anomaly_waypoint}
    rotation_deg = float(np.rad2deg(-definition.anomaly_yaw_rad) % 360.0)
    return {**named, "distance_to_waypoint": definition.anomaly_waypoint, "rotation": rotation_deg}


def _spawn_point(place_xy_m: npt.NDArray[np.float64], yaw_rad: float) -> dict[str, Any]:
    rotation_deg = {"pitch": 0.0, "yaw": carla_number(np.rad2deg(-yaw_rad)), "roll": 0.0}
    return {"location": _location(place_xy_m, SPAWN_HEIGHT_M), "rotation": rotation_deg}


def _location(place_xy_m: npt.NDArray[np.float64], z_m: float) -> dict[str, float]:
    """A location in CARLA's world, y to the right."""
    return {"x": carla_number(place_xy_m[0]), "y": carla_number(-place_xy_m[1]), "z": carla_number(z_m)}
