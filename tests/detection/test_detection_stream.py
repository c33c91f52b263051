"""A stream scores frames as `predict` scores those of a shard, whatever comes later."""

from dataclasses import replace

import numpy as np
import pytest

import anovox_fusion
from lib.common.errors import DataError
from lib.export.model_record import load_record, write_record
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.rigid import sensor_place, vehicle_SE3_sensor, yaw_transform
from lib.model.weights_file import read_model
from tests.as_predict import as_predict
from tests.exported import CONFIG, WITH_PAST, write_model
from tests.tracking.rear_clouds import braked_way_m, drive_shard

HEIGHT, WIDTH = 32, 48
FRAMES = 24
EGO_M = 8.0 * np.arange(FRAMES) * 0.1
RANGE_M = 12.0 + braked_way_m(8.0, 8.0, 1.2, FRAMES) - EGO_M
LATEST = FRAMES - 1


def with_picture(frame, seed):
    """The frame with an image that is not black."""
    size = (HEIGHT, WIDTH)
    return replace(
        frame,
        image=np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8),
        pixel_class=np.full(size, 255, dtype=np.uint8),
        depth_m=np.ones(size, dtype=np.float32),
        calibration=Calibration(Camera.from_fov(WIDTH, HEIGHT, 90.0), np.eye(4)),
    )


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Frames of a drive behind a vehicle that brakes."""
    shard = drive_shard(tmp_path_factory.mktemp("drive") / "Scenario_1.h5", RANGE_M, EGO_M)
    return [with_picture(shard.frame(index), index) for index in range(FRAMES)]


@pytest.fixture(scope="module")
def model(drive, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.safetensors"
    write_model(path, drive, WITH_PAST)
    return path


@pytest.fixture(scope="module")
def detector(model):
    return anovox_fusion.load(model, "cpu")


@pytest.fixture(scope="module")
def streamed(detector, drive):
    stream = detector.stream()
    return [stream.detect_frame(frame) for frame in drive]


def assert_equal(found, expected, frames):
    for index, (detections, frame) in enumerate(zip(found, frames, strict=True)):
        assert detections.frame_score == expected.frame_score[index], index
        np.testing.assert_array_equal(detections.point_scores, expected.point_score[index][: len(frame.points)])
        np.testing.assert_array_equal(detections.pixel_scores, expected.pixel_score[index])


def test_a_stream_scores_as_predict_does(detector, drive, streamed, tmp_path):
    assert_equal(streamed, as_predict(detector, drive, tmp_path, 1), drive)
    alone = detector.detect_frame(drive[LATEST])
    assert not np.array_equal(alone.point_scores, streamed[LATEST].point_scores)
    assert not np.array_equal(alone.pixel_scores, streamed[LATEST].pixel_scores)


def test_gaps_double_ticks_and_frames_without_a_pose_are_as_in_a_shard(detector, drive, tmp_path):
    order = [*range(6), 6, 6, 7, 8, *range(12, FRAMES)]
    frames = [replace(drive[place], frame_id=100 + number) for number, place in enumerate(order)]
    frames[4] = replace(frames[4], world_SE3_ego=None)
    frames[13] = replace(frames[13], time_s=frames[13].time_s + 0.04)  # off the grid
    stream = detector.stream()
    found = [stream.detect_frame(frame) for frame in frames]
    assert_equal(found, as_predict(detector, frames, tmp_path, 1), frames)
    for index in (4, 13):
        np.testing.assert_array_equal(found[index].point_scores, detector.detect_frame(frames[index]).point_scores)


def test_later_frames_change_nothing(detector, drive, streamed):
    stream = detector.stream()
    for frame, expected in zip(drive[:15], streamed, strict=False):
        found = stream.detect_frame(frame)
        np.testing.assert_array_equal(found.point_scores, expected.point_scores)
        np.testing.assert_array_equal(found.pixel_scores, expected.pixel_scores)
        assert found.frame_score == expected.frame_score


def test_what_is_older_than_the_window_and_the_track_is_forgotten(detector, drive, streamed):
    """After the track's patience and 2 s of the way, a stream that began later knows the same."""
    early, late = detector.stream(), detector.stream()
    for place, frame in enumerate(drive):
        early.detect_frame(replace(frame, time_s=frame.time_s + (100 if place >= 5 else 0)))
        if place >= 5:
            late.detect_frame(frame)
    last = drive[LATEST]
    ours, theirs = (
        early.detect_frame(replace(last, time_s=last.time_s + 100.1)),
        late.detect_frame(replace(last, time_s=last.time_s + 0.1)),
    )
    np.testing.assert_array_equal(ours.point_scores, theirs.point_scores)


def test_arrays_and_frames_get_the_same_scores(detector, drive, streamed):
    stream = detector.stream()
    for frame in drive:
        found = stream.detect(
            frame.image, frame.points, frame.calibration, frame.time_s, frame.world_SE3_ego, frame.lidars[0]
        )
    np.testing.assert_allclose(found.point_scores, streamed[LATEST].point_scores, atol=0.01)  # poses are made rigid
    np.testing.assert_allclose(found.frame_score, streamed[LATEST].frame_score, atol=0.01)


def test_the_lidars_place_is_needed_to_follow_a_vehicle(detector, drive):
    """A LiDAR that looks backwards follows nothing ahead; told so, the stream sees the same vehicle."""
    turned = yaw_transform(np.pi, (0.0, 0.0, 1.8))
    told, straight = detector.stream(), detector.stream()
    for frame in drive[:12]:
        points = frame.points * np.array([-1, -1, 1, 1], dtype=np.float32)
        camera = Calibration(frame.camera, yaw_transform(np.pi))
        pose = frame.world_SE3_ego, frame.lidars[0]
        behind = told.detect(frame.image, points, camera, frame.time_s, *pose, turned)
        ahead = straight.detect(frame.image, frame.points, frame.calibration, frame.time_s, *pose)
    np.testing.assert_allclose(behind.frame_score, ahead.frame_score, atol=0.05)


@pytest.mark.parametrize("rotation", [(0, 0, 0), (3, -7, 40), (-2, 11, -170), (180, 5, 90)])
def test_a_sensors_place_is_read_off_its_pose(rotation):
    location = (0.5, -0.3, 1.9)
    found = sensor_place(vehicle_SE3_sensor(location, rotation))
    assert found[0] == location
    np.testing.assert_allclose(found[1], rotation, atol=1e-9)


def test_single_frames_have_no_past(drive, tmp_path):
    path = tmp_path / "detector.safetensors"
    write_model(path, drive, CONFIG)
    detector = anovox_fusion.load(path, "cpu")
    stream = detector.stream()
    for frame in (drive[0], replace(drive[3], time_s=None), replace(drive[5], world_SE3_ego=None)):
        found, expected = stream.detect_frame(frame), detector.detect_frame(frame)
        np.testing.assert_array_equal(found.point_scores, expected.point_scores)
        np.testing.assert_array_equal(found.pixel_scores, expected.pixel_scores)


def test_a_time_that_goes_back_is_refused_and_the_stream_goes_on(detector, drive, streamed):
    stream = detector.stream()
    for frame, expected in zip(drive[:12], streamed, strict=False):
        found = stream.detect_frame(frame)
        with pytest.raises(DataError, match=r"the time goes back from .* begin a new stream for another drive"):
            stream.detect_frame(replace(frame, time_s=frame.time_s - 0.1))
        np.testing.assert_array_equal(found.point_scores, expected.point_scores)


def test_other_sensors_are_refused(detector, drive):
    stream = detector.stream()
    stream.detect_frame(drive[0])
    moved = replace(drive[1], lidars=(replace(drive[1].lidars[0], location=(1.0, 0.0, 1.8)),))
    other = replace(drive[1], calibration=Calibration(Camera.from_fov(WIDTH, HEIGHT, 60.0), np.eye(4)))
    for frame in (moved, other):
        with pytest.raises(DataError, match="begin a new stream for other sensors"):
            stream.detect_frame(frame)
    stream.detect_frame(drive[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time_s": np.nan}, "time_s: got nan"),
        ({"world_SE3_ego": np.eye(3)}, r"world_SE3_ego: got shape \(3, 3\)"),
        ({"world_SE3_ego": 2 * np.eye(4)}, "world_SE3_ego cannot be right: it is not rigid"),
        ({"world_SE3_ego": np.full((4, 4), np.nan)}, "world_SE3_ego: got NaN or infinity"),
        ({"vehicle_SE3_lidar": np.diag([1, -1, 1, 1])}, "vehicle_SE3_lidar cannot be right: it mirrors"),
        ({"points": np.zeros((0, 4))}, "points: got shape"),
    ],
)
def test_inputs_that_cannot_be_are_one_sentence(detector, drive, change, words):
    frame = drive[0]
    good = {"image": frame.image, "points": frame.points, "calibration": frame.calibration, "time_s": 1.0}
    with pytest.raises(DataError, match=words) as error:
        detector.stream().detect(**{**good, "world_SE3_ego": np.eye(4), **change})
    assert len(str(error.value).splitlines()) == 1


def test_a_clock_that_jumps_begins_anew(detector, drive):
    """A second after the last frame on the grid, the grid is that of the frames that come."""
    stream, fresh = detector.stream(), detector.stream()
    for frame in drive[:4]:
        stream.detect_frame(frame)
    for frame in drive[4:18]:
        found = stream.detect_frame(replace(frame, time_s=frame.time_s + 7.05))
        expected = fresh.detect_frame(frame)
    np.testing.assert_array_equal(found.point_scores, expected.point_scores)


def test_a_file_without_track_is_one_sentence(model, tmp_path):
    record = load_record(model)
    path = tmp_path / "old.safetensors"
    write_record(path, read_model(model), record.model_copy(update={"params": {"train": {}}}))
    detector = anovox_fusion.load(path, "cpu")
    with pytest.raises(DataError, match=r"section `track`\); write it anew by `dvc repro export`"):
        detector.stream()
