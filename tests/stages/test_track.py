"""The stage track: tracks of drives, the same for any number of workers; none of single frames."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.shards.index import write_index
from lib.shards.tracks import read_tracks
from stages import track
from tests.shard_data import shard_entry, write_street_shards
from tests.tracking.rear_clouds import braked_way_m, drive_shard
from tools.smoke import set_params

ROOT = Path(__file__).parents[2]
EGO_M = 8.0 * np.arange(22) * 0.1
RANGE_M = 14.0 + braked_way_m(8.0, 8.0, 1.4, 22) - EGO_M


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in which all normality but one scenario of each kind is tested; the working directory."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    set_params(tmp_path / "params.yaml", {"split.test_fraction": 0.5, "split.validation_fraction": 0.0})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_drives(folder, posed=True):
    folder.mkdir(parents=True)
    kinds = [ScenarioType.DYNAMIC, ScenarioType.DYNAMIC, *[ScenarioType.NORMALITY] * 4]
    shards = [
        drive_shard(folder / f"Scenario_{n}.h5", RANGE_M, EGO_M, scenario_type=kind, seed=n, posed=posed)
        for n, kind in enumerate(kinds)
    ]
    write_index(folder, [shard_entry(shard) for shard in shards])


def contents(project):
    return {path.name: path.read_bytes() for path in (project / "data/tracks").iterdir()}


def test_drives_of_the_test_are_tracked_the_same_by_any_number_of_workers(project):
    write_drives(project / "data/shards")
    set_params(project / "params.yaml", {"execution.workers": 1})
    track.main()
    found = contents(project)
    assert {"Scenario_0.h5", "Scenario_1.h5"} < set(found) and len(found) == 4  # and half of the normality
    tracks = read_tracks(project / "data/tracks/Scenario_0.h5")
    assert tracks.frame_score[:15].max() < 2 < 4 < tracks.frame_score[20]
    set_params(project / "params.yaml", {"execution.workers": 2})
    track.main()
    assert contents(project) == found


def test_with_a_past_all_sequences_are_followed(project):
    """Whatever their type and split, and without any dynamic drive in the test; shards of single frames are not."""
    set_params(project / "params.yaml", {"model.window": [0, 2], "execution.workers": 1})
    folder = project / "data/shards"
    folder.mkdir(parents=True)
    kinds = [ScenarioType.STATIC, ScenarioType.STATIC, *[ScenarioType.NORMALITY] * 3]
    shards = [
        drive_shard(folder / f"Scenario_{n}.h5", RANGE_M[:frames], EGO_M[:frames], scenario_type=kind, seed=n)
        for n, (kind, frames) in enumerate(zip(kinds, (22, 5, 22, 22, 22), strict=True))
    ]
    write_index(folder, [shard_entry(shard) for shard in shards])
    track.main()
    assert set(contents(project)) == {f"Scenario_{n}.h5" for n in (0, 2, 3, 4)}
    for shard in (shards[0], *shards[2:]):
        tracks = read_tracks(project / "data/tracks" / shard.path.name)
        assert tracks.shard_fingerprint == shard.fingerprint and tracks.frame_id.tolist() == shard.frame_id.tolist()
        assert np.abs(tracks.places_m[13] + 0.8 * np.arange(11)).max() < 0.2
    found = contents(project)
    set_params(project / "params.yaml", {"execution.workers": 2})
    track.main()
    assert contents(project) == found


def test_a_static_scenario_without_poses_is_left_out_with_a_line(project, capsys):
    set_params(project / "params.yaml", {"model.window": [0, 2]})
    folder = project / "data/shards"
    folder.mkdir(parents=True)
    shards = [
        drive_shard(folder / f"Scenario_{n}.h5", RANGE_M, EGO_M, scenario_type=kind, seed=n, posed=n > 0)
        for n, kind in enumerate([ScenarioType.STATIC, *[ScenarioType.NORMALITY] * 2])
    ]
    write_index(folder, [shard_entry(shard) for shard in shards])
    track.main()
    assert set(contents(project)) == {"Scenario_1.h5", "Scenario_2.h5"}
    assert "Scenario_0: too few frames have a pose" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [ScenarioType.NORMALITY, ScenarioType.DYNAMIC])
def test_with_a_past_each_drive_needs_poses(project, kind):
    set_params(project / "params.yaml", {"model.window": [0, 2]})
    folder = project / "data/shards"
    folder.mkdir(parents=True)
    shards = [
        drive_shard(folder / f"Scenario_{n}.h5", RANGE_M, EGO_M, scenario_type=each, seed=n, posed=n > 0)
        for n, each in enumerate([kind, *[ScenarioType.NORMALITY] * 2])
    ]
    write_index(folder, [shard_entry(shard) for shard in shards])
    with pytest.raises(DataError, match=r"22 of 22 frames of Scenario_0 have no pose.*ACTION"):
        track.main()
    assert not (project / "data/tracks").exists()


def test_shards_of_single_frames_have_no_tracks(project):
    write_street_shards(project / "data/shards", normality=4, static=2, frames=2)
    track.main()
    assert contents(project) == {}


def test_normal_drives_alone_need_no_tracks(project):
    (project / "data/shards").mkdir(parents=True)
    shards = [
        drive_shard(
            project / f"data/shards/Scenario_{n}.h5",
            RANGE_M,
            EGO_M,
            scenario_type=ScenarioType.NORMALITY,
            seed=n,
            posed=False,
        )
        for n in range(4)
    ]
    write_index(project / "data/shards", [shard_entry(shard) for shard in shards])
    track.main()
    assert contents(project) == {}


def test_drives_without_poses_end_in_a_sentence_and_leave_nothing(project):
    write_drives(project / "data/shards", posed=False)
    with pytest.raises(DataError, match=r"frames of Scenario_\d have no pose"):
        track.main()
    assert not (project / "data/tracks").exists()


def test_what_another_has_put_there_stays(project):
    write_street_shards(project / "data/shards", normality=4, static=2, frames=2)
    (project / "data/tracks").mkdir()
    (project / "data/tracks/notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds notes\.txt"):
        track.main()
