"""Plain folders against readings by NumPy and Pillow; each mistake in one sentence."""

import pickle
import struct

import numpy as np
import pytest
import yaml
from PIL import Image

from lib.common.errors import DataError
from lib.folder.folder_recordings import find_folders
from lib.geometry.distortion import undistorted
from lib.reading.findings import Finding, Notice, ScenarioReason
from lib.reading.pcd import require_pcd_library
from lib.reading.recorded_frames import ReadFrame, Recording, SkippedFrame, open_recording
from tests.sensor_files import (
    ELEVATIONS_DEG,
    HEIGHT,
    OPENCV_SE3_LIDAR,
    WIDTH,
    calibration,
    image,
    raw_cloud,
    ring_numbers,
    write_folder,
)


def opened(root):
    return [open_recording(opener) for opener in pickle.loads(pickle.dumps(find_folders(root)))]


def frames(root):
    (recording,) = opened(root)
    assert isinstance(recording, Recording), recording
    return list(pickle.loads(pickle.dumps(recording)).frames(None))


def sentence(root):
    (found,) = opened(root)
    assert isinstance(found, Finding), "no error"
    assert "\n" not in found.message
    return found.message


def scaled(points):
    """x, y, z, intensity of [0, 255] as the reader gives them."""
    expected = points.astype(np.float32)
    expected[:, 3] = (points[:, 3].astype(np.float64) / 255).astype(np.float32)
    return expected


def test_frames_are_those_of_the_files(tmp_path):
    write_folder(tmp_path / "drive", ["000", "001", "002"], {"frames_per_second": 10})
    for number, read in enumerate(frames(tmp_path / "drive")):
        frame = read.frame
        assert (frame.scenario, frame.frame_id, frame.time_s) == ("drive", number, number / 10)
        np.testing.assert_array_equal(frame.image, image(number))
        np.testing.assert_array_equal(frame.points, scaled(raw_cloud(number)))
        np.testing.assert_allclose(frame.lidars[0].elevations_deg, ELEVATIONS_DEG, atol=1e-3)
        assert frame.lidars[0].range_m == 100 and (frame.camera.height_px, frame.camera.width_px) == (HEIGHT, WIDTH)
        rows = np.array(OPENCV_SE3_LIDAR)
        x, y, z = rows[:, :3] @ frame.points[:, :3].astype(np.float64).T + rows[:, 3:]
        u, v, _ = frame.calibration.project(frame.points)
        ahead = z > 0
        np.testing.assert_allclose(u[ahead], (72.0 * x / z + 60.5)[ahead], atol=1e-6, rtol=1e-9)
        np.testing.assert_allclose(v[ahead], (71.0 * y / z + 18.5)[ahead], atol=1e-6, rtol=1e-9)


def test_vehicle_axes_and_four_rows_are_the_same(tmp_path):
    (x, y, z), last = OPENCV_SE3_LIDAR, [0.0, 0.0, 0.0, 1.0]
    ours = [z, [-value for value in x], [-value for value in y], last]
    write_folder(tmp_path / "a", ["0"])
    write_folder(tmp_path / "b", ["0"], {"camera_SE3_lidar": ours, "camera_axes": "vehicle"})
    (a,), (b,) = frames(tmp_path / "a"), frames(tmp_path / "b")
    np.testing.assert_array_equal(a.frame.calibration.camera_SE3_lidar, b.frame.calibration.camera_SE3_lidar)


@pytest.mark.parametrize("columns", ["xyz", "xyzi", "xyzir", "xyzi_r", "_xyz", "ixyz"])
@pytest.mark.parametrize("ending", ["npy", "bin"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_columns_in_any_order(tmp_path, columns, ending, dtype):
    names = {"x": "x", "y": "y", "z": "z", "i": "intensity", "r": "ring", "_": "other"}
    lidar = calibration()["lidar"] | {"columns": [names[letter] for letter in columns]}
    write_folder(tmp_path / "drive", ["0"], {"lidar": lidar})
    points = raw_cloud(0)
    values = dict(zip("xyzi", points.T, strict=True)) | {"r": ring_numbers(), "_": np.full(len(points), 7.5)}
    rows = np.column_stack([values[letter] for letter in columns]).astype(dtype)
    (tmp_path / "drive" / "clouds" / "0.npy").unlink()
    if ending == "npy":
        np.save(tmp_path / "drive" / "clouds" / "0.npy", rows)
    else:
        rows.astype("<f4").tofile(tmp_path / "drive" / "clouds" / "0.bin")
    (read,) = frames(tmp_path / "drive")
    expected = scaled(points)
    if "i" not in columns:
        expected[:, 3] = 0
    np.testing.assert_array_equal(read.frame.points, expected)


def write_ply(path, points, ring):
    header = "ply\nformat binary_little_endian 1.0\n" + f"element vertex {len(points)}\n"
    header += "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity")) + "property ushort ring\n"
    rows = b"".join(struct.pack("<4fH", *row, number) for row, number in zip(points.tolist(), ring, strict=True))
    path.write_bytes((header + "end_header\n").encode() + rows)


def write_pcd(path, points, ring):
    library = require_pcd_library()
    columns = [*points.T, ring.astype(np.uint16)]
    fields, types = ("x", "y", "z", "intensity", "ring"), (*[np.float32] * 4, np.uint16)
    library.PointCloud.from_points(columns, fields, types).save(path)


@pytest.mark.parametrize(("ending", "write"), [("ply", write_ply), ("pcd", write_pcd)])
def test_ply_and_pcd_name_their_fields(tmp_path, ending, write):
    write_folder(tmp_path / "drive", ["0"])
    (tmp_path / "drive" / "clouds" / "0.npy").unlink()
    order = np.random.default_rng(0).permutation(len(raw_cloud(0)))
    write(tmp_path / "drive" / "clouds" / f"0.{ending}", raw_cloud(0)[order], ring_numbers()[order])
    (read,) = frames(tmp_path / "drive")
    np.testing.assert_array_equal(read.frame.points, scaled(raw_cloud(0))[order])
    np.testing.assert_allclose(read.frame.lidars[0].elevations_deg, ELEVATIONS_DEG, atol=1e-3)


def test_rays_without_an_echo_are_left_out(tmp_path):
    write_folder(tmp_path / "drive", ["0"])
    points = raw_cloud(0)
    points[3, 0], points[5], points[7, 2] = np.nan, 0, np.inf
    np.save(tmp_path / "drive" / "clouds" / "0.npy", points)
    (read,) = frames(tmp_path / "drive")
    np.testing.assert_array_equal(read.frame.points, np.delete(scaled(points), [3, 5, 7], axis=0))


def test_distortion_is_undone_once(tmp_path):
    camera = calibration()["camera"] | {"distortion": [-0.2, 0.05, 0.001, -0.002, 0.0]}
    write_folder(tmp_path / "drive", ["0"], {"camera": camera})
    (read,) = frames(tmp_path / "drive")
    expected = undistorted(image(0), read.frame.camera, (-0.2, 0.05, 0.001, -0.002, 0.0))
    np.testing.assert_array_equal(read.frame.image, expected)
    assert read.frame.camera.fx_px == 72.0


def test_jpeg_and_times(tmp_path):
    write_folder(tmp_path / "drive", [])
    for number, (image_s, cloud_s) in enumerate([("100.00", "100.02"), ("100.10", "100.09"), ("100.20", "100.40")]):
        Image.fromarray(image(number)).save(tmp_path / "drive" / "images" / f"{image_s}.jpg")
        np.save(tmp_path / "drive" / "clouds" / f"{cloud_s}.npy", raw_cloud(number))
    (recording,) = opened(tmp_path)
    assert [finding.reason for finding in recording.findings] == [Notice.UNPAIRED_FILES]
    reads = list(recording.frames(None))
    assert [(read.frame.frame_id, read.frame.time_s) for read in reads] == [(0, 100.0), (1, 100.1)]
    with Image.open(tmp_path / "drive" / "images" / "100.10.jpg") as expected:
        np.testing.assert_array_equal(reads[1].frame.image, np.asarray(expected))


def test_several_folders_may_share_a_calibration(tmp_path):
    write_folder(tmp_path / "rig" / "monday" / "a", ["0"])
    write_folder(tmp_path / "rig" / "b", ["0"])
    (tmp_path / "rig" / "monday" / "a" / "calibration.yaml").rename(tmp_path / "rig" / "calibration.yaml")
    assert [recording.name for recording in opened(tmp_path / "rig")] == ["b", "monday_a"]
    assert [recording.path for recording in opened(tmp_path / "rig")] == [
        tmp_path / "rig" / "b",
        tmp_path / "rig" / "monday" / "a",
    ]


def camera(**values):
    return {"camera": calibration()["camera"] | values}


def lidar(**values):
    return {"lidar": calibration()["lidar"] | values}


MIRRORED = [OPENCV_SE3_LIDAR[0], [-value for value in OPENCV_SE3_LIDAR[1]], OPENCV_SE3_LIDAR[2]]
STRETCHED = [[2 * value for value in OPENCV_SE3_LIDAR[0]], *OPENCV_SE3_LIDAR[1:]]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (camera(fx_px="72"), "camera.fx_px: got '72', which should be a valid number"),
        (camera(focal=72), "camera.focal: unknown key; accepted here: width_px, height_px"),
        (camera(distortion=[0.1]), "camera.distortion: got [0.1], which must be 4, 5 or 8 numbers"),
        ({"camera_axes": "ros"}, "camera_axes: got 'ros', which should be 'opencv' or 'vehicle'"),
        ({"camera_SE3_lidar": [[1.0, 0.0, 0.0]]}, "must be 3 or 4 rows of 4 numbers"),
        ({"camera_SE3_lidar": MIRRORED}, "which it mirrors"),
        ({"camera_SE3_lidar": STRETCHED}, "which it is not rigid"),
        ({"camera_axes": "vehicle"}, "which fits with camera_axes: opencv"),
        (
            lidar(columns=["x", "y", "intensity"]),
            "lidar.columns: got ['x', 'y', 'intensity'], which must name x, y and z",
        ),
        (lidar(columns=["x", "y", "z", "time"]), "lidar.columns.3: got 'time'"),
        (lidar(columns=["x", "y", "z"]), "names 3 columns (x, y, z); name the file's columns"),
        (lidar(intensity_range=[255, 0]), "must be two numbers that ascend"),
        (lidar(intensity_range=[0, 1]), "beyond lidar.intensity_range [0, 1]; set it to [0, 255], probably"),
        (lidar(range_m=-5), "lidar.range_m"),
        (lidar(elevations_deg=[2.0, 2.0, -5.0]), "must be the elevations of at least 2 channels, all different"),
        ({"lidar": {"range_m": 5.0}}, "lidar.intensity_range: missing; add it (docs/sensors.md shows a whole file)"),
    ],
)
def test_a_wrong_calibration_is_one_sentence(tmp_path, changes, part):
    write_folder(tmp_path / "drive", ["0"], changes)
    message = sentence(tmp_path)
    assert part in message and str(tmp_path / "drive") in message


@pytest.mark.parametrize(
    ("text", "part"), [("", "should be a valid dictionary"), ("a: [", "not valid YAML"), ("- 1", "valid dictionary")]
)
def test_no_yaml(tmp_path, text, part):
    write_folder(tmp_path / "drive", ["0"])
    (tmp_path / "drive" / "calibration.yaml").write_text(text)
    assert part in sentence(tmp_path)


def test_no_calibration(tmp_path):
    write_folder(tmp_path / "drive", ["0"])
    (tmp_path / "drive" / "calibration.yaml").unlink()
    (found,) = opened(tmp_path)
    assert found.reason is ScenarioReason.MISSING_SENSOR_SETUP
    assert "there is no calibration.yaml in it or above it; write one" in found.message


def test_images_and_clouds_that_do_not_pair(tmp_path):
    write_folder(tmp_path / "drive", ["0"])
    (tmp_path / "drive" / "clouds" / "0.npy").rename(tmp_path / "drive" / "clouds" / "1.npy")
    assert "1 images (0) and 1 clouds (1) do not pair" in sentence(tmp_path)


def test_intensities_far_below_their_range(tmp_path):
    write_folder(tmp_path / "drive", ["0"])
    points = raw_cloud(0)
    points[:, 3] /= 255
    np.save(tmp_path / "drive" / "clouds" / "0.npy", points)
    assert "are at most 1, but lidar.intensity_range of calibration.yaml ends at 255; set it to [0, 1]" in sentence(
        tmp_path
    )


@pytest.mark.parametrize(
    ("name", "damage", "part"),
    [
        ("clouds/1.npy", lambda p: p.write_bytes(p.read_bytes()[:-4]), "bytes of data, but its header declares"),
        (
            "clouds/1.npy",
            lambda p: np.save(p, np.zeros((9, 7))),
            "an array of shape (9, 7), but calibration.yaml names 4",
        ),
        ("clouds/1.npy", lambda p: np.save(p, np.zeros((9, 4))), "it holds no point"),
        ("clouds/1.npy", lambda p: np.save(p, np.zeros((0, 4))), "empty (0 rows)"),
        ("clouds/1.npy", lambda p: np.save(p, np.array([{}, None]), allow_pickle=True), "pickled"),
        (
            "clouds/1.npy",
            lambda p: np.save(p, raw_cloud(0) + np.array([0, 0, 0, 99], dtype=np.float32)),
            "set it to [0, 4095], probably",
        ),
        ("images/1.png", lambda p: p.write_bytes(b"no image"), "cannot be decoded"),
        ("images/1.png", lambda p: Image.fromarray(image(0, 20, 30)).save(p), "20 x 30 pixels (height x width)"),
    ],
)
def test_a_bad_file_is_skipped_and_the_rest_goes_on(tmp_path, name, damage, part):
    write_folder(tmp_path / "drive", ["0", "1", "2"])
    damage(tmp_path / "drive" / name)
    first, skipped, last = frames(tmp_path)
    assert isinstance(first, ReadFrame) and isinstance(last, ReadFrame) and isinstance(skipped, SkippedFrame)
    assert part in skipped.message and name in skipped.message and "\n" not in skipped.message


def test_a_bin_of_other_columns(tmp_path):
    write_folder(tmp_path / "drive", ["0"])
    (tmp_path / "drive" / "clouds" / "0.npy").unlink()
    np.zeros((9, 5), dtype=np.float32).tofile(tmp_path / "drive" / "clouds" / "0.bin")
    assert (
        "180 bytes, which are no rows of 4 float32: it is cut off, or has other columns; name the file's columns"
        in sentence(tmp_path)
    )


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DataError, match="holds no folder with images/ and clouds/"):
        find_folders(tmp_path)


def test_the_calibration_file_is_plain_yaml(tmp_path):
    content = write_folder(tmp_path / "drive", ["0"])
    assert yaml.safe_load((tmp_path / "drive" / "calibration.yaml").read_text()) == content
