"""Everything that can be wrong with a download at once: each thing is named and counted, and none stops the others."""

import json
import shutil

import numpy as np
import pytest

from lib.anovox.format import layout
from lib.preprocessing.conversion import convert_data_set
from tests.all_params import all_params
from tests.anovox_sample import MONO_NORMALITY, MONO_STATIC, STEREO, STEREO_ONE_LIDAR, golden_copy

PARAMS = all_params().preprocess.model_copy(update={"max_points": 512})


def folder_of(scenario, kind):
    """The folder that preprocess.sensors=forward reads."""
    found = sorted(f for f in scenario.iterdir() if f.name == kind or f.name.startswith(f"{kind}("))
    return next((f for f in found if "(0, 0, 1.8)" in f.name), found[0])


def files_of(scenario, kind):
    return sorted(folder_of(scenario, kind).iterdir())


def no_setup(scenario):
    (scenario / layout.SENSOR_SETUP).unlink()


def broken_setup(scenario):
    (scenario / layout.SENSOR_SETUP).write_text("{")


def two_lidars(scenario):
    path = scenario / layout.SENSOR_SETUP
    setup = json.loads(path.read_text())
    lidar = folder_of(scenario, layout.LIDAR).name
    path.write_text(json.dumps(setup | {f"{lidar}0": setup[lidar]}))
    shutil.copytree(scenario / lidar, scenario / f"{lidar}0")


def no_lidar_folder(scenario):
    for folder in scenario.glob("LIDAR*"):
        shutil.rmtree(folder)


def no_semantic_lidar_folder(scenario):
    shutil.rmtree(folder_of(scenario, layout.SEMANTIC_LIDAR))


def no_image(scenario):
    files_of(scenario, layout.RGB)[0].unlink()


def cut_image(scenario):
    path = files_of(scenario, layout.RGB)[0]
    path.write_bytes(path.read_bytes()[:300])


def pickled_cloud(scenario):
    np.save(files_of(scenario, layout.LIDAR)[0], np.array([{}, None]), allow_pickle=True)


def wrong_cloud(scenario):
    np.save(files_of(scenario, layout.LIDAR)[0], np.zeros((5, 3)))


def nan_cloud(scenario):
    np.save(files_of(scenario, layout.LIDAR)[0], np.full((5, 4), np.nan, dtype=np.float32))


def empty_file(scenario):
    files_of(scenario, layout.DEPTH)[0].write_bytes(b"")


def looped_file(scenario):
    path = files_of(scenario, layout.SEMANTIC)[0]
    path.unlink()
    path.symlink_to(path)


def twice(scenario):
    path = files_of(scenario, layout.LIDAR)[0]
    name, _, frame = path.stem.rpartition("_")
    shutil.copy(path, path.with_name(f"{name}_00{frame}.npy"))


def no_frame(scenario):
    for path in scenario.glob("*/*"):
        path.unlink()


DAMAGES = {
    no_setup: "noticed.assumed_sensor_setup",
    broken_setup: "skipped_scenarios.bad_sensor_setup",
    two_lidars: "skipped_scenarios.two_sensors_at_one_pose",
    no_lidar_folder: "skipped_scenarios.no_sensor_pair",
    no_semantic_lidar_folder: "noticed.missing_sensor_folder",
    no_frame: "skipped_scenarios.no_usable_frame",
    no_image: "skipped.missing_image",
    cut_image: "skipped.damaged_image",
    pickled_cloud: "skipped.bad_array",
    wrong_cloud: "skipped.bad_array",
    nan_cloud: "skipped.bad_array",
    empty_file: "skipped.empty_file",
    looped_file: "skipped.damaged_image",
    twice: "skipped.duplicate_frame",
}


def converted(root, folder, sensors):
    folder.mkdir()
    data = convert_data_set(root, folder, PARAMS.model_copy(update={"sensors": sensors}), workers=1)
    return data, {path.name: path.read_bytes() for path in folder.glob("*.h5")}


@pytest.mark.parametrize("sensors", ["forward", "all"])
@pytest.mark.parametrize("source", [MONO_STATIC, STEREO, STEREO_ONE_LIDAR], ids=["mono", "stereo", "one_lidar"])
def test_nothing_wrong_stops_what_is_right(tmp_path, capsys, source, sensors):
    good = golden_copy(tmp_path / "good", MONO_NORMALITY, source)
    expected = converted(good, tmp_path / "expected", sensors)[1]
    root = golden_copy(tmp_path / "bad" / "archive", MONO_NORMALITY, source)
    for number, damage in enumerate(DAMAGES):
        scenario = root / f"Scenario_{number:02}-{damage.__name__}"
        shutil.copytree(source, scenario)
        damage(scenario)
    (root / "around").symlink_to(root.parent)
    shutil.copytree(source, root.parent / "zzz" / source.name)
    (root / layout.CONFIGURATION_FOLDER).mkdir()
    (root / layout.CONFIGURATION_FOLDER / "x.json").write_text("[]")
    capsys.readouterr()
    data, shards = converted(root.parent, tmp_path / "shards", sensors)
    assert {name: shards[name] for name in expected} == expected
    log = capsys.readouterr().out
    for key in {*DAMAGES.values(), "noticed.symlink_loop", "noticed.bad_configuration",
                "skipped_scenarios.duplicate_scenario"}:  # fmt: skip
        block, name = key.split(".")
        assert data.metrics[block][name] >= list(DAMAGES.values()).count(key), key
    for damage in DAMAGES:
        assert damage.__name__ in log, damage
    assert all(line.startswith(("skipped scenario: ", "skipped frame: ", "noticed: ")) for line in log.splitlines())
