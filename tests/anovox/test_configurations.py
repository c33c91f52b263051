"""Scenario_Configuration_Files: what is written is read again; damaged files are named and stop nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox import layout
from lib.anovox.configurations import read_configurations
from lib.anovox.findings import Notice
from lib.anovox.names import plain
from lib.anovox.recording import ScenarioConfig
from lib.anovox.writer import write_scenario_configuration
from lib.frame import ScenarioType
from tests.anovox_sample import NORMALITY, STATIC, renamed


def read(root):
    """The configurations, and what was reported."""
    findings = []
    return read_configurations(root, findings.append), findings


def test_configurations_round_trip(tmp_path):
    configs = [
        NORMALITY,
        STATIC,
        ScenarioConfig("Scenario_2-c", ScenarioType.DYNAMIC, "Town03", "SOFT_RAIN_SUNSET", "vehicle.x"),
    ]
    write_scenario_configuration(tmp_path, configs)
    assert read(tmp_path) == ({config.name: config for config in configs}, [])
    assert sorted(p.name for p in (tmp_path / layout.CONFIGURATION_FOLDER).iterdir()) == [
        "Town03.json",
        "Town10HD.json",
    ]


def test_configurations_may_be_absent(tmp_path):
    assert read(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"scenario_definition": {"map": "T", "scenarios": [{"id": "1", "anomaly_config": 3}]}}']
)
def test_a_damaged_configuration_is_named_and_the_others_count(tmp_path, content):
    write_scenario_configuration(tmp_path, [STATIC])
    path = tmp_path / layout.CONFIGURATION_FOLDER / "x.json"
    path.write_text(content)
    configs, [finding] = read(tmp_path)
    assert configs == {STATIC.name: STATIC}
    assert finding.reason is Notice.BAD_CONFIGURATION
    assert finding.message.startswith(f"{path}: not") and "archive again" in finding.message


def test_of_contradicting_configurations_neither_counts(tmp_path):
    write_scenario_configuration(tmp_path / "a", [STATIC, NORMALITY])
    write_scenario_configuration(tmp_path / "b", [renamed(NORMALITY, STATIC.name), NORMALITY])
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


names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
texts = st.text(max_size=12).map(plain)
entries = st.builds(
    ScenarioConfig,
    names.map("Scenario_{}".format),
    st.sampled_from(list(ScenarioType)),
    names.filter(lambda town: town.lower() == town),
    texts,
    st.none() | texts,
)


@given(st.lists(entries, max_size=5, unique_by=lambda config: config.name))
def test_whatever_is_written_is_read_and_written_again(tmp_path_factory, configs):
    root = tmp_path_factory.mktemp("configurations")
    write_scenario_configuration(root / "a", configs)
    found, findings = read(root / "a")
    assert found == {config.name: config for config in configs} and not findings
    write_scenario_configuration(root / "b", found.values())
    first, second = ({p.name: p.read_bytes() for p in (root / x).rglob("*.json")} for x in "ab")
    assert first == second
