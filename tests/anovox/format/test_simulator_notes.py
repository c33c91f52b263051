"""simulator.json: by what a simulated anomaly differs; written, read with the configurations, never guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.anovox.format.configurations import (
    SIMULATOR_NOTES,
    SimulatorNote,
    read_configurations,
    read_simulator_notes,
    write_scenario_configuration,
    write_simulator_notes,
)
from lib.anovox.reading.scenario import open_scenario
from lib.common.errors import DataError
from lib.reading.findings import Finding, Notice
from tests.anovox_sample import NORMALITY, STATIC, definition, write_sample
from tests.present import present
from tests.sound_files import no_finding, whole_frames


def kinds(root):
    findings: list[Finding] = []
    configs = read_configurations(root, findings.append)
    return {name: config.anomaly_kind for name, config in configs.items()}, findings


@pytest.fixture
def root(tmp_path):
    write_scenario_configuration(tmp_path, map(definition, [NORMALITY, STATIC]))
    write_simulator_notes(tmp_path, {STATIC.name: SimulatorNote("appearance", (903,))})
    return tmp_path


@given(
    st.dictionaries(
        st.text(), st.builds(SimulatorNote, st.sampled_from(["geometry", "both"]), st.lists(st.integers(0)).map(tuple))
    )
)
def test_notes_round_trip(tmp_path_factory, notes):
    root = tmp_path_factory.mktemp("notes")
    write_simulator_notes(root, notes)
    assert read_simulator_notes(root / SIMULATOR_NOTES) == notes


def test_the_kind_comes_with_the_configuration_and_goes_to_the_frames(root):
    assert kinds(root) == ({NORMALITY.name: None, STATIC.name: "appearance"}, [])
    write_sample(root)
    configs = read_configurations(root, no_finding)
    for name, kind in ((NORMALITY.name, None), (STATIC.name, "appearance")):
        reads = whole_frames(open_scenario(root / name, configs[name]))
        assert len(reads) == 3
        assert [read.frame.anomaly and read.frame.anomaly.kind for read in reads] == [kind] * 3
    reads = whole_frames(open_scenario(root / STATIC.name, None))
    assert {present(read.frame.anomaly).kind for read in reads} == {None}


def test_the_notes_may_be_absent(root):
    (root / SIMULATOR_NOTES).unlink()
    assert kinds(root) == ({NORMALITY.name: None, STATIC.name: None}, [])


def test_anomaly_files_are_not_asked_for_the_kind(root):
    (root / SIMULATOR_NOTES).unlink()
    write_sample(root)
    for path in (root / STATIC.name / "ANOMALY").iterdir():
        path.write_text(path.read_text() + "kind ; both\n")
    reads = whole_frames(open_scenario(root / STATIC.name, STATIC))
    assert len(reads) == 3 and {present(read.frame.anomaly).kind for read in reads} == {None}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "not valid JSON"),
        ("", "empty"),
        ("[]", "not the simulator's notes"),
        ('{"Scenario_1": 3}', "not the simulator's notes"),
        ('{"Scenario_1": {"anomaly_kind": "both"}}', "absent_frames"),
        ('{"Scenario_1": {"anomaly_kind": null, "absent_frames": []}}', "anomaly_kind is not a text"),
        ('{"Scenario_1": {"anomaly_kind": "both", "absent_frames": [true]}}', "absent_frames is not a list"),
        ('{"Scenario_1": {"anomaly_kind": "both", "absent_frames": 3}}', "absent_frames is not a list"),
    ],
)
def test_damaged_notes_are_named_and_the_configurations_count(root, content, part):
    path = root / SIMULATOR_NOTES
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_simulator_notes(path)
    found, [finding] = kinds(root)
    assert found == {NORMALITY.name: None, STATIC.name: None}
    assert finding.reason is Notice.BAD_CONFIGURATION and finding.message == str(caught.value)
    assert finding.message.startswith(f"{path}: ") and part in finding.message


def test_contradicting_notes_are_not_used(root):
    other = root / "other" / SIMULATOR_NOTES
    other.parent.mkdir()
    other.write_text(json.dumps({STATIC.name: {"anomaly_kind": "both", "absent_frames": [903]}}))
    found, [finding] = kinds(root)
    assert found[STATIC.name] is None and finding.message.startswith(f"{other}: contradicts")
