"""Finding scenarios and their files; what cannot be listed is named and stops nothing."""

import errno
import os
from pathlib import Path

import pytest

from lib.anovox.format.folders import find_scenarios, list_files
from lib.common.errors import DataError
from lib.reading.findings import Finding, Notice, ScenarioError, ScenarioReason


def found_in(root):
    """The scenarios below a folder in which nothing is wrong."""
    findings: list[Finding] = []
    found = find_scenarios(root, findings.append)
    assert findings == []
    return found


def test_scenarios_are_found_at_any_depth_and_sorted(tmp_path):
    names = ["a/Scenario_3", "Scenario_2", "b/c/d/Scenario_1", "a/Scenario_Configuration_Files", ".hidden/Scenario_9"]
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "Scenario_2" / "Scenario_inside").mkdir()
    (tmp_path / "Scenario_file").touch()
    found = found_in(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["b/c/d/Scenario_1", "Scenario_2", "a/Scenario_3"]


def test_symbolic_links_are_followed_once(tmp_path):
    data = tmp_path / "data"
    (data / "archive" / "Scenario_1").mkdir(parents=True)
    (data / "again").symlink_to(data / "archive")
    (tmp_path / "link").symlink_to(data)
    assert [path.name for path in found_in(tmp_path / "link")] == ["Scenario_1"]


def test_loops_of_symbolic_links_are_named(tmp_path):
    (tmp_path / "archive" / "Scenario_1").mkdir(parents=True)
    (tmp_path / "archive" / "up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "Scenario_loop").symlink_to(tmp_path / "Scenario_loop")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    findings: list[Finding] = []
    found = find_scenarios(tmp_path, findings.append)
    assert [path.name for path in found] == ["Scenario_1"]
    assert [finding.reason for finding in findings] == [Notice.SYMLINK_LOOP] * 3
    assert {finding.message.split(": ")[0] for finding in findings} == {
        str(tmp_path / name) for name in ("archive/up", "itself", "Scenario_loop")
    }


def lock(folder, monkeypatch):
    """Make a folder one that cannot be listed, for the superuser too."""
    folder.chmod(0o000)
    if os.access(folder, os.R_OK):
        scandir, listdir = os.scandir, os.listdir

        def refuse(path, listing):
            if Path(path) == folder:
                raise PermissionError(errno.EACCES, "Permission denied", str(folder))
            return listing(path)

        monkeypatch.setattr(os, "scandir", lambda path: refuse(path, scandir))
        monkeypatch.setattr(os, "listdir", lambda path: refuse(path, listdir))


def test_a_folder_that_cannot_be_listed_is_named_and_stops_nothing(tmp_path, monkeypatch):
    for name in ("a/Scenario_1", "locked/Scenario_2", "z/Scenario_3"):
        (tmp_path / name).mkdir(parents=True)
    lock(tmp_path / "locked", monkeypatch)
    findings: list[Finding] = []
    found = find_scenarios(tmp_path, findings.append)
    (tmp_path / "locked").chmod(0o700)
    assert [path.name for path in found] == ["Scenario_1", "Scenario_3"]
    sentence = f"{tmp_path / 'locked'}: cannot be listed (Permission denied); check its permissions"
    assert findings == [Finding(Notice.UNREADABLE_FOLDER, sentence)]


@pytest.mark.parametrize("name", [".", "LIDAR_x"])
def test_a_scenario_that_cannot_be_listed_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / "LIDAR_x").mkdir()
    lock(tmp_path / name, monkeypatch)
    with pytest.raises(ScenarioError, match=r"cannot be listed \(Permission denied\)") as caught:
        list_files(tmp_path)
    (tmp_path / name).chmod(0o700)
    assert caught.value.reason is ScenarioReason.UNREADABLE_SCENARIO


def test_files_are_listed_by_frame_whatever_their_zeros(tmp_path):
    folder = tmp_path / "LIDAR(0, 0, 1.8)(0, 0, 0)_1"
    folder.mkdir()
    (tmp_path / "ROUTE_MAP").mkdir()
    names = ("_0996.npy", "_1000.npy", "_7.npy", "_007.npy", "_8.png", ".npy", "_x.npy")
    for name in names:
        (folder / f"{folder.name}{name}").touch()
    listing = list_files(tmp_path)
    assert list(listing) == [folder.name]
    files = listing[folder.name]
    assert {frame_id: path.name.removeprefix(folder.name) for frame_id, path in files.paths.items()} == {
        1: ".npy",
        996: "_0996.npy",
        1000: "_1000.npy",
    }
    assert list(files.paths) == [1, 996, 1000]
    assert {path.name.removeprefix(folder.name) for path in files.duplicates[7]} == {"_7.npy", "_007.npy"}


@pytest.mark.parametrize(
    ("name", "part"),
    [("missing", "there is no such folder"), ("file", "not a folder"), ("empty", "holds no Scenario_")],
)
def test_a_root_without_scenarios_is_refused(tmp_path, name, part):
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(DataError, match=r"set data\.root to a folder that holds Scenario_") as caught:
        found_in(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {part}")


def test_of_two_scenarios_of_one_name_the_first_counts(tmp_path):
    for archive in "ba":
        (tmp_path / archive / "Scenario_1").mkdir(parents=True)
    findings: list[Finding] = []
    assert find_scenarios(tmp_path, findings.append) == (tmp_path / "a" / "Scenario_1",)
    [finding] = findings
    assert finding.reason is ScenarioReason.DUPLICATE_SCENARIO
    assert finding.message.startswith(f"{tmp_path / 'b' / 'Scenario_1'}: left out, since {tmp_path / 'a'}")
