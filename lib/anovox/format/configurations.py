"""Scenario_Configuration_Files: type, town and weather of each scenario, and simulator.json.

The former are written as by AnoVox's generator (Scenarios/ScenarioDefinitionGenerator.py). simulator.json holds facts
about the simulator's scenarios for which AnoVox's files have no place. It is next to the scenarios:
`{"Scenario_<uuid>": {"anomaly_kind": "both", "absent_frames": [903, 908]}}`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from lib.anovox.format import files, layout
from lib.anovox.format.ego_state import carla_number
from lib.anovox.format.folders import walk
from lib.anovox.format.recording import ScenarioConfig
from lib.common.errors import DataError
from lib.common.outputs import write_text
from lib.geometry.frame import ScenarioType
from lib.reading.findings import Finding, Notice, Report
from lib.reading.safe_names import plain

Entry = TypeVar("Entry")
_TYPES: Final = {
    **{kind.value: kind for kind in ScenarioType},
    "SUDDEN_BRAKING_OF_VEHICLE_AHEAD": ScenarioType.DYNAMIC,
}
"""AnoVox's generator spells the dynamic type in both ways: its name and its value."""

SIMULATOR_NOTES: Final = "simulator.json"
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


@dataclass(frozen=True)
class SimulatorNote:
    """A scenario's anomaly: how it differs from normal objects, and the ids of the frames in which it is absent."""

    anomaly_kind: str
    absent_frames: tuple[int, ...] = ()


def read_configurations(root: Path, report: Report) -> dict[str, ScenarioConfig]:
    """Configurations from the `Scenario_Configuration_Files` below `root`, by scenario folder name.

    `anomaly_kind` of the simulator's scenarios comes from `simulator.json`. Damaged files are reported and ignored, and
    so are entries of one scenario that differ: its type is then read from its own files.
    """
    configuration_paths, note_paths = list[Path](), list[Path]()
    for folder in walk(root, lambda _: None):  # find_scenarios reports what cannot be listed
        found = sorted(folder.glob("*.json"))
        if folder.name == layout.CONFIGURATION_FOLDER:
            configuration_paths += found
        else:
            note_paths += [path for path in found if path.name == SIMULATOR_NOTES]
    configs = _consistent_entries(configuration_paths, _named_configurations, report)
    notes = _consistent_entries(note_paths, lambda path: read_simulator_notes(path).items(), report)
    return {
        name: replace(config, anomaly_kind=notes[name].anomaly_kind) if name in notes else config
        for name, config in configs.items()
    }


def _consistent_entries(
    paths: Iterable[Path], read: Callable[[Path], Iterable[tuple[str, Entry]]], report: Report
) -> dict[str, Entry]:
    """Entries of all readable files by scenario, without scenarios whose entries contradict each other."""
    entries: dict[str, Entry] = {}
    contradicted: set[str] = set()
    for path in paths:
        try:
            found = list(read(path))
        except DataError as error:
            report(Finding(Notice.BAD_CONFIGURATION, str(error)))
            continue
        reported: set[str] = set()
        for name, entry in found:
            if entries.setdefault(name, entry) != entry and name not in reported:
                reported.add(name)
                contradicted.add(name)
                message = f"{path}: contradicts another configuration of {name}; neither is used, remove one"
                report(Finding(Notice.BAD_CONFIGURATION, message))
    return {name: entry for name, entry in entries.items() if name not in contradicted}


def _named_configurations(path: Path) -> list[tuple[str, ScenarioConfig]]:
    return [(config.name, config) for config in configurations_in(path)]


def configurations_in(path: Path) -> list[ScenarioConfig]:
    """Entries of one configuration file; raises DataError if it is damaged."""
    document = files.read_json(path)
    try:
        definition = document["scenario_definition"]
        return [_configuration(definition["map"], entry) for entry in definition["scenarios"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"not a scenario configuration ({type(error).__name__}: {str(error)[:200]})"
        remedy = "take it from the archive again, or delete it: the scenarios' types are then read from their files"
        raise DataError(f"{path}: {problem}; {remedy}") from None


def _configuration(town: str, entry: Mapping[str, Any]) -> ScenarioConfig:
    anomaly, route = entry["anomaly_config"], entry.get("ego_route")
    blueprint = anomaly.get("anomaly_bp_name")
    weather = entry.get("weather_preset") or (route.get("weather_preset") if isinstance(route, Mapping) else None)
    return ScenarioConfig(
        name=layout.SCENARIO_PREFIX + str(entry["id"]).removeprefix(layout.SCENARIO_PREFIX),
        type=_TYPES[str(anomaly["anomalytype"]).upper()],
        town=plain(str(town)),
        weather_preset=plain(str(weather or "")),
        anomaly_blueprint=None if blueprint in (None, layout.NO_BLUEPRINT) else plain(str(blueprint)),
    )


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


def write_simulator_notes(root: Path, notes: Mapping[str, SimulatorNote]) -> None:
    """Write simulator.json into `root`: one note per anomaly scenario, by the name of its folder."""
    document = {name: asdict(note) for name, note in sorted(notes.items())}
    write_text(root / SIMULATOR_NOTES, json.dumps(document, indent=1) + "\n")


def read_simulator_notes(path: Path) -> dict[str, SimulatorNote]:
    """Read simulator.json; raises DataError if it is damaged."""
    document = files.read_json(path)
    try:
        return {str(name): _note(entry) for name, entry in document.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"not the simulator's notes ({type(error).__name__}: {str(error)[:200]})"
        remedy = "run the stage `simulate` again, or delete it: the anomalies' kinds are then unknown"
        raise DataError(f"{path}: {problem}; {remedy}") from None


def _note(entry: Any) -> SimulatorNote:
    kind, absent = entry["anomaly_kind"], entry["absent_frames"]
    if not isinstance(kind, str):
        raise ValueError("anomaly_kind is not a text")
    if not isinstance(absent, list) or not all(type(frame_id) is int for frame_id in absent):
        raise ValueError("absent_frames is not a list of frame ids")
    return SimulatorNote(plain(kind), tuple(absent))
