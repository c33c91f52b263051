"""Frames to a shard and back: every value, to the byte, and refusals of what is damaged."""

import pickle
import re
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.anovox.reading.scenario import open_scenario
from lib.common.errors import DataError
from lib.geometry.calibration import Calibration
from lib.geometry.camera import Camera
from lib.geometry.frame import Anomaly, Frame, Lidar, ScenarioType
from lib.geometry.merged import merge_clouds
from lib.geometry.rigid import yaw_transform
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import padded_length, thinned, write_shard
from tests.anovox_sample import MONO_STATIC
from tests.shard_data import is_mapped, shard_entry
from tests.sound_files import whole_frames

CAMERA = Camera.from_fov(12, 8, 70.0)
LIDAR = Lidar(16, 15.0, -25.0, 100.0, (0.0, -1.0, 1.8), (0.0, 0.0, -15.0))
PER_FRAME = ("image", "points", "point_class", "pixel_class", "depth_m")


def frame(frame_id, points=20, voxels=9, scenario_type=ScenarioType.STATIC, **changes):
    generator = np.random.default_rng([frame_id, points])
    made = Frame(
        scenario="Scenario_a",
        frame_id=frame_id,
        scenario_type=scenario_type,
        image=generator.integers(0, 256, (8, 12, 3), dtype=np.uint8),
        points=generator.normal(0, 20, (points, 4)).astype(np.float32),
        point_class=generator.integers(1, 29, points).astype(np.uint8),
        pixel_class=generator.integers(1, 29, (8, 12)).astype(np.uint8),
        depth_m=generator.uniform(0, 1000, (8, 12)).astype(np.float32),
        calibration=Calibration(CAMERA, yaw_transform(0.3, (0.1, 1.0, 0.0))),
        lidars=(LIDAR,),
        voxels=generator.integers(0, 60, (voxels, 4)).astype(np.uint16),
        world_SE3_ego=yaw_transform(frame_id, (frame_id, 2.0, 0.0)),
        speed_mps=frame_id / 4,
        time_s=frame_id / 10,
        anomaly=Anomaly("Tiny", "static.prop.x", "both"),
    )
    return replace(made, **changes)


def assert_holds(shard, frames, max_points):
    assert len(shard) == len(frames) == len(shard.num_points) == len(shard.voxel_offsets) - 1
    assert shard.points.shape[1] == max_points
    for i, f in enumerate(frames):
        n = min(len(f.points), max_points)
        kept = thinned(f.scenario, f.frame_id, len(f.points), max_points)
        assert shard.frame_id[i] == f.frame_id and shard.num_points[i] == n == len(kept)
        assert np.array_equal(shard.image[i], f.image)
        assert np.array_equal(shard.points[i, :n], f.points[kept]) and not shard.points[i, n:].any()
        assert np.array_equal(shard.point_class[i, :n], f.point_class[kept]) and (shard.point_class[i, n:] == 255).all()
        assert np.array_equal(shard.pixel_class[i], f.pixel_class)
        assert np.array_equal(shard.depth_m[i], f.depth_m.astype(np.float16))
        assert np.array_equal(shard.voxels(i), f.voxels)
        assert np.array_equal(shard.world_SE3_ego[i], f.world_SE3_ego)
        assert (shard.speed_mps[i], shard.time_s[i]) == (f.speed_mps, f.time_s)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=5),
    st.integers(1, 50),
)
def test_what_is_written_is_read(tmp_path_factory, sizes, max_points):
    path = tmp_path_factory.mktemp("shard") / "a.h5"
    frames = [frame(i + 1, points, voxels) for i, (points, voxels) in enumerate(sizes)]
    entry = write_shard(path, iter(frames), max_points, "Town03", "CLEAR")
    assert entry == shard_entry(read_shard(path)) and entry.frames == len(frames)
    assert_holds(read_shard(path), frames, max_points)


@pytest.fixture
def shard_path(tmp_path):
    write_shard(tmp_path / "a.h5", [frame(1), frame(2, 33), frame(3, 0)], 64, "Town03", "CLEAR_NOON")
    return tmp_path / "a.h5"


def test_everything_about_the_scenario_is_kept(shard_path):
    shard = read_shard(shard_path)
    assert (shard.scenario, shard.town, shard.weather) == ("Scenario_a", "Town03", "CLEAR_NOON")
    assert (shard.camera, shard.lidars, shard.scenario_type) == (CAMERA, (LIDAR,), ScenarioType.STATIC)
    assert shard.anomaly == Anomaly("Tiny", "static.prop.x", "both")
    assert np.array_equal(shard.calibration.camera_SE3_lidar, yaw_transform(0.3, (0.1, 1.0, 0.0)))


def test_the_unknown_stays_unknown(tmp_path):
    unknown = {"world_SE3_ego": None, "speed_mps": None, "time_s": None, "anomaly": None}
    write_shard(tmp_path / "a.h5", [frame(1, **unknown)], 64)
    shard = read_shard(tmp_path / "a.h5")
    assert np.isnan(shard.world_SE3_ego).all() and np.isnan(shard.speed_mps).all() and np.isnan(shard.time_s).all()
    assert shard.anomaly is None and shard.town == ""


def test_an_anomaly_of_unknown_size_is_an_anomaly(tmp_path):
    write_shard(tmp_path / "a.h5", [frame(1, anomaly=None), frame(2, anomaly=Anomaly())], 64)
    assert read_shard(tmp_path / "a.h5").anomaly == Anomaly()


def test_arrays_are_aligned_read_only_maps_of_the_file(shard_path):
    shard = read_shard(shard_path)
    for name in (*PER_FRAME, "voxels_flat"):
        array = getattr(shard, name)[1] if name in PER_FRAME else getattr(shard, name)
        assert is_mapped(array) and not array.flags.writeable and array.flags.c_contiguous, name
        assert array.ctypes.data % 64 == 0, name


def test_h5py_reads_the_same(shard_path):
    """The file is plain HDF5, readable without this project; a frame is a chunk."""
    shard = read_shard(shard_path)
    with h5py.File(shard_path) as file:
        assert np.array_equal(file["image"][1], shard.frame(1).image)
        assert file["intrinsics"][()].tolist() == [CAMERA.fx_px, CAMERA.fy_px, CAMERA.cx_px, CAMERA.cy_px]
        assert np.array_equal(file["camera_SE3_lidar"][()], shard.calibration.camera_SE3_lidar)
        for name, dataset in file.items():
            assert dataset.attrs["crc32"] == zlib.crc32(dataset[()].tobytes())
            assert dataset.chunks == ((1, *dataset.shape[1:]) if name in PER_FRAME else None)
            if name not in ("intrinsics", "camera_SE3_lidar", "lidars", "lidar_elevations_deg"):
                assert np.array_equal(dataset[()], getattr(shard, name))


def test_equal_frames_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_shard(tmp_path / name / "shard.h5", [frame(1), frame(2, 90)], 64, "Town03", "CLEAR")
    assert (tmp_path / "a" / "shard.h5").read_bytes() == (tmp_path / "b" / "shard.h5").read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"time_s": 5.0}, {"speed_mps": 9.0}, {"anomaly": Anomaly("Big")}, {"calibration": Calibration(CAMERA, np.eye(4))}],
)
def test_the_fingerprint_changes_with_the_content(tmp_path, change):
    prints = set()
    for name, changed in (("a", {}), ("b", change)):
        write_shard(tmp_path / name, [frame(1, **changed)], 64)
        prints.add(read_shard(tmp_path / name).fingerprint)
    assert len(prints) == 2


def test_thinning_is_blind_to_labels_and_keeps_the_order(tmp_path):
    other = frame(1, 200)
    relabelled = replace(other, point_class=np.full(200, 33, dtype=np.uint8))
    for name, made in (("a", other), ("b", relabelled)):
        write_shard(tmp_path / name, [made], 64)
    first, second = (read_shard(tmp_path / name) for name in ("a", "b"))
    assert np.array_equal(first.points, second.points) and first.num_points[0] == 64
    kept = thinned("Scenario_a", 1, 200, 64)
    assert (np.diff(kept) > 0).all() and kept[-1] < 200
    assert not np.array_equal(kept, thinned("Scenario_a", 2, 200, 64))
    assert not np.array_equal(kept, thinned("Scenario_b", 1, 200, 64))


@pytest.mark.parametrize(("largest", "slots"), [(0, 64), (1, 64), (64, 64), (65, 128), (91_999, 92_032)])
def test_point_slots_are_multiples_of_64(largest, slots):
    assert padded_length(largest) == slots


@pytest.mark.parametrize(
    ("class_id", "declared", "stored"),
    [
        (33, ScenarioType.NORMALITY, ScenarioType.STATIC),
        (100, ScenarioType.NORMALITY, ScenarioType.DYNAMIC),
        (14, ScenarioType.NORMALITY, ScenarioType.NORMALITY),
        (33, ScenarioType.DYNAMIC, ScenarioType.DYNAMIC),
    ],
)
def test_a_scenario_with_a_labelled_anomaly_is_no_normality(tmp_path, class_id, declared, stored):
    pixels = np.full((8, 12), 1, dtype=np.uint8)
    pixels[3, 3] = class_id
    write_shard(
        tmp_path / "a", [frame(1, scenario_type=declared), frame(2, scenario_type=declared, pixel_class=pixels)], 64
    )
    assert read_shard(tmp_path / "a").scenario_type is stored


def test_a_shard_travels_between_processes_as_its_path(shard_path):
    shard = read_shard(shard_path)
    data = pickle.dumps(shard)
    assert len(data) < 1000
    assert np.array_equal(pickle.loads(data).points, shard.points)


def test_golden_frames_survive(tmp_path):
    frames = [read.frame for read in whole_frames(open_scenario(MONO_STATIC, None))]
    frames = [replace(f, world_SE3_ego=np.eye(4)) for f in frames]
    write_shard(tmp_path / "g.h5", frames, padded_length(max(len(f.points) for f in frames)))
    shard = read_shard(tmp_path / "g.h5")
    assert_holds(shard, frames, 1536)


def test_no_frame_is_no_shard(tmp_path):
    with pytest.raises(DataError, match="no usable frame"):
        write_shard(tmp_path / "a.h5", [], 64)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_nothing(tmp_path):
    def frames():
        yield frame(1)
        raise RuntimeError("a later file broke")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "a.h5", frames(), 64)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"a\.h5: cannot be written"):
        write_shard(tmp_path / "file" / "a.h5", [frame(1)], 64)


def set_version(path):
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 99


def set_kind(path):
    with h5py.File(path, "r+") as file:
        file.attrs["kind"] = "prediction file"


def drop_array(path):
    with h5py.File(path, "r+") as file:
        del file["depth_m"]


def drop_attribute(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["town"]


def change_type(path):
    with h5py.File(path, "r+") as file:
        del file["depth_m"]
        file["depth_m"] = np.zeros((3, 8, 12))


def flip_a_pixel(path):
    with h5py.File(path, "r+") as file:
        file["image"][1, 2, 3, 0] ^= 1


def truncate(path):
    path.write_bytes(path.read_bytes()[:-500])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\n")


def delete(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (set_version, "was written with schema 99, this version reads 5"),
        (set_kind, "not a shard of this pipeline"),
        (drop_array, "damaged or truncated"),
        (drop_attribute, "damaged or truncated (its attributes do not match its fingerprint)"),
        (change_type, "depth_m is float64 (3, 8, 12), not as written"),
        (flip_a_pixel, "damaged or truncated (image does not match its checksum)"),
        (truncate, "damaged or truncated"),
        (empty, "damaged or truncated"),
        (text, "damaged or truncated"),
        (delete, "there is no such shard"),
    ],
)
def test_a_damaged_shard_is_refused_in_one_sentence(shard_path, damage, part):
    damage(shard_path)
    with pytest.raises(DataError, match=re.escape("run `dvc repro preprocess` to write the shards anew")) as caught:
        read_shard(shard_path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{shard_path}: ") and part in sentence and "\n" not in sentence


def test_verification_can_be_left_out(shard_path):
    flip_a_pixel(shard_path)
    assert len(read_shard(shard_path, verify=False)) == 3


LIDARS = (
    Lidar(16, 15.0, -25.0, 100.0, (1.0, 0.9, 1.8), (0, 0, 15)),
    Lidar(8, 10.0, -30.0, 80.0, (-1.5, 0.9, 1.0), (0, 0, 170)),
    Lidar(16, 15.0, -25.0, 100.0, (0.0, 0.0, 1.8), (0, 0, 0)),
)


def merged_frame(frame_id, sizes):
    """A frame of several LiDARs, and each one's own points."""
    generator = np.random.default_rng([frame_id, *sizes])
    clouds = [generator.normal(0, 20, (size, 4)) for size in sizes]
    points = merge_clouds(clouds, [(lidar.location, lidar.rotation) for lidar in LIDARS])
    classes = generator.integers(1, 29, len(points)).astype(np.uint8)
    several = {"lidars": LIDARS, "cloud_sizes": sizes, "camera_name": "camera1_yaw40"}
    return replace(frame(frame_id), points=points, point_class=classes, **several), clouds


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1, max_size=3), st.integers(1, 60))
def test_merged_clouds_can_be_told_apart_even_when_thinned(tmp_path_factory, sizes, max_points):
    path = tmp_path_factory.mktemp("shard") / "a.h5"
    made = [merged_frame(i + 1, each) for i, each in enumerate(sizes)]
    write_shard(path, (merged for merged, _ in made), max_points)
    shard = read_shard(path)
    assert_holds(shard, [merged for merged, _ in made], max_points)
    assert (shard.lidars, shard.camera_name) == (LIDARS, "camera1_yaw40")
    for i, (merged, clouds) in enumerate(made):
        kept = thinned(merged.scenario, merged.frame_id, len(merged.points), max_points)
        own = np.repeat(np.arange(3), merged.cloud_sizes)[kept]
        found = shard.lidar_points(i)
        assert [len(cloud) for cloud in found] == np.bincount(own, minlength=3).tolist()
        assert np.allclose(np.concatenate(found), np.concatenate(clouds)[kept], atol=1e-4)


def test_one_lidar_keeps_its_frame(shard_path):
    shard = read_shard(shard_path)
    assert np.array_equal(shard.lidar_points(1)[0], shard.points[1, :33]) and shard.camera_name == ""


def test_uneven_rings_come_back(tmp_path):
    uneven = replace(LIDAR, elevations_deg=(2.0, 0.5, 0.0, -9.0))
    lidars = (uneven, LIDAR, replace(LIDAR, elevations_deg=(1.0, -1.0)))
    write_shard(tmp_path / "a.h5", [frame(1, points=9, lidars=lidars, cloud_sizes=(4, 3, 2))], 64)
    assert read_shard(tmp_path / "a.h5").lidars == lidars
