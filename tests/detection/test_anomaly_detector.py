"""The Python API on arrays: scores, thresholds, pictures, and a sentence for inputs that cannot be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import anovox_fusion
from lib.common.errors import DataError, ParamsError
from lib.geometry.axes import VEHICLE_SE3_OPENCV
from tests.exported import CONFIG, write_model
from tests.sensor_files import HEIGHT, OPENCV_SE3_LIDAR, WIDTH, cloud, image, write_folder

OPENCV = np.vstack([OPENCV_SE3_LIDAR, [0, 0, 0, 1]])
MATRIX = np.array([[72.0, 0, 60.0], [0, 71.0, 18.0], [0, 0, 1]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("drive")
    write_folder(path, [f"{number:06d}" for number in range(4)])
    return path


@pytest.fixture(scope="module")
def detector(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.safetensors"
    write_model(path, anovox_fusion.read_frames(folder))
    return anovox_fusion.load(path, "cpu")


@pytest.fixture
def calibration():
    return anovox_fusion.calibration_from_opencv(MATRIX, OPENCV, WIDTH, HEIGHT)


def test_opencv_s_conventions_become_ours(calibration, folder):
    points = cloud(1)[:, :3].astype(np.float64)
    camera = (OPENCV @ np.c_[points, np.ones(len(points))].T)[:3]
    ahead = camera[2] > 0
    expected = (MATRIX @ camera)[:2] / camera[2] + 0.5  # OpenCV counts from the centres of pixels
    u, v, _ = calibration.project(points)
    np.testing.assert_allclose(np.stack([u, v])[:, ahead], expected[:, ahead], atol=1e-9)
    np.testing.assert_allclose(calibration.camera_SE3_lidar, VEHICLE_SE3_OPENCV @ OPENCV)
    assert calibration == anovox_fusion.read_calibration(folder / "calibration.yaml")


def test_arrays_and_files_get_the_same_scores(detector, calibration, folder):
    frame = next(anovox_fusion.read_frames(folder))
    lidar = frame.lidars[0]
    ours, theirs = detector.detect(image(0), cloud_of(0), calibration, lidar), detector.detect_frame(frame)
    assert ours.frame_score == theirs.frame_score and np.isfinite(ours.frame_score)
    assert ours.point_scores.dtype == ours.pixel_scores.dtype == np.float16
    assert ours.point_scores.shape == (len(frame.points),) and ours.pixel_scores.shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(ours.point_scores, theirs.point_scores)
    np.testing.assert_array_equal(ours.pixel_scores, theirs.pixel_scores)
    assert 0 < ours.points_in_view.sum() < len(frame.points)


def cloud_of(seed):
    """The cloud of `write_folder` as it is read: whole numbers from 0 to 255, scaled."""
    points = cloud(seed)
    points[:, 3] = np.rint(points[:, 3] * 255) / 255
    return points


def test_frames_scored_together_get_nearly_the_scores_of_frames_alone(detector, folder):
    frames = list(anovox_fusion.read_frames(folder))
    together = detector.score(frames, detector.range_view(frames[0]))
    for frame, detections in zip(frames, together, strict=True):
        alone = detector.detect_frame(frame)
        np.testing.assert_allclose(detections.point_scores, alone.point_scores, atol=0.05)  # bfloat16
        np.testing.assert_allclose(detections.pixel_scores, alone.pixel_scores, atol=0.05)


def test_a_finer_camera_gets_scores_of_its_own_size(detector, calibration):
    fine = calibration.resized(4 * WIDTH, 4 * HEIGHT)
    large = np.asarray(Image.fromarray(image(0)).resize((4 * WIDTH, 4 * HEIGHT), Image.Resampling.NEAREST))
    scores = detector.detect(large, cloud_of(0), fine).pixel_scores
    small = detector.detect(image(0), cloud_of(0), calibration).pixel_scores
    assert scores.shape == (4 * HEIGHT, 4 * WIDTH)
    middle = scores.reshape(HEIGHT, 4, WIDTH, 4).mean((1, 3), dtype=np.float32)
    assert np.corrcoef(middle.ravel(), small.ravel())[0, 1] > 0.9


def test_intensities_may_be_missing(detector, calibration):
    without = cloud_of(0) * [1, 1, 1, 0]
    for_three = detector.detect(image(0), cloud_of(0)[:, :3], calibration)
    np.testing.assert_array_equal(for_three.point_scores, detector.detect(image(0), without, calibration).point_scores)


def test_alarms_reach_the_threshold(detector, calibration):
    detections = detector.detect(image(0), cloud_of(0), calibration)
    middle = float(np.median(detections.point_scores))
    at = replace(detections, thresholds={"frame": detections.frame_score, "point": middle, "pixel": None})
    assert at.frame_alarm is True and at.point_alarms.sum() == (detections.point_scores >= middle).sum() > 0
    assert not at.pixel_alarms.any() and at.pixel_alarms.shape == (HEIGHT, WIDTH)
    above = {"frame": float(np.nextafter(detections.frame_score, np.inf)), "point": None, "pixel": None}
    assert replace(detections, thresholds=above).frame_alarm is False
    assert replace(detections, thresholds={**above, "frame": None}).frame_alarm is None


def test_thresholds_come_from_normal_frames_of_the_target(detector, folder):
    frames = list(anovox_fusion.read_frames(folder))
    scored = [detector.detect_frame(frame) for frame in frames]
    own = detector.with_thresholds_of(scored)
    points = np.concatenate([detections.point_scores[detections.points_in_view] for detections in scored])
    pixels = np.concatenate([detections.pixel_scores.ravel() for detections in scored])
    assert own.thresholds["frame"] is None  # of four frames
    assert own.levels["point"].normal_items == len(points) and own.levels["pixel"].normal_items == len(pixels)
    alarms = np.mean(pixels >= own.thresholds["pixel"])
    assert 0.005 < alarms <= own.false_alarms == 0.01
    again = own.detect_frame(frames[0])
    np.testing.assert_array_equal(again.point_scores, scored[0].point_scores)
    assert again.thresholds == own.thresholds != detector.thresholds
    assert detector.thresholds["frame"] is not None  # of the model file


@pytest.mark.parametrize("wide", [False, True])
def test_a_picture_is_written(detector, calibration, tmp_path, wide):
    detections = detector.detect(image(0), cloud_of(0), calibration)
    if not wide:
        narrow = replace(calibration, camera=replace(calibration.camera, width_px=60, cx_px=30.0))
        detections = detector.detect(np.ascontiguousarray(image(0)[:, :60]), cloud_of(0), narrow)
    detections.save_picture(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[0] % 2 == pixels.shape[1] % 2 == 0 and pixels.std() > 20
    first = (tmp_path / "picture.png").read_bytes()
    detections.save_picture(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes() == first


def bad(what: str) -> dict[str, Any]:
    """Inputs of `detect`, of which one is wrong."""
    good = {"image": image(0), "points": cloud_of(0), "pose": OPENCV}
    nan = cloud_of(0)
    nan[3, 1] = np.nan
    wrong = {
        "float image": {"image": image(0) / 255},
        "another size": {"image": image(0)[:-1]},
        "two columns": {"points": cloud_of(0)[:, :2]},
        "no point": {"points": cloud_of(0)[:0]},
        "nan": {"points": nan},
        "bytes": {"points": cloud_of(0) * [1, 1, 1, 255]},
        "far": {"points": cloud_of(0) * [1e6, 1, 1, 1]},
        "scaled": {"pose": np.diag([2, 2, 2, 1.0]) @ OPENCV},
        "mirrored": {"pose": np.diag([-1, 1, 1, 1.0]) @ OPENCV},
        "inverse": {"pose": np.linalg.inv(OPENCV)},
    }
    return good | wrong[what]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("float image", "image: got float64 of shape (40, 124, 3), but the calibration's camera has uint8"),
        ("another size", "image: got uint8 of shape (39, 124, 3)"),
        ("two columns", "points: got shape (480, 2); give (N, 3)"),
        ("no point", "points: got shape (0, 4)"),
        ("nan", "points: some are NaN or infinite"),
        ("bytes", "points: intensities are 0 to 252; scale them to 0 to 1"),
        ("scaled", "calibration: camera_SE3_lidar cannot be right: it is not rigid"),
        ("mirrored", "calibration: camera_SE3_lidar cannot be right: it mirrors"),
        ("inverse", "calibration: camera_SE3_lidar cannot be right: its camera's up axis is 90 degrees off"),
        ("far", "points: one is farther than 10000 m away"),
    ],
)
def test_inputs_that_cannot_be_are_one_sentence(detector, what, sentence):
    inputs = bad(what)
    calibration = anovox_fusion.calibration_from_opencv(MATRIX, inputs["pose"], WIDTH, HEIGHT)
    with pytest.raises(DataError) as error:
        detector.detect(inputs["image"], inputs["points"], calibration)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(ParamsError, match=r"^device: got 'cuda', but torch finds no CUDA device here"):
        anovox_fusion.load("any", "cuda")


def test_a_share_of_false_alarms_without_thresholds_is_one_sentence():
    with pytest.raises(ParamsError, match=r"^false_alarms: got 0\.2; thresholds exist for 0\.1, 0\.05, 0\.01, 0\.001$"):
        anovox_fusion.load("any", false_alarms=0.2)


@pytest.mark.parametrize("fusion", ["image", "lidar", "cross_attention"])
def test_every_fusion_detects(folder, calibration, tmp_path, fusion):
    write_model(tmp_path / "x.safetensors", anovox_fusion.read_frames(folder), replace(CONFIG, fusion=fusion))
    detections = anovox_fusion.load(tmp_path / "x.safetensors", "cpu").detect(image(0), cloud_of(0), calibration)
    scores = detections.point_scores, detections.pixel_scores, np.array(detections.frame_score)
    assert all(np.isfinite(score).all() for score in scores)
    detections.save_picture(tmp_path / "picture.png")


@pytest.mark.parametrize(
    ("matrix", "pose", "sentence"),
    [
        (MATRIX.T, OPENCV, "camera_matrix: must be"),
        (np.array([[72, 1, 60], [0, 71, 18], [0, 0, 1]]), OPENCV, "camera_matrix: must be"),
        (np.eye(4)[:3], OPENCV, "camera_matrix: must be"),
        (MATRIX, OPENCV[:2], "camera_SE3_lidar: got shape"),
    ],
)
def test_matrices_of_no_camera_are_one_sentence(matrix, pose, sentence):
    with pytest.raises(DataError, match=f"^{sentence}"):
        anovox_fusion.calibration_from_opencv(matrix, pose, WIDTH, HEIGHT)


def test_three_rows_of_the_pose_suffice_and_focal_lengths_are_positive(detector, calibration):
    assert anovox_fusion.calibration_from_opencv(MATRIX, OPENCV[:3], WIDTH, HEIGHT) == calibration
    turned = anovox_fusion.calibration_from_opencv(MATRIX * [[-1], [1], [1]], OPENCV, WIDTH, HEIGHT)
    with pytest.raises(DataError, match="got -72 and 71"):
        detector.detect(image(0), cloud_of(0), turned)


def test_an_unknown_device_is_one_sentence():
    with pytest.raises(ParamsError, match="device: got 'tpu'"):
        anovox_fusion.load("any", "tpu")  # type: ignore[arg-type]
