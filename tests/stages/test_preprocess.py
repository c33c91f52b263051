"""The preprocess stage on golden and on damaged folders: what it writes, what it names, and what it leaves behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lib.anovox.format import layout
from lib.anovox.format.configurations import write_scenario_configuration
from lib.anovox.format.writing import write_scenario
from lib.common.errors import run_stage
from lib.geometry.frame import ScenarioType
from lib.shards.index import read_index
from lib.shards.shard_reader import read_shard
from stages.preprocess import main
from tests.anovox_sample import (
    MONO_NORMALITY,
    MONO_STATIC,
    NORMALITY,
    SENSORS,
    STATIC,
    STEREO,
    definition,
    frame_path,
    golden_copy,
    recording,
    renamed,
    write_sample,
)
from tests.processes import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml (data.root: data) and the golden scenarios in data/archive."""
    monkeypatch.chdir(tmp_path)
    golden_copy(tmp_path / "data" / "archive")
    set_params()
    return tmp_path


def set_params(**sections):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    defaults = {"data": {"root": "data"}, "execution": {"workers": 1}}
    for changes in (defaults, sections):
        for section, values in changes.items():
            params[section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params))


def outputs():
    """All files that the stage wrote, hidden and temporary ones too."""
    return {
        str(path): path.read_bytes()
        for folder in ("data", "metrics", "plots")
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and "archive" not in path.parts
    }


def run():
    main()
    return json.loads(Path("metrics/data.json").read_text())


def fails(capsys):
    """The sentence that the stage ends with; it must leave nothing behind."""
    before = outputs()
    with pytest.raises(SystemExit) as caught:
        run_stage(main)
    assert caught.value.code == 1
    assert outputs() == before
    assert not list(Path().glob("**/.*partial*"))
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: ")
    return sentence.removeprefix("error: ")


def test_golden_scenarios_become_shards(project):
    metrics = run()
    entries = read_index(Path("data/shards"))
    assert {e.scenario: (e.type, e.frames, e.frames_with_anomaly) for e in entries} == {
        "Scenario_5f82c2d9-cfeb-4fa3-a1d7-d982f8bd1045": (ScenarioType.STATIC, 3, 3),
        "Scenario_63f506fd-b9a5-4e6b-bc2f-9296078d2c7b": (ScenarioType.NORMALITY, 2, 0),
        "Scenario_9149e47e-6de0-4d43-b910-d41e2c8826ae": (ScenarioType.STATIC, 2, 2),
        "Scenario_9c330a5b-8404-4a50-8ac6-75cf347f74ad": (ScenarioType.STATIC, 1, 1),
    }
    for entry in entries:
        shard = read_shard(Path("data/shards") / entry.file)
        assert shard.points.shape == (entry.frames, 1536, 4) and shard.image.shape[1:] == (48, 72, 3)
        scenario = Path("data/archive") / entry.scenario
        for i, frame_id in enumerate(shard.frame_id):
            assert np.array_equal(shard.voxels(i), np.load(frame_path(scenario, "VOXEL_GRID", frame_id)))
    assert metrics["frames"] == {"total": 8, "with_anomaly": 6}
    assert metrics["labels"]["row_match_fraction"] == 1 and metrics["points"]["labelled_fraction"] == 1
    assert sum(metrics["skipped"].values()) == sum(metrics["skipped_scenarios"].values()) == 0
    for name in ("anomalies", "normality"):
        with Image.open(f"plots/labels/{name}.png") as sheet:
            colors = sheet.getcolors(1 << 24)
            assert sheet.width > 1000 and colors is not None and len(colors) > 100
    assert not [name for name in outputs() if "/." in name]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_writes_the_same_bytes(project, workers):
    run()
    once = outputs()
    set_params(execution={"workers": workers})
    command = [sys.executable, "-m", "stages.preprocess"]
    shutil.rmtree(".scratch")
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "unchanged" not in done.stdout
    assert "4 scenarios, 8 frames in data/shards, 0 frames skipped" in done.stdout
    assert "each frame of the 3 anomaly scenarios shows an anomaly" in done.stdout
    assert outputs() == once and len(once) == 10


def test_a_symlinked_root_gives_the_same_bytes(project):
    run()
    once = outputs()
    Path("elsewhere").symlink_to(project / "data" / "archive")
    set_params(data={"root": "elsewhere"})
    run()
    assert outputs() == once


def test_sizes_follow_the_params(project):
    set_params(preprocess={"image_height": 24, "image_width": 36, "max_points": 1000})
    run()
    for entry in read_index(Path("data/shards")):
        shard = read_shard(Path("data/shards") / entry.file)
        assert shard.image.shape[1:3] == (24, 36) == shard.pixel_class.shape[1:] == shard.depth_m.shape[1:]
        assert shard.points.shape[1] == 1000 and (shard.num_points == 1000).all()
        assert shard.camera.fx_px == pytest.approx(18) and shard.camera.cy_px == 12
        original = Path("data/archive") / entry.scenario
        assert len(shard.voxels(0)) == len(np.load(frame_path(original, "VOXEL_GRID", shard.frame_id[0])))


def test_compressed_shards_hold_the_same_and_narrow_points_nearly(project):
    run()
    plain = {path.name: path.stat().st_size for path in Path("data/shards").glob("*.h5")}
    expected = {name: read_shard(Path("data/shards") / name).points[:] for name in plain}
    set_params(preprocess={"compression": "lz4", "point_dtype": "float16"})
    run()
    for name, size in plain.items():
        path = Path("data/shards") / name
        points = read_shard(path).points[:]
        assert path.stat().st_size < size and points.dtype == np.float32
        assert np.array_equal(points, expected[name].astype(np.float16)) and not np.array_equal(points, expected[name])


def test_types_towns_and_weather_come_from_the_configuration(project):
    shutil.rmtree("data")
    write_sample(Path("data/archive"))
    write_scenario_configuration(Path("data/archive"), map(definition, [NORMALITY, STATIC]))
    set_params(preprocess={"trust_labels": True})  # pictures and clouds are noise
    run()
    found = [(e.scenario, e.type, e.town, e.weather) for e in read_index(Path("data/shards"))]
    assert found == [(c.name, c.type, c.town, c.weather_preset) for c in (NORMALITY, STATIC)]


def test_a_scenario_called_normality_whose_labels_say_otherwise_never_trains(project):
    liar = renamed(NORMALITY, "Scenario_liar")
    write_scenario(Path("data/archive"), liar, SENSORS, [recording(4, anomaly_id=31)])
    set_params(preprocess={"image_height": 48, "image_width": 72, "trust_labels": True})  # pictures are noise
    write_scenario_configuration(Path("data/archive"), [definition(liar)])
    metrics = run()
    assert {e.scenario: e.type for e in read_index(Path("data/shards"))}["Scenario_liar"] is ScenarioType.STATIC
    assert metrics["scenarios"] == {"normality": 1, "static": 4, "dynamic": 0, "unlabelled": 0}


def damage(kind, change):
    for path in Path("data/archive").iterdir():
        if path.name not in (MONO_STATIC.name, MONO_NORMALITY.name):
            shutil.rmtree(path)
    path = frame_path(Path("data/archive") / MONO_STATIC.name, kind, 1000)
    change(path)
    return path


@pytest.mark.parametrize(
    ("kind", "change", "reason", "part"),
    [
        ("RGB-CAM", lambda p: p.write_bytes(p.read_bytes()[:300]), "damaged_image", "cannot be decoded"),
        ("RGB-CAM", lambda p: p.write_bytes(b""), "empty_file", "the file is empty (0 bytes)"),
        ("RGB-CAM", lambda p: p.unlink(), "missing_image", "missing"),
        ("LIDAR", lambda p: p.unlink(), "missing_lidar", "missing"),
        ("LIDAR", lambda p: np.save(p, np.array([{}]), allow_pickle=True), "bad_array", "pickled"),
        ("LIDAR", lambda p: np.save(p, np.ones((9, 4), dtype="f2")), "bad_array", "but LIDAR is (N, 4)"),
        ("LIDAR", lambda p: np.save(p, np.ones((9, 3), dtype="f4")), "bad_array", "shape (9, 3)"),
        ("LIDAR", lambda p: np.save(p, np.ones((0, 4), dtype="f4")), "bad_array", "empty"),
        ("SEMANTIC-LIDAR", lambda p: np.save(p, np.full((9, 4), np.nan)), "bad_array", "NaN"),
    ],
)
def test_a_damaged_frame_is_left_out_counted_and_named(project, capsys, kind, change, reason, part):
    path = damage(kind, change)
    metrics = run()
    assert metrics["frames"]["total"] == 4
    assert {key: count for key, count in metrics["skipped"].items() if count} == {reason: 1}
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("skipped frame: ")]
    assert line.startswith(f"skipped frame: {path}: ") and part in line
    shard = read_shard(Path("data/shards") / f"{MONO_STATIC.name}.h5")
    assert shard.frame_id.tolist() == [996, 1004]


def test_a_scenario_without_sensor_setup_is_read_by_its_folders_names_and_named(project, capsys):
    path = Path("data/archive") / MONO_STATIC.name / layout.SENSOR_SETUP
    before = run()
    path.unlink()
    metrics = run()
    assert metrics["noticed"]["assumed_sensor_setup"] == metrics["noticed"]["other_lidar_channels"] == 1
    assert metrics["frames"] == before["frames"] and metrics["labels"] == before["labels"]
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"noticed: {path}: missing, so poses are read from") for line in lines)
    assert MONO_STATIC.name in {e.scenario for e in read_index(Path("data/shards"))}


def test_a_scenario_without_a_usable_frame_is_counted(project):
    for path in (Path("data/archive") / MONO_NORMALITY.name).glob("LIDAR*/*"):
        path.unlink()
    metrics = run()
    assert metrics["skipped_scenarios"]["no_usable_frame"] == 1 and metrics["skipped"]["missing_lidar"] == 2
    assert not Path(f"data/shards/{MONO_NORMALITY.name}.h5").exists()


def test_no_usable_frame_at_all_is_an_error(project, capsys):
    for path in Path("data").rglob("LIDAR*/*"):
        path.write_bytes(b"")
    sentence = fails(capsys)
    assert sentence.startswith("data: no usable frame (8 problems; the first: data/archive/Scenario_")
    assert sentence.endswith("check data.root")


def test_no_usable_scenario_at_all_is_an_error(project, capsys):
    for path in Path("data").rglob(layout.SENSOR_SETUP):
        path.write_text("{}")
    assert fails(capsys).startswith("data: no usable frame (4 problems; the first: data/archive/Scenario_")


@pytest.mark.parametrize(("root", "part"), [("nowhere", "there is no such folder"), ("empty", "holds no Scenario_* ")])
def test_a_root_without_data_is_an_error(project, capsys, root, part):
    Path("empty").mkdir()
    set_params(data={"root": root})
    sentence = fails(capsys)
    assert sentence.startswith(f"{root}: {part}") and "data.root" in sentence


def test_a_failure_keeps_what_an_earlier_run_wrote(project, capsys):
    run()
    set_params(data={"root": "nowhere"})
    fails(capsys)
    assert len(outputs()) == 10


def test_images_of_several_sizes_need_a_size(project, capsys):
    write_scenario(Path("data/archive"), NORMALITY, SENSORS, [recording(4)])
    sentence = fails(capsys)
    assert sentence == (
        "preprocess.image_height, preprocess.image_width: null, but the images differ in size (20 x 30, 48 x 72); "
        "set both"
    )


def test_a_damaged_configuration_is_named_and_stops_nothing(project, capsys):
    Path("data/archive", layout.CONFIGURATION_FOLDER).mkdir()
    Path("data/archive", layout.CONFIGURATION_FOLDER, "x.json").write_text("{")
    metrics = run()
    assert metrics["noticed"]["bad_configuration"] == 1 and metrics["frames"]["total"] == 8
    assert "noticed: data/archive/Scenario_Configuration_Files/x.json: not valid JSON" in capsys.readouterr().out


@pytest.mark.slow
def test_a_mistake_is_one_line_on_the_command_line(project):
    set_params(preprocess={"image_height": -5})
    command = [sys.executable, "-m", "stages.preprocess"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1 and outputs() == {}
    assert done.stderr.startswith("error: params.yaml: preprocess.image_height: got -5, which")
    assert len(done.stderr.splitlines()) == 1


def test_class_ids_in_no_table_are_named_and_stop_nothing(project, capsys):
    path = frame_path(Path("data/archive") / MONO_STATIC.name, "SEMANTIC-LIDAR", 1000)
    cloud = np.load(path)
    cloud[:50, 3] = 77
    np.save(path, cloud)
    metrics = run()
    assert metrics["frames"]["total"] == 8 and metrics["labels"]["frames_with_undefined_ids"] == 1
    assert metrics["labels"]["worst_unlabelled_fraction"] > metrics["labels"]["unlabelled_fraction"] > 0
    lines = capsys.readouterr().out.splitlines()
    named = "SEMANTIC-LIDAR holds class ids that AnoVox does not define, taken as unknown (255): 77"
    assert f"labels: {MONO_STATIC.name}: {named}" in lines
    table = Path("plots/scenarios.csv").read_text().splitlines()
    assert len(table) == 5 and table[0].startswith("scenario,type,") and table[1].startswith(MONO_STATIC.name)


def test_all_sensors_make_a_shard_per_camera(project, capsys):
    set_params(preprocess={"sensors": "all"})
    metrics = run()
    entries = read_index(Path("data/shards"))
    stereo = [entry for entry in entries if entry.scenario == STEREO.name]
    assert [(e.camera, e.file) for e in stereo] == [
        (camera, f"{STEREO.name}_{camera}.h5") for camera in ("camera0_yaw0", "camera1_yaw-15", "camera2_yaw15")
    ]
    assert len(entries) == len({entry.file for entry in entries}) == 1 + 1 + 3 + 2
    assert len({entry.max_points for entry in entries}) == 1
    assert metrics["scenarios"] == {"normality": 1, "static": 3, "dynamic": 0, "unlabelled": 0}
    assert metrics["frames"]["total"] == 3 + 2 + 3 * 2 + 2 * 1
    assert metrics["labels"]["row_match_fraction"] == 1
    clouds = [np.load(file) for file in Path("data/archive").rglob("*.npy") if file.name.startswith("LIDAR")]
    assert metrics["points"]["total"] == sum(len(cloud) for cloud in clouds)
    assert metrics["labels"]["class_agreement_off_outlines"] > 0.97
    assert "4 scenarios, 13 frames in data/shards" in capsys.readouterr().out
    shards = [read_shard(Path("data/shards") / entry.file) for entry in stereo]
    assert (
        len({shard.fingerprint for shard in shards}) == 3
        and len({str(s.calibration.camera_SE3_lidar) for s in shards}) == 3
    )
    assert all(np.array_equal(shard.points, shards[0].points) for shard in shards)
    assert shards[0].lidar_num_points.sum() == shards[0].num_points.sum() and len(shards[0].lidars) == 3


def test_a_single_camera_and_lidar_is_the_same_with_all_sensors(project):
    run()
    forward = {e.scenario: read_shard(Path("data/shards") / e.file) for e in read_index(Path("data/shards"))}
    kept = {name: np.array(forward[name].points) for name in (MONO_STATIC.name, MONO_NORMALITY.name)}
    set_params(preprocess={"sensors": "all", "max_points": forward[MONO_STATIC.name].points.shape[1]})
    run()
    for entry in read_index(Path("data/shards")):
        if entry.scenario in kept:
            assert np.array_equal(read_shard(Path("data/shards") / entry.file).points, kept[entry.scenario])


def test_a_scenario_whose_one_camera_sees_the_anomaly_never_trains(project):
    """Called normality, with the anomaly in the pixels of one of three cameras: all of its shards change their type."""
    path = Path("data/archive", STEREO.name)
    for file in path.rglob("*.npy"):
        array = np.load(file)
        array[array[:, 3] == 29, 3] = 20
        np.save(file, array)
    shutil.rmtree(path / "ANOMALY")
    for folder in path.glob("SEMANTIC-CAM*"):
        if "(0, 1, 1.8)" not in folder.name:
            for file in folder.iterdir():
                pixels = np.asarray(Image.open(file))
                Image.fromarray(np.where(pixels == 29, np.uint8(20), pixels)).save(file)
    set_params(preprocess={"sensors": "all", "trust_labels": True})  # which is just what is wrong
    run()
    found = [entry for entry in read_index(Path("data/shards")) if entry.scenario == STEREO.name]
    assert [entry.type for entry in found] == [ScenarioType.STATIC] * 3
    assert [entry.frames_with_anomaly for entry in found] == [0, 0, 2]


def test_padding_follows_clouds_that_can_be_used_and_not_what_damaged_ones_hold(project):
    """A cloud of many rows, all of them there, of which only reading shows that it holds NaN."""
    scenario = project / "data" / "archive" / MONO_STATIC.name
    np.save(frame_path(scenario, "LIDAR", 1000), np.full((100_000, 4), np.nan, dtype=np.float32))
    np.save(frame_path(scenario, "LIDAR", 996), np.full((90_000, 4), np.nan, dtype=np.float32))
    metrics = run()
    assert sum(metrics["skipped"].values()) == 2
    for entry in read_index(Path("data/shards")):
        assert read_shard(Path("data/shards") / entry.file).points.shape[1] == 1536 == entry.max_points


def test_images_of_more_pixels_than_any_camera_cost_their_scenario_alone(project):
    setup = project / "data" / "archive" / MONO_STATIC.name / "sensor_setup.json"
    setup.write_text(setup.read_text().replace('"image_height": 48', '"image_height": 8192').replace("72", "8192"))
    assert "8192" in setup.read_text()
    metrics = run()
    assert metrics["skipped_scenarios"]["bad_sensor_setup"] == 1 and metrics["frames"]["total"] == 5


def test_what_somebody_keeps_in_an_output_folder_stays(project, capsys):
    run()
    for folder in ("data/shards", "plots/labels"):
        notes = Path(folder) / "notes.txt"
        notes.write_text("mine")
        assert fails(capsys) == f"{folder}: holds notes.txt, which no run puts there; move it away"
        notes.unlink()
    run()
