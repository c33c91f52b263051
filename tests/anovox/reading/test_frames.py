"""Scenario folders to frames: the golden scenarios, what was written, and every kind of damaged frame."""

import shutil

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format import layout
from lib.anovox.format.writing import write_scenario
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.geometry.frame import Anomaly
from lib.reading.file_errors import Reason
from lib.reading.recorded_frames import LabelSource, ReadFrame, SkippedFrame
from tests.anovox_sample import (
    MONO_STATIC,
    NORMALITY,
    SCENARIOS,
    SENSORS,
    STATIC,
    frame_path,
    golden_copy,
    recording,
)
from tests.sound_files import whole


def frames_of(path):
    return list(read_frames(open_scenario(path, None)))


def test_golden_mono_scenario():
    frames = [read.frame for read in frames_of(MONO_STATIC)]
    assert [frame.frame_id for frame in frames] == [996, 1000, 1004]
    for frame in frames:
        semantic = np.load(frame_path(MONO_STATIC, "SEMANTIC-LIDAR", frame.frame_id))
        assert np.array_equal(frame.point_class, semantic[:, 3])
        assert np.array_equal(frame.voxels, np.load(frame_path(MONO_STATIC, "VOXEL_GRID", frame.frame_id)))
        assert np.array_equal(frame.points, np.load(frame_path(MONO_STATIC, "LIDAR", frame.frame_id)))
        assert frame.speed_mps == pytest.approx(8 / 3.6) and frame.world_SE3_ego is None
        assert frame.time_s == pytest.approx(frame.frame_id / 10)
        assert frame.anomaly == Anomaly("Medium", "static.prop.a_golden")
        assert (frame.point_class == 33).any() and (frame.pixel_class == 33).any()
        assert frame.depth_m.max() == 1000


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name[:13])
def test_points_lie_on_pixels_of_their_class(path):
    """The anomaly's points, inside its outline, by the scenario's own calibration; a mirrored y would miss them."""
    for read in frames_of(path):
        frame = read.frame
        u, v, visible = frame.calibration.project(frame.points)
        pixels = frame.pixel_class[v[visible].astype(int), u[visible].astype(int)]
        agreement = pixels == frame.point_class[visible]
        assert agreement.mean() > 0.87
        mirrored = frame.pixel_class[v[visible].astype(int), frame.camera.width_px - 1 - u[visible].astype(int)]
        assert agreement.mean() > (mirrored == frame.point_class[visible]).mean() + 0.03


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name[:13])
def test_a_missing_voxel_grid_is_computed_to_the_bit(tmp_path, path):
    copy = golden_copy(tmp_path, path) / path.name
    for file in (copy / layout.VOXEL_GRID).iterdir():
        file.unlink()
    for computed, given in zip(frames_of(copy), frames_of(path), strict=True):
        assert np.array_equal(computed.frame.voxels, given.frame.voxels)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name[:13])
@pytest.mark.parametrize("sensors", ["forward", "all"])
def test_without_labels_images_and_clouds_suffice_and_are_the_same(tmp_path, path, sensors):
    expected = list(read_frames(open_scenario(path, None, sensors)))
    copy = golden_copy(tmp_path, path) / path.name
    for item in list(copy.iterdir()):
        if item.is_dir() and layout.kind_of(item.name) not in (layout.RGB, layout.LIDAR):
            shutil.rmtree(item)
    found = list(read_frames(open_scenario(copy, None, sensors, labelled=False)))
    same = ("image", "points", "calibration", "lidars", "time_s", "camera_name", "cloud_sizes", "scenario", "frame_id")
    assert len(found) == len(expected) > 0
    for read, labelled in zip(found, expected, strict=True):
        assert isinstance(read, ReadFrame) and isinstance(labelled, ReadFrame)
        assert read.frame.scenario_type == "UNLABELLED"
        for name in same:
            np.testing.assert_array_equal(getattr(read.frame, name), getattr(labelled.frame, name), name)
        assert not len(read.frame.voxels) and (read.frame.point_class == 255).all()


def test_without_labels_poses_are_read_where_they_are(tmp_path):
    """A detector with a past needs them, and the speed comes along; what cannot be read is unknown."""
    path = write_scenario(tmp_path, NORMALITY, SENSORS, [recording(i) for i in (8, 9)])
    frame_path(path, "ACTION", 8).write_text("no pose")
    first, second = (whole(read).frame for read in read_frames(open_scenario(path, None, "forward", labelled=False)))
    assert first.world_SE3_ego is None and first.speed_mps is None
    assert second.speed_mps == 10


def test_what_is_written_is_read_again(tmp_path):
    ids = (8, 996, 1000)
    path = write_scenario(tmp_path, STATIC, SENSORS, [recording(i, anomaly_id=29) for i in ids])
    for read, frame_id in zip(frames_of(path), ids, strict=True):
        frame, made = read.frame, recording(frame_id, anomaly_id=29)
        assert frame.frame_id == frame_id and frame.scenario == STATIC.name
        assert np.array_equal(frame.image, made.cameras[0].rgb)
        assert np.array_equal(frame.pixel_class, made.cameras[0].semantic)
        assert np.array_equal(frame.depth_m, made.cameras[0].depth_m.astype(np.float32))
        assert np.array_equal(frame.points, made.lidars[0].lidar)
        assert np.array_equal(frame.point_class, made.lidars[0].semantic_lidar[:, 3])
        assert read.point_labels.count(LabelSource.ROW) == len(frame.points)
        assert frame.speed_mps == 10 and frame.anomaly == Anomaly("Big", "static.prop.x")


def test_frames_are_read_one_at_a_time(tmp_path):
    path = write_scenario(tmp_path, NORMALITY, SENSORS, [recording(i) for i in (1, 2)])
    frames = read_frames(open_scenario(path, None))
    assert whole(next(frames)).frame.frame_id == 1
    frame_path(path, "LIDAR", 2).unlink()
    assert isinstance(next(frames), SkippedFrame)


def damage_png(path):
    path.write_bytes(path.read_bytes()[:200])


def damage_npy(path):
    np.save(path, np.full((5, 4), np.nan, dtype=np.float32))


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


@pytest.mark.parametrize(
    ("kind", "damage", "reason"),
    [
        ("RGB-CAM", delete, Reason.MISSING_IMAGE),
        ("DEPTH_CAM", delete, Reason.MISSING_DEPTH),
        ("SEMANTIC-CAM", delete, Reason.MISSING_PIXEL_LABELS),
        ("LIDAR", delete, Reason.MISSING_LIDAR),
        ("RGB-CAM", damage_png, Reason.DAMAGED_IMAGE),
        ("DEPTH_CAM", damage_png, Reason.DAMAGED_IMAGE),
        ("SEMANTIC-CAM", damage_png, Reason.DAMAGED_IMAGE),
        ("LIDAR", damage_npy, Reason.BAD_ARRAY),
        ("SEMANTIC-LIDAR", damage_npy, Reason.BAD_ARRAY),
        ("VOXEL_GRID", damage_npy, Reason.BAD_ARRAY),
        ("RGB-CAM", empty, Reason.EMPTY_FILE),
        ("LIDAR", empty, Reason.EMPTY_FILE),
        ("SEMANTIC-LIDAR", empty, Reason.EMPTY_FILE),
        ("VOXEL_GRID", empty, Reason.EMPTY_FILE),
        ("ACTION", empty, Reason.EMPTY_FILE),
        ("ANOMALY", empty, Reason.EMPTY_FILE),
    ],
)
def test_one_damaged_frame_is_named_and_stops_nothing(tmp_path, kind, damage, reason):
    scenario = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    path = frame_path(scenario, kind, 1000)
    damage(path)
    first, second, third = frames_of(scenario)
    assert isinstance(first, ReadFrame) and isinstance(third, ReadFrame)
    assert second.frame_id == 1000 and second.reason is reason
    assert second.message.startswith(f"{path}: ")


@pytest.mark.parametrize("kind", ["ACTION", "ANOMALY", "VOXEL_GRID", "INSTANCE-CAM", "SEMANTIC-LIDAR"])
def test_a_frame_may_lack_these(tmp_path, kind):
    scenario = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    frame_path(scenario, kind, 1000).unlink()
    _, second, _ = frames_of(scenario)
    assert isinstance(second, ReadFrame)
    assert (second.frame.speed_mps is None) == (kind == "ACTION")
    assert (second.frame.anomaly is None) == (kind == "ANOMALY")
    if kind == "SEMANTIC-LIDAR":
        assert second.point_labels.count(LabelSource.ROW) == 0 and second.point_labels.count(LabelSource.VOXEL) > 1000


def test_class_ids_in_no_table_are_named_and_unknown(tmp_path):
    scenario = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    lidar, pixels = frame_path(scenario, "SEMANTIC-LIDAR", 1000), frame_path(scenario, "SEMANTIC-CAM", 1000)
    cloud = np.load(lidar)
    cars = cloud[:, 3] == 14
    cloud[cars, 3] = 270
    np.save(lidar, cloud)
    with Image.open(pixels) as image:
        class_ids = np.array(image)
    class_ids[:2] = 77
    Image.fromarray(class_ids).save(pixels)
    first, second, third = frames_of(scenario)
    assert first.undefined_ids == third.undefined_ids == {}
    assert second.undefined_ids == {"SEMANTIC-LIDAR": (270,), "SEMANTIC-CAM": (77,)}
    assert cars.any() and np.array_equal(second.frame.point_class == 255, cars)
    assert (second.frame.pixel_class[:2] == 255).all() and (second.frame.pixel_class[2:] != 255).all()


def test_without_point_labels_and_voxels_a_frame_is_left_out(tmp_path):
    scenario = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    for kind in ("SEMANTIC-LIDAR", "VOXEL_GRID"):
        frame_path(scenario, kind, 1000).unlink()
    assert [read.reason for read in frames_of(scenario) if isinstance(read, SkippedFrame)] == [
        Reason.MISSING_POINT_LABELS
    ]


def test_a_damaged_pose_is_named(tmp_path):
    scenario = golden_copy(tmp_path, MONO_STATIC) / MONO_STATIC.name
    frame_path(scenario, "ACTION", 1000).write_text("lidar transformation matrix ; [[1, 0]]\n")
    _, second, _ = frames_of(scenario)
    assert second.reason is Reason.BAD_TEXT and "`lidar transformation matrix` is not" in second.message
