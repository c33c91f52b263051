"""Scenario_Configuration_Files: type, town and weather of each scenario; anomaly kinds from simulator.json."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from lib.anovox.format import files, layout
from lib.anovox.format.findings import Finding, Notice, Report
from lib.anovox.format.folders import walk
from lib.anovox.format.recording import ScenarioConfig
from lib.anovox.format.safe_names import plain
from lib.anovox.format.simulator_notes import SIMULATOR_NOTES, read_simulator_notes
from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType

Entry = TypeVar("Entry")
_TYPES: Final = {
    **{kind.value: kind for kind in ScenarioType},
    "SUDDEN_BRAKING_OF_VEHICLE_AHEAD": ScenarioType.DYNAMIC,
}
"""AnoVox's generator spells the dynamic type in both ways: its name and its value."""


def read_configurations(root: Path, report: Report) -> dict[str, ScenarioConfig]:
    """Configurations from the `Scenario_Configuration_Files` below `root`, by scenario folder name.

    `anomaly_kind` of the simulator's scenarios comes from `simulator.json`. Damaged files are reported and ignored, and
    so are contradicting entries of one scenario, whose type is then read from its own files. Equal copies of an entry
    are no contradiction.
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
