"""Scenario_Configuration_Files: what is written is read again; damaged files are named and stop nothing."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.format import layout
from lib.anovox.format.configurations import (
    NPC_AMOUNTS,
    ScenarioDefinition,
    read_configurations,
    write_scenario_configuration,
)
from lib.anovox.format.recording import ScenarioConfig
from lib.geometry.frame import ScenarioType
from lib.reading.findings import Finding, Notice
from lib.reading.safe_names import plain
from tests.anovox_sample import NORMALITY, STATIC, WRITTEN, definition, renamed


def read(root):
    """The configurations, and what was reported."""
    findings: list[Finding] = []
    return read_configurations(root, findings.append), findings


def test_configurations_round_trip(tmp_path):
    configs = [
        NORMALITY,
        STATIC,
        ScenarioConfig("Scenario_2-c", ScenarioType.DYNAMIC, "Town03", "SOFT_RAIN_SUNSET", "vehicle.x"),
    ]
    write_scenario_configuration(tmp_path, map(definition, configs))
    assert read(tmp_path) == ({config.name: config for config in configs}, [])
    assert sorted(p.name for p in (tmp_path / layout.CONFIGURATION_FOLDER).iterdir()) == [
        "scenario_config_map_Town03.json",
        "scenario_config_map_Town10HD.json",
    ]


def test_configurations_may_be_absent(tmp_path):
    assert read(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"scenario_definition": {"map": "T", "scenarios": [{"id": "1", "anomaly_config": 3}]}}']
)
def test_a_damaged_configuration_is_named_and_the_others_count(tmp_path, content):
    write_scenario_configuration(tmp_path, [definition(STATIC)])
    path = tmp_path / layout.CONFIGURATION_FOLDER / "x.json"
    path.write_text(content)
    configs, [finding] = read(tmp_path)
    assert configs == {STATIC.name: STATIC}
    assert finding.reason is Notice.BAD_CONFIGURATION
    assert finding.message.startswith(f"{path}: not") and "archive again" in finding.message


def test_of_contradicting_configurations_neither_counts(tmp_path):
    write_scenario_configuration(tmp_path / "a", map(definition, [STATIC, NORMALITY]))
    write_scenario_configuration(tmp_path / "b", map(definition, [renamed(NORMALITY, STATIC.name), NORMALITY]))
    configs, [finding] = read(tmp_path)
    assert configs == {NORMALITY.name: NORMALITY}
    assert finding.reason is Notice.BAD_CONFIGURATION
    assert f"contradicts another configuration of {STATIC.name}" in finding.message


@pytest.mark.parametrize("spelling", ["SUDDEN_BREAKING_OF_VEHICLE_AHEAD", "sudden_braking_of_vehicle_ahead"])
def test_both_spellings_of_the_dynamic_type(tmp_path, spelling):
    """AnoVox's generator knows the type by its name and by its value, which differ."""
    path = tmp_path / layout.CONFIGURATION_FOLDER / "x.json"
    path.parent.mkdir()
    entry = {"id": "1", "anomaly_config": {"anomalytype": spelling}, "npc_vehicle_amount": 100}
    path.write_text(json.dumps({"scenario_definition": {"map": "Town07", "scenarios": [entry]}}))
    configs, findings = read(tmp_path)
    assert configs == {"Scenario_1": ScenarioConfig("Scenario_1", ScenarioType.DYNAMIC, "Town07", "")} and not findings


GOLDEN = sorted(WRITTEN.glob("*/data/Scenario_Configuration_Files/*"))


def golden_definition(town, entry):
    """The definition from which AnoVox wrote an entry, as far as it is ours: angles and places mirrored, in radians."""
    anomaly, spawn = entry["anomaly_config"], entry["ego_spawnpoint"]["rotation"]
    blueprint = anomaly["anomaly_bp_name"]
    config = ScenarioConfig(
        name=f"Scenario_{entry['id']}",
        type=ScenarioType(anomaly["anomalytype"]),
        town=town,
        weather_preset=entry["weather_preset"],
        anomaly_blueprint=None if blueprint == "---" else blueprint,
    )
    route = np.array([(place["x"], -place["y"]) for place in entry["ego_route"]["locations"]])
    waypoint = anomaly.get("distance_to_waypoint", anomaly.get("approximate_dist_to_spawning_waypoint"))
    yaw_rad, anomaly_yaw_rad = (-np.deg2rad(angle) for angle in (spawn["yaw"], anomaly.get("rotation", 0.0)))
    return ScenarioDefinition(config, route, float(yaw_rad), waypoint, float(anomaly_yaw_rad))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: f"{path.parts[-4]}-{path.stem[-6:]}")
def test_anovoxs_own_files_are_written_again_to_the_character(tmp_path, golden):
    """But for the end of the route, which the made-up CARLA server put at its start, and the last digit of a turn."""
    theirs = json.loads(golden.read_text())
    [entry] = theirs["scenario_definition"]["scenarios"]
    made = golden_definition(theirs["scenario_definition"]["map"], entry)
    write_scenario_configuration(tmp_path, [made])
    [path] = (tmp_path / layout.CONFIGURATION_FOLDER).iterdir()
    [ours] = json.loads(path.read_text())["scenario_definition"]["scenarios"]
    last = entry["ego_route"]["locations"][-1]
    assert ours["ego_end_spawnpoint"]["location"] == {**last, "z": entry["ego_spawnpoint"]["location"]["z"]}
    assert list(ours["ego_end_spawnpoint"]["rotation"]) == list(entry["ego_end_spawnpoint"]["rotation"])
    entry["ego_end_spawnpoint"] = ours["ego_end_spawnpoint"]
    if made.config.type is ScenarioType.STATIC:
        assert ours["anomaly_config"]["rotation"] == pytest.approx(entry["anomaly_config"]["rotation"], rel=1e-14)
        entry["anomaly_config"]["rotation"] = ours["anomaly_config"]["rotation"]
    assert path.name == golden.name and path.read_text() == json.dumps(theirs, indent=4)
    assert read(tmp_path) == ({made.config.name: made.config}, [])
    assert read(golden.parents[1])[0][made.config.name] == made.config


names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
texts = st.text(max_size=12).map(plain)
entries = st.builds(
    ScenarioConfig,
    names.map("Scenario_{}".format),
    st.sampled_from(list(ScenarioType)),
    st.sampled_from(list(NPC_AMOUNTS)),
    texts,
    st.none() | texts,
)


@given(st.lists(entries, max_size=5, unique_by=lambda config: config.name))
def test_whatever_is_written_is_read_and_written_again(tmp_path_factory, configs):
    root = tmp_path_factory.mktemp("configurations")
    write_scenario_configuration(root / "a", map(definition, configs))
    found, findings = read(root / "a")
    assert found == {config.name: config for config in configs} and not findings
    write_scenario_configuration(root / "b", map(definition, found.values()))
    first, second = ({p.name: p.read_bytes() for p in (root / x).rglob("*.json")} for x in "ab")
    assert first == second
