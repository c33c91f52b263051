"""AnoVox's old sample layout, file by file: colours and classes, clouds, damaged files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.anovox.format import clouds, colors, old_layout, writing
from lib.anovox.format.class_images import read_class_image
from lib.anovox.format.recording import CameraArgs, LidarArgs, SensorPose
from lib.common.labels import ANOMALY_IDS, LABELS, UNKNOWN, is_anomaly
from lib.reading.file_errors import FileError, Reason
from lib.reading.pcd import StoredCloud, read_pcd
from tests.anovox_sample import lidar_recording
from tests.old_layout_files import (
    colors_of_class_ids,
    write_lidar,
    write_pcd,
    write_semantic_image,
    write_semantic_lidar,
)

IDS = np.array([label.id for label in LABELS], dtype=np.uint8)
CLASS_IDS = st.sampled_from(IDS.tolist())


def as_read(class_ids, anomaly_id):
    """Class ids as the layout keeps them: every anomaly is one."""
    return np.where(is_anomaly(class_ids), np.uint8(anomaly_id), class_ids)


@pytest.mark.parametrize("anomaly_id", [33, 100])
def test_every_class_has_its_colour_and_anomalies_fraction_one(anomaly_id):
    shown = colors_of_class_ids(IDS)
    assert shown[IDS == 1].tolist() == [[128, 64, 128]]
    assert {tuple(color) for color in shown[is_anomaly(IDS)]} == {(245, 0, 0)}
    assert np.array_equal(colors.class_ids_of_colors(shown, anomaly_id), as_read(IDS, anomaly_id))


def test_colours_match_exactly_or_are_unknown():
    shown = np.array([[[128, 64, 128], [128, 64, 127]], [[255, 0, 0], [255, 255, 255]]], dtype=np.uint8)
    assert colors.class_ids_of_colors(shown, 100).tolist() == [[1, UNKNOWN], [13, UNKNOWN]]


def test_the_palettes_of_release_and_benchmark_name_the_kind_of_anomaly():
    shown = np.array([[245, 29, 0], [250, 128, 114], [255, 36, 0], [224, 17, 95], [184, 15, 10]], dtype=np.uint8)
    assert colors.class_ids_of_colors(shown, 100).tolist() == [29, 29, 30, 31, 32]


@pytest.mark.parametrize(
    ("blueprint", "anomaly_id"),
    [
        ("static.prop.o_barbedwire_special", 32),
        ("static.prop.o_lion_Animal", 30),
        ("static.prop.x_home", 29),
        ("static.prop.x_nature", 31),
        ("static.prop.x_airplane", 33),
        ("static.prop.x_falling", 34),
        ("vehicle.tesla.model3", 100),
        ("static.prop.warning_road", 100),
        ("", 100),
        (None, 100),
    ],
)
def test_the_blueprint_names_the_kind_of_anomaly(blueprint, anomaly_id):
    assert colors.anomaly_id_of(blueprint) == anomaly_id and anomaly_id in ANOMALY_IDS


@given(
    class_ids=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=CLASS_IDS),
    anomaly_id=st.sampled_from(ANOMALY_IDS),
)
def test_semantic_images_mirror(tmp_path_factory, class_ids, anomaly_id):
    path = tmp_path_factory.mktemp("old") / "SEMANTIC_IMG_1.png"
    write_semantic_image(path, class_ids)
    height, width = class_ids.shape
    found = read_class_image(path, height, width, anomaly_id)
    assert np.array_equal(found, as_read(class_ids, anomaly_id))
    first = path.read_bytes()
    write_semantic_image(path, found)
    assert path.read_bytes() == first


@given(seed=st.integers(0, 2**32 - 1), anomaly_id=st.sampled_from(ANOMALY_IDS))
def test_clouds_mirror(tmp_path_factory, seed, anomaly_id):
    folder = tmp_path_factory.mktemp("old")
    generator = np.random.default_rng(seed)
    recording = lidar_recording(generator, 30, int(generator.choice(ANOMALY_IDS)))
    write_lidar(folder / "PCD_1.pcd", recording.lidar)
    points = clouds.read_lidar(folder / "PCD_1.pcd")
    assert np.array_equal(points[:, :3], recording.lidar[:, :3]) and not points[:, 3].any()
    write_lidar(folder / "PCD_1.pcd", recording.lidar, intensity=True)
    assert np.array_equal(clouds.read_lidar(folder / "PCD_1.pcd"), recording.lidar)
    path = folder / "SEMANTIC_PCD_1.pcd"
    write_semantic_lidar(path, recording.semantic_lidar)
    semantic = clouds.read_semantic_lidar(path, anomaly_id)
    assert np.array_equal(semantic[:, :3], recording.semantic_lidar[:, :3].astype(np.float32))
    assert np.array_equal(semantic[:, 3], as_read(recording.semantic_lidar[:, 3].astype(np.uint8), anomaly_id))
    first = path.read_bytes()
    write_semantic_lidar(path, semantic)
    assert path.read_bytes() == first


def test_a_semantic_cloud_without_colours_is_named(tmp_path):
    path = tmp_path / "SEMANTIC_PCD_1.pcd"
    write_lidar(path, np.ones((4, 4), dtype=np.float32))
    with pytest.raises(FileError, match="neither ObjTag nor a colour") as caught:
        clouds.read_semantic_lidar(path, 100)
    assert caught.value.reason is Reason.BAD_ARRAY


@pytest.mark.parametrize(("value", "part"), [(np.nan, "NaN or infinite"), (np.inf, "NaN"), (2e4, "farther than")])
def test_impossible_coordinates_are_named(tmp_path, value, part):
    points = np.ones((4, 3), dtype=np.float32)
    points[2, 1] = value
    write_pcd(tmp_path / "x.pcd", StoredCloud(points, colors=np.zeros((4, 3), dtype=np.uint8)))
    for read in (clouds.read_lidar, lambda path: clouds.read_semantic_lidar(path, 100)):
        with pytest.raises(FileError, match=part):
            read(tmp_path / "x.pcd")


def test_an_image_of_another_size_is_named(tmp_path):
    path = tmp_path / "SEMANTIC_IMG_1.png"
    write_semantic_image(path, np.ones((4, 6), dtype=np.uint8))
    with pytest.raises(FileError, match="4 x 6 pixels"):
        read_class_image(path, 6, 4, 100)


def test_colours_of_no_class_are_unknown_and_listed(tmp_path):
    path = tmp_path / "SEMANTIC_IMG_1.png"
    writing.write_png(path, np.array([[(128, 64, 128), (1, 2, 3), (255, 255, 255)]], dtype=np.uint8))
    undefined: set[int] = set()
    assert read_class_image(path, 1, 3, 100, undefined).tolist() == [[1, UNKNOWN, UNKNOWN]]
    assert undefined == {0x010203, 0xFFFFFF}


@pytest.mark.parametrize(
    ("row", "ids"),
    [
        ([(0, 0, 0), (245, 0, 0), (255, 0, 0)], [0, 100, 13]),
        ([(0, 0, 0), (70, 70, 70), (153, 153, 153)], [0, 3, 6]),
        ([(0, 0, 0), (14, 0, 0), (57, 0, 0)], [0, 14, UNKNOWN]),
        ([(0, 0, 0), (24, 24, 24), (100, 100, 100)], [0, 24, 100]),
        ([(0, 0, 0)] * 3, [0, 0, 0]),
    ],
)
def test_red_and_grey_are_class_ids_unless_they_are_the_palettes(tmp_path, row, ids):
    path = tmp_path / "SEMANTIC_IMG_1.png"
    writing.write_png(path, np.array([row], dtype=np.uint8))
    assert read_class_image(path, 1, 3, 100).tolist() == [ids]


def test_the_setup_is_anovoxs_default():
    setup = old_layout.old_sensor_setup()
    [camera], [lidar] = setup.cameras, setup.lidars
    assert camera.args == CameraArgs() and lidar.args == LidarArgs() and camera.pose == SensorPose()
    assert dict(camera.folders) == {"RGB-CAM": "RGB_IMG", "DEPTH_CAM": "DEPTH_IMG", "SEMANTIC-CAM": "SEMANTIC_IMG"}
    assert dict(lidar.folders) == {"LIDAR": "PCD", "SEMANTIC-LIDAR": "SEMANTIC_PCD"}


def test_open3d_leaves_the_intensity_out(tmp_path):
    write_lidar(tmp_path / "PCD_1.pcd", np.ones((4, 4), dtype=np.float32))
    assert read_pcd(tmp_path / "PCD_1.pcd").intensity is None
