"""`python -m tools.detect`: scores, table, pictures and video of any recordings; the rest of a batch goes on."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

import anovox_fusion
from lib.common.errors import run_stage
from lib.figures import video
from tests.anovox_sample import GOLDEN
from tests.as_predict import as_predict
from tests.drives import write_drive
from tests.exported import WITH_PAST, write_model
from tests.sensor_files import HEIGHT, P2, WIDTH, raw_cloud, write_folder, write_kitti_object, write_kitti_odometry
from tools.detect import main

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"{number:06d}" for number in range(4)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    write_folder(folder / "drive", NAMES)
    path = folder / "detector.safetensors"
    write_model(path, anovox_fusion.read_frames(folder))
    return path


@pytest.fixture
def drive(tmp_path):
    """A plain folder whose first cloud has two rays without an echo."""
    folder = tmp_path / "drive"
    write_folder(folder, NAMES, {"frames_per_second": 5})
    points = raw_cloud(0)
    points[10, :3], points[20, 1] = 0, np.nan
    np.save(folder / "clouds" / f"{NAMES[0]}.npy", points)
    return folder


@pytest.fixture
def detect(model, tmp_path, monkeypatch, capsys):
    def run(*options, status=0):
        """Run the tool with the model, into tmp_path/out; returns what it printed to stdout and stderr."""
        command = ["detect", *map(str, options), "--output", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", command if "--model" in options else [*command, "--model", str(model)])
        found: Any = 0
        try:
            run_stage(main)
        except SystemExit as error:
            found = error.code
        captured = capsys.readouterr()
        assert found == status, captured.err
        return captured.out, captured.err

    return run


def table(output):
    with (output / "detections.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_drive_gets_scores_a_table_pictures_and_a_video(detect, drive, tmp_path, model):
    out, err = detect(drive)
    folder = tmp_path / "out" / "drive"
    assert "4 frames, " in out and " frames/s" in out and "detect: 100%" in err
    assert "Thresholds come from the validation frames of the training" in out
    rows = table(tmp_path / "out")
    assert [row["frame_id"] for row in rows] == ["0", "1", "2", "3"] and rows[1]["time_s"] == "0.2"
    assert np.load(folder / "frame_scores.npy").tolist() == [float(row["frame_score"]) for row in rows]

    detector = anovox_fusion.load(model, "cpu")
    frames = list(anovox_fusion.read_frames(drive))
    scored = detector.score(frames, detector.range_view(frames[0]))
    for name, row, detections in zip(NAMES, rows, scored, strict=True):
        points, pixels = np.load(folder / "points" / f"{name}.npy"), np.load(folder / "pixels" / f"{name}.npy")
        assert points.shape == (len(raw_cloud(0)),) and points.dtype == pixels.dtype == np.float16
        np.testing.assert_array_equal(points[~np.isnan(points)], detections.point_scores)
        np.testing.assert_array_equal(pixels, detections.pixel_scores)
        in_view = np.where(detections.points_in_view, detections.point_scores, -np.inf)
        place = detections.frame.points[in_view.argmax(), :3]
        assert [float(row[f"highest_point_{axis}_m"]) for axis in "xyz"] == pytest.approx(place, abs=1e-3)
        assert float(row["highest_point_score"]) == in_view.max()
        assert pixels[int(row["highest_pixel_row"]), int(row["highest_pixel_column"])] == pixels.max()
        assert int(row["pixel_alarms"]) == detections.pixel_alarms.sum()
        assert row["frame_alarm"] == str(detections.frame_alarm)
    first = np.load(folder / "points" / f"{NAMES[0]}.npy")
    assert np.flatnonzero(np.isnan(first)).tolist() == [10, 20]  # rows of the file without an echo

    pictures = sorted((folder / "pictures").iterdir())
    assert [picture.name for picture in pictures] == [f"{name}.png" for name in NAMES]
    assert (folder / "drive.mp4").read_bytes()[4:8] == b"ftyp"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["frames"], summary["failures"], summary["differences_from_training"]) == (4, [], [])
    assert summary["thresholds"]["pixel"]["score"] == detector.thresholds["pixel"]


def test_without_ffmpeg_the_video_is_a_gif(detect, drive, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "find_ffmpeg", lambda: None)
    detect(drive)
    with (
        Image.open(tmp_path / "out" / "drive" / "drive.gif") as gif,
        Image.open(tmp_path / "out" / "drive" / "pictures" / "000000.png") as picture,
    ):
        assert (getattr(gif, "n_frames", 1), gif.size, gif.info["duration"]) == (4, picture.size, 200)


def test_a_second_run_replaces_the_first_byte_for_byte(detect, drive, tmp_path):
    def contents():
        files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.suffix != ".mp4")
        return {path.relative_to(tmp_path): path.read_bytes() for path in files}

    detect(drive)
    first = contents()
    detect(drive)
    assert contents() == first and len(first) == 3 + 3 * 4


def test_tables_may_be_parquet_and_pictures_left_out(detect, drive, tmp_path):
    detect(drive, "--table", "parquet", "--no-pictures")
    table = pyarrow.parquet.read_table(tmp_path / "out" / "detections.parquet")
    assert table.num_rows == 4 and table.column("frame_id").to_pylist() == [0, 1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "out" / "drive").iterdir()) == [
        "frame_scores.npy",
        "pixels",
        "points",
    ]


def test_normal_frames_of_the_target_set_the_thresholds(detect, drive, tmp_path):
    out, _ = detect(drive, "--normal", drive, "--false-alarms", "0.1", "--no-pictures")
    assert "Thresholds come from the validation" not in out
    assert "frame: no threshold; 4 normal ones are too few for any rate of false alarms" in out
    points = [np.load(path) for path in sorted((tmp_path / "out" / "drive" / "pixels").iterdir())]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    pixels = np.concatenate([part.ravel() for part in points])
    threshold = summary["thresholds"]["pixel"]
    assert threshold["normal_items"] == len(pixels) and summary["thresholds_from"] == "normal frames"
    assert 0.09 < np.mean(pixels >= threshold["score"]) <= 0.1
    assert sum(int(row["pixel_alarms"]) for row in table(tmp_path / "out")) == (pixels >= threshold["score"]).sum()


def test_kitti_and_folders_go_in_together_and_what_differs_is_said(detect, drive, tmp_path):
    write_kitti_object(tmp_path / "kitti" / "training", {"000003": (P2, (HEIGHT, WIDTH)), "000004": (P2, (39, WIDTH))})
    write_kitti_odometry(tmp_path / "odometry" / "sequences" / "05", 3)
    bright = tmp_path / "bright" / "images"
    shutil.copytree(drive, bright.parent)
    for path in bright.iterdir():
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 250, dtype=np.uint8)).save(path)
    folders = [tmp_path / name for name in ("kitti", "odometry", "bright")]
    detect(*folders, "--no-video")
    rows = table(tmp_path / "out")
    assert [row["recording"] for row in rows] == [
        "training_000003",
        "training_000004",
        *3 * ["sequences_05"],
        *4 * ["bright"],
    ]
    assert np.load(tmp_path / "out" / "training_000004" / "pixels" / "000004.npy").shape == (39, WIDTH)
    only, _ = detect(tmp_path / "bright", "--no-pictures")
    assert "  - brightness of the images: 0.98" in only


def test_anovox_needs_no_labels(detect, tmp_path):
    """Images and clouds suffice, and their scores are those of the labelled scenario."""
    scenario = min(GOLDEN.glob("Scenario_*"))
    shutil.copytree(scenario, tmp_path / "labelled" / scenario.name)
    for item in scenario.iterdir():
        if item.name == "sensor_setup.json":
            (tmp_path / "bare" / scenario.name).mkdir(parents=True)
            shutil.copy(item, tmp_path / "bare" / scenario.name)
    for kind in ("RGB-CAM", "LIDAR"):
        for item in scenario.glob(f"{kind}*"):
            shutil.copytree(item, tmp_path / "bare" / scenario.name / item.name)
    scores = []
    for folder in ("labelled", "bare"):
        detect(tmp_path / folder, "--no-pictures")
        rows = table(tmp_path / "out")
        scores.append([float(row["frame_score"]) for row in rows])
        assert {row["recording"] for row in rows} == {scenario.name} and rows[0]["time_s"] != ""
    images = next(scenario.glob("RGB-CAM*")).glob("*.png")
    assert scores[0] == scores[1] and len(scores[0]) == len(list(images)) > 0


def test_what_fails_is_listed_at_the_end_and_the_rest_goes_on(detect, drive, tmp_path):
    (drive / "images" / f"{NAMES[1]}.png").write_bytes(b"no picture")
    without = tmp_path / "without"
    write_folder(without, NAMES[:1])
    (without / "calibration.yaml").unlink()
    (tmp_path / "empty").mkdir()
    out, err = detect(drive, without, tmp_path / "empty", tmp_path / "nowhere", "--no-pictures", status=1)
    failures = [line for line in out.splitlines() if line.startswith("not scored: ")]
    assert len(failures) == 4 and all(len(failure.splitlines()) == 1 for failure in failures)
    assert "empty: holds no data of a known format" in failures[0] and "nowhere: there is no such folder" in failures[1]
    assert "there is no calibration.yaml in it or above it" in failures[2] and "000001.png" in failures[3]
    assert err.splitlines()[-1] == (
        f"error: not everything was scored: 4 failures; {tmp_path / 'out'}/summary.json lists them"
    )
    assert [row["frame_id"] for row in table(tmp_path / "out")] == ["0", "2", "3"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [f"not scored: {failure}" for failure in summary["failures"]] == failures


def swapped(folder):
    """The folder's calibration says `vehicle` where it is `opencv`."""
    path = folder / "calibration.yaml"
    path.write_text(path.read_text().replace("opencv", "vehicle"))


def unpaired(folder):
    for path in (folder / "clouds").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))


def columns(folder):
    np.save(folder / "clouds" / f"{NAMES[0]}.npy", np.zeros((5, 7), dtype=np.float32))
    for name in NAMES[1:]:
        (folder / "clouds" / f"{name}.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (swapped, "which fits with camera_axes: opencv"),
        (unpaired, "do not pair: no two have the same name"),
        (columns, "an array of shape (5, 7), but calibration.yaml names 4 columns"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(detect, drive, tmp_path, damage, sentence):
    damage(drive)
    out, err = detect(drive, "--no-pictures", status=1)
    assert sentence in out and err.splitlines()[-1].startswith("error: not everything was scored: 1 failures")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "there is no model file"), (b"PK\x03\x04 a pickle", "not a detector"), ("cut", "not a detector")],
)
def test_a_model_file_that_is_missing_cut_or_foreign_is_one_sentence(detect, drive, model, tmp_path, content, sentence):
    path = tmp_path / "other.safetensors"
    if content is not None:
        path.write_bytes(model.read_bytes()[:-100] if content == "cut" else content)
    _, err = detect(drive, "--model", path, status=1)
    assert err.startswith(f"error: {path}: ") and sentence in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_folders_of_others_are_not_replaced_and_the_rest_goes_on(detect, drive, tmp_path):
    shutil.copytree(drive, tmp_path / "other")
    (tmp_path / "out" / "drive").mkdir(parents=True)
    (tmp_path / "out" / "drive" / "thesis.txt").write_text("mine")
    out, _ = detect(drive, tmp_path / "other", "--no-pictures", status=1)
    assert "not scored: " in out and "holds thesis.txt, which no run puts there" in out
    assert [path.name for path in (tmp_path / "out" / "drive").iterdir()] == ["thesis.txt"]
    assert {row["recording"] for row in table(tmp_path / "out")} == {"other"}


def test_of_two_recordings_of_one_name_the_first_is_scored(detect, drive, tmp_path):
    shutil.copytree(drive, tmp_path / "again" / "drive")
    out, _ = detect(drive, tmp_path / "again" / "drive", "--no-pictures", status=1)
    assert f"not scored: {tmp_path / 'again' / 'drive'}: {drive} has the same name, drive; rename one" in out
    assert len(table(tmp_path / "out")) == 4


def test_names_of_other_alphabets_stay_apart(detect, drive, tmp_path):
    for name in ("北京", "上海"):
        shutil.copytree(drive, tmp_path / "cities" / name)
    detect(tmp_path / "cities", "--no-pictures")
    assert len({row["recording"] for row in table(tmp_path / "out")}) == 2


def test_a_poor_first_cloud_does_not_say_what_the_lidar_is_like(detect, drive, tmp_path):
    detect(drive, "--no-pictures")
    expected = [float(row["frame_score"]) for row in table(tmp_path / "out")]
    np.save(drive / "clouds" / f"{NAMES[0]}.npy", np.array([[-3, 0, 0, 1]], dtype=np.float32))  # behind the camera
    detect(drive, "--no-pictures")
    assert [float(row["frame_score"]) for row in table(tmp_path / "out")][1:] == pytest.approx(expected[1:], abs=0.05)


def test_a_recording_of_which_no_frame_can_be_read_leaves_no_folder(detect, drive, tmp_path):
    bad = tmp_path / "bad"
    shutil.copytree(drive, bad)
    for path in (bad / "images").iterdir():
        path.write_bytes(b"no picture")
    detect(bad, drive, "--no-pictures", status=1)
    assert not (tmp_path / "out" / "bad").exists() and len(table(tmp_path / "out")) == 4


def test_a_signal_ends_it_between_two_frames(drive, model, tmp_path):
    for number in range(4, 300):  # more than are scored before the signal comes, on a busy machine
        shutil.copy(drive / "images" / f"{NAMES[1]}.png", drive / "images" / f"{number:06d}.png")
        shutil.copy(drive / "clouds" / f"{NAMES[1]}.npy", drive / "clouds" / f"{number:06d}.npy")
    command = [
        sys.executable,
        "-m",
        "tools.detect",
        str(drive),
        "--output",
        str(tmp_path / "out"),
        "--model",
        str(model),
    ]
    run = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    half = tmp_path / "out" / ".drive.partial" / "pictures"
    while run.poll() is None and not half.exists():
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130 and err.splitlines()[-1] == "stopped: by SIGINT; recordings that are finished stay"
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def anovox_drive(tmp_path_factory):
    """An AnoVox drive at 10 Hz, with poses."""
    return write_drive(tmp_path_factory.mktemp("anovox"), np.full(14, 6.0))


@pytest.fixture(scope="module")
def with_past(anovox_drive, tmp_path_factory):
    """A model with a window for that drive's sensors."""
    path = tmp_path_factory.mktemp("past") / "detector.safetensors"
    write_model(path, anovox_fusion.read_scenario(anovox_drive), WITH_PAST)
    return path


def test_a_drive_is_scored_with_its_past_as_predict_does(detect, anovox_drive, with_past, tmp_path):
    out, _ = detect(anovox_drive, "--model", with_past, "--no-pictures")
    assert "without a past" not in out and "10 Hz" not in out
    detector, frames = anovox_fusion.load(with_past, "cpu"), list(anovox_fusion.read_scenario(anovox_drive))
    expected, folder = as_predict(detector, frames, tmp_path), tmp_path / "out" / anovox_drive.name
    np.testing.assert_array_equal(np.load(folder / "frame_scores.npy"), expected.frame_score)
    for place, points in enumerate(sorted((folder / "points").iterdir())):
        found = np.load(points)
        np.testing.assert_array_equal(found, expected.point_score[place][: len(found)])
    alone = [detector.detect_frame(frame).frame_score for frame in frames]
    assert np.abs(alone - expected.frame_score.astype(np.float64)).max() > 0.03


def test_without_poses_one_line_says_that_there_is_no_past(detect, anovox_drive, with_past, tmp_path):
    copy = tmp_path / "copy" / anovox_drive.name
    shutil.copytree(anovox_drive, copy)
    for action in copy.glob("ACTION*"):
        shutil.rmtree(action)
    out, _ = detect(copy, "--model", with_past, "--no-pictures")
    assert f"noticed: {copy.name}: 14 of 14 frames have no pose, so these are scored without a past\n" in out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len([note for note in summary["notes"] if "without a past" in note]) == 1
    detector = anovox_fusion.load(with_past, "cpu")
    frames = list(anovox_fusion.read_scenario(copy))[:8]
    scores = [each.frame_score for each in detector.score(frames, detector.range_view(frames[0]))]
    assert np.load(tmp_path / "out" / copy.name / "frame_scores.npy")[:8].tolist() == scores


def test_folders_have_no_poses(detect, drive, with_past):
    out, _ = detect(drive, "--model", with_past, "--no-pictures")
    assert "noticed: drive: 4 of 4 frames have no pose, so these are scored without a past\n" in out
