"""KITTI's layouts against readings by NumPy and Pillow, and its projection by its own matrices."""

import pickle

import numpy as np
import pytest
from PIL import Image

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.kitti.kitti_recordings import find_kitti, read_velodyne
from lib.reading.file_errors import FileError
from lib.reading.findings import Finding, Notice, ScenarioReason
from lib.reading.recorded_frames import ReadFrame, Recording, SkippedFrame, open_recording
from tests.sensor_files import (
    ELEVATIONS_DEG,
    HEIGHT,
    P2,
    R0,
    TR,
    WIDTH,
    cloud,
    numbers,
    write_kitti_object,
    write_kitti_odometry,
    write_kitti_tracking,
)

OTHER_P2 = P2 * [[1.02, 1, 1.01, 1], [1, 1.02, 1, 1], [1, 1, 1, 1]]


def opened(root):
    """The recordings below root, and what was reported; openers and recordings travel between processes."""
    reported: list[Finding] = []
    openers = pickle.loads(pickle.dumps(find_kitti(root, reported.append)))
    return [open_recording(opener) for opener in openers], reported


def frames(recording, ids=None):
    assert isinstance(recording, Recording), recording
    return list(pickle.loads(pickle.dumps(recording)).frames(ids))


def by_kitti(points, projection):
    """u, v and depth of points (N, 4) by KITTI's own matrices: P2 R0_rect Tr_velo_to_cam."""
    rectified = np.eye(4)
    rectified[:3, :3] = R0
    ones = np.column_stack([points[:, :3].astype(np.float64), np.ones(len(points))])
    u, v, depth = projection @ rectified @ np.vstack([TR, [0, 0, 0, 1]]) @ ones.T
    return u / depth, v / depth, depth


def assert_equal_to_files(read, image, velodyne, projection=P2):
    frame = read.frame
    with Image.open(image) as opened_image:
        np.testing.assert_array_equal(frame.image, np.asarray(opened_image))
    points = np.fromfile(velodyne, "<f4").reshape(-1, 4)
    np.testing.assert_array_equal(frame.points, points)
    u, v, depth = by_kitti(points, projection)
    found_u, found_v, _ = frame.calibration.project(frame.points)
    ahead = depth > 0.1
    np.testing.assert_allclose(found_u[ahead], u[ahead], rtol=1e-5, atol=0.01)
    np.testing.assert_allclose(found_v[ahead], v[ahead], rtol=1e-5, atol=0.01)
    assert frame.scenario_type is ScenarioType.UNLABELLED and np.isnan(frame.depth_m).all()
    assert (frame.point_class == 255).all() and (frame.pixel_class == 255).all() and frame.voxels.shape == (0, 4)
    (lidar,) = frame.lidars
    np.testing.assert_allclose(lidar.elevations_deg, ELEVATIONS_DEG, atol=1e-3)


def test_object_frames_are_grouped_by_calibration_and_size(tmp_path):
    written = {
        "000003": (P2, (HEIGHT, WIDTH)),
        "000004": (OTHER_P2, (HEIGHT, WIDTH)),
        "000007": (P2, (HEIGHT, WIDTH)),
        "000008": (P2, (HEIGHT - 1, WIDTH)),
    }
    write_kitti_object(tmp_path / "kitti" / "training", written)
    write_kitti_object(tmp_path / "kitti" / "testing", {"000003": (P2, (HEIGHT, WIDTH))})
    recordings, reported = opened(tmp_path / "kitti")
    assert [(r.name, list(r.cloud_sizes)) for r in recordings] == [
        ("testing_000003", [3]),
        ("training_000003", [3, 7]),
        ("training_000004", [4]),
        ("training_000008", [8]),
    ]
    assert not reported and recordings[3].image_sizes == ((HEIGHT - 1, WIDTH),)
    for recording in recordings:
        for read in frames(recording):
            name = f"{read.frame.frame_id:06d}"
            projection = written[name][0] if recording.name.startswith("training") else P2
            files = recording.path / "image_2" / f"{name}.png", recording.path / "velodyne" / f"{name}.bin"
            assert_equal_to_files(read, *files, projection)
            assert read.frame.time_s is None and read.frame.scenario == recording.name
    assert [read.frame.frame_id for read in frames(recordings[1], [7])] == [7]


def test_a_split_may_be_the_root(tmp_path):
    write_kitti_object(tmp_path / "training", {"000003": (P2, (HEIGHT, WIDTH))})
    assert [recording.name for recording in opened(tmp_path / "training")[0]] == ["training_000003"]


def test_odometry(tmp_path):
    sequence = tmp_path / "dataset" / "sequences" / "04"
    write_kitti_odometry(sequence, 3)
    (recording,), _ = opened(tmp_path / "dataset")
    assert recording.name == "sequences_04" and recording.cloud_sizes == {number: len(cloud(0)) for number in range(3)}
    for number, read in enumerate(frames(recording)):
        assert_equal_to_files(
            read, sequence / "image_2" / f"{number:06d}.png", sequence / "velodyne" / f"{number:06d}.bin"
        )
        assert read.frame.time_s == pytest.approx(0.1037 * number)


def test_tracking(tmp_path):
    for sequence, count in (("0000", 2), ("0001", 3)):
        write_kitti_tracking(tmp_path / "training", sequence, count)
    (tmp_path / "training" / "velodyne" / "0001" / "000001.bin").unlink()  # as in sequence 0001 of the benchmark
    recordings, _ = opened(tmp_path)
    assert [(r.name, list(r.cloud_sizes)) for r in recordings] == [
        ("training_0000", [0, 1]),
        ("training_0001", [0, 2]),
    ]
    assert [finding.reason for finding in recordings[1].findings] == [Notice.UNPAIRED_FILES]
    folder = tmp_path / "training"
    for read in frames(recordings[1]):
        name = f"0001/{read.frame.frame_id:06d}"
        assert_equal_to_files(read, folder / "image_02" / f"{name}.png", folder / "velodyne" / f"{name}.bin")
        assert read.frame.time_s == read.frame.frame_id / 10


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (cut, "no rows of 4 float32: it is cut off"),
        (lambda p: p.write_bytes(b""), "the file is empty"),
        (lambda p: (cloud(1) * np.array([1, 1, 1, 255], dtype=np.float32)).tofile(p), "reflectances are 0 to 252"),
        (lambda p: (cloud(1) * np.nan).tofile(p), "NaN or infinite"),
        (lambda p: (cloud(1) * np.array([1000, 1, 1, 1], dtype=np.float32)).tofile(p), "check the unit"),
    ],
)
def test_a_bad_cloud_is_skipped_and_the_rest_goes_on(tmp_path, damage, part):
    write_kitti_odometry(tmp_path / "04", 3)
    damage(tmp_path / "04" / "velodyne" / "000001.bin")
    with pytest.raises(FileError, match=part):
        read_velodyne(tmp_path / "04" / "velodyne" / "000001.bin")
    (recording,), _ = opened(tmp_path)
    first, skipped, last = frames(recording)
    assert isinstance(first, ReadFrame) and isinstance(last, ReadFrame)
    assert isinstance(skipped, SkippedFrame) and part in skipped.message and "000001.bin" in skipped.message


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("P2:", "P9:"), "it has no line P2"),
        (("Tr: ", "T: "), "it has no line Tr_velo_to_cam or Tr_velo_cam or Tr"),
        (("P2: 7", "P2: x7"), "P2 is not 12 numbers"),
        (("P2: 7", "P2: nan 7"), "P2 is not 12 numbers"),
        (("P2: 7", "P2: -7"), "P2 is no projection"),
        (("Tr: ", "Tr: 100000"), "the transform from the Velodyne: it is not rigid"),
    ],
)
def test_a_bad_calibration_is_one_sentence(tmp_path, change, part):
    write_kitti_odometry(tmp_path / "04", 1)
    path = tmp_path / "04" / "calib.txt"
    path.write_text(path.read_text().replace(*change))
    (found,), _ = opened(tmp_path)
    assert isinstance(found, Finding) and found.reason is ScenarioReason.BAD_SENSOR_SETUP
    assert part in found.message and str(path) in found.message and "\n" not in found.message


def test_a_calibration_that_no_point_agrees_with_is_one_sentence(tmp_path):
    """The transform of the file is that from the camera, not from the Velodyne."""
    write_kitti_odometry(tmp_path / "04", 1)
    path = tmp_path / "04" / "calib.txt"
    lines = path.read_text().splitlines()
    inverse = np.linalg.inv(np.vstack([np.array(lines[-1].split()[1:], dtype=float).reshape(3, 4), [0, 0, 0, 1]]))
    path.write_text("\n".join([*lines[:-1], f"Tr: {numbers(inverse[:3])}", ""]))
    (found,), _ = opened(tmp_path)
    assert isinstance(found, Finding) and found.reason is ScenarioReason.BAD_SENSOR_SETUP
    assert "the calibration cannot be right for 000000.bin: its camera's up axis is" in found.message


def test_a_frame_without_calibration_is_reported(tmp_path):
    write_kitti_object(tmp_path / "training", {f"00000{n}": (P2, (HEIGHT, WIDTH)) for n in (3, 4, 5)})
    (tmp_path / "training" / "calib" / "000004.txt").unlink()
    (tmp_path / "training" / "image_2" / "000005.png").write_bytes(b"no image")
    (recording,), reported = opened(tmp_path)
    assert list(recording.cloud_sizes) == [3]
    assert [finding.reason for finding in reported] == [Notice.BAD_CONFIGURATION] * 2
    assert "frame 000004" in reported[0].message and "frame 000005" in reported[1].message


def test_half_a_layout_is_reported(tmp_path):
    write_kitti_odometry(tmp_path / "04", 1)
    (tmp_path / "05" / "velodyne").mkdir(parents=True)
    (recording,), (finding,) = opened(tmp_path)
    assert recording.name == "04" and finding.reason is ScenarioReason.NO_SENSOR_PAIR
    assert "05: has velodyne/, but not image_2/" in finding.message


def test_no_kitti_data(tmp_path):
    with pytest.raises(DataError, match="holds no KITTI data"):
        opened(tmp_path)
