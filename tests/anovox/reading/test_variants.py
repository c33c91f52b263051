"""Golden scenarios in the other forms that AnoVox data come in: each form gives the same frames."""

import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from lib.anovox.format import layout
from lib.anovox.format.configurations import read_configurations
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.common.labels import LABELS
from lib.reading.findings import Notice
from lib.reading.recorded_frames import ReadFrame, SkippedFrame
from tests.anovox.reading.test_written import TRUTHS, WRITTEN
from tests.sound_files import no_finding, whole, whole_frames

STATIC = next(name for name, truth in TRUTHS["mono"]["scenarios"].items() if truth["type"] == "STATIC")
STEREO = next(iter(TRUTHS["stereo"]["scenarios"]))
PALETTE = {label.id: label.color for label in LABELS}


@pytest.fixture
def mono(tmp_path):
    """A copy of a golden scenario in a folder that may be changed."""
    return copied(tmp_path / "data", "mono", STATIC)


def copied(root, name, scenario):
    shutil.copytree(WRITTEN / name / "data" / scenario, root / scenario)
    return root / scenario


def frames(path, sensors="forward"):
    found = open_scenario(path, None, sensors)
    reads = whole_frames(found)
    assert reads
    return found, [read.frame for read in reads]


def golden_frames(name="mono", scenario=STATIC, sensors="forward"):
    return frames(WRITTEN / name / "data" / scenario, sensors)[1]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for frame, golden in zip(found, expected, strict=True):
        assert frame.camera == golden.camera and frame.lidars == golden.lidars
        for field in ("image", "points", "point_class", "pixel_class", "depth_m", "voxels", "world_SE3_ego"):
            assert np.array_equal(getattr(frame, field), getattr(golden, field)), field


def folder(scenario, kind):
    [found] = [f for f in scenario.iterdir() if layout.kind_of(f.name) == kind]
    return found


def rewrite(scenario, kind, ending, write):
    """Replace the files of a kind by others that `write(path, content)` makes."""
    for path in sorted(folder(scenario, kind).iterdir()):
        content = np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))
        path.unlink()
        write(path.with_suffix(ending), content)


@pytest.mark.parametrize(
    "change", [np.ascontiguousarray, np.asfortranarray, lambda a: a.astype(a.dtype.newbyteorder(">"))]
)
@pytest.mark.parametrize("kind", [layout.LIDAR, layout.SEMANTIC_LIDAR, layout.VOXEL_GRID])
def test_arrays_in_either_order_of_rows_columns_and_bytes(mono, kind, change):
    rewrite(mono, kind, ".npy", lambda path, array: np.save(path, change(array)))
    assert_same(frames(mono)[1], golden_frames())


def test_number_types_exchanged(mono):
    rewrite(mono, layout.LIDAR, ".npy", lambda path, array: np.save(path, array.astype(np.float64)))
    rewrite(mono, layout.SEMANTIC_LIDAR, ".npy", lambda path, array: np.save(path, array.astype(np.float32)))
    rewrite(mono, layout.VOXEL_GRID, ".npy", lambda path, array: np.save(path, array.astype(np.int64)))
    assert_same(frames(mono)[1], golden_frames())


def red_channel(ids):
    return np.dstack([ids, np.zeros_like(ids), np.zeros_like(ids), np.full_like(ids, 255)])


@pytest.mark.parametrize(
    "picture",
    [
        red_channel,
        lambda ids: red_channel(ids)[..., :3],
        lambda ids: np.dstack([ids] * 3),
        lambda ids: np.dstack([ids, np.full_like(ids, 255)]),
        lambda ids: ids.astype(np.uint16),
        lambda ids: np.array([PALETTE[i] for i in ids.ravel()], dtype=np.uint8).reshape(*ids.shape, 3),
    ],
    ids=["RGBA red", "RGB red", "grey as RGB", "LA", "16 bits", "palette's colours"],
)
def test_classes_in_other_channels(mono, picture):
    rewrite(mono, layout.SEMANTIC, ".png", lambda path, ids: Image.fromarray(picture(ids)).save(path))
    assert_same(frames(mono)[1], golden_frames())


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_colour_images_with_alpha_or_a_palette(mono, mode):
    few = lambda pixels: (pixels // 64 * 64).astype(np.uint8)  # noqa: E731 (few enough colours for a palette)

    def write(path, pixels):
        picture = Image.fromarray(few(pixels))
        (picture.quantize(256) if mode == "P" else picture.convert(mode)).save(path)

    rewrite(mono, layout.RGB, ".png", write)
    for frame, golden in zip(frames(mono)[1], golden_frames(), strict=True):
        assert np.array_equal(frame.image, few(golden.image))


def write_ply(path, cloud, binary=True, names=("x", "y", "z", "I")):
    """As CARLA's save_to_disk lays it out."""
    types = ["uint32" if name.startswith("Obj") else "float32" for name in names]
    header = ["ply", f"format {'binary_little_endian' if binary else 'ascii'} 1.0", f"element vertex {len(cloud)}"]
    header += [*(f"property {kind} {name}" for kind, name in zip(types, names, strict=True)), "end_header", ""]
    rows = [tuple(int(v) if t == "uint32" else float(v) for v, t in zip(row, types, strict=True)) for row in cloud]
    if binary:
        body = b"".join(struct.pack("<" + "".join("I" if t == "uint32" else "f" for t in types), *row) for row in rows)
    else:
        body = "".join(" ".join(repr(v) for v in row) + "\n" for row in rows).encode()
    path.write_bytes("\n".join(header).encode() + body)


def with_object_columns(cloud):
    """x, y, z, CosAngle, ObjIdx, ObjTag."""
    return np.column_stack([cloud[:, :3], np.ones(len(cloud)), np.arange(len(cloud)), cloud[:, 3]])


SEMANTIC_PLY = ("x", "y", "z", "CosAngle", "ObjIdx", "ObjTag")


@pytest.mark.parametrize("binary", [True, False])
def test_clouds_as_ply(mono, binary):
    rewrite(mono, layout.LIDAR, ".ply", lambda path, cloud: write_ply(path, cloud, binary))
    rewrite(
        mono,
        layout.SEMANTIC_LIDAR,
        ".ply",
        lambda path, cloud: write_ply(path, with_object_columns(cloud), binary, SEMANTIC_PLY),
    )
    assert_same(frames(mono)[1], golden_frames())


def write_padded_pcd(path, cloud):
    """As PCL writes PointXYZI in memory order: 4 bytes of padding after z, 12 after the intensity, a field of three."""
    fields = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("p", "V4"), ("i", "f4"), ("q", "V12"), ("normal", "3f4")]
    rows = np.zeros(len(cloud), dtype=[(name, "<" + t if t[0] == "f" else t) for name, t in fields])
    rows["x"], rows["y"], rows["z"], rows["i"] = cloud.T
    header = (
        "# .PCD v.7 - Point Cloud Data file format\nVERSION .7\nFIELDS x y z _ intensity _ normal\n"
        "SIZE 4 4 4 1 4 1 4\nTYPE F F F U F U F\nCOUNT 1 1 1 4 1 12 3\n"
        f"WIDTH {len(cloud)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(cloud)}\nDATA binary\n"
    )
    path.write_bytes(header.encode() + rows.tobytes())


def test_clouds_as_padded_pcd(mono):
    rewrite(mono, layout.LIDAR, ".pcd", write_padded_pcd)
    assert_same(frames(mono)[1], golden_frames())


def old_layout(scenario, cloud_ending=".npy"):
    """The golden scenario renamed to the old sample layout, clouds as .npy and classes in one channel."""
    names = {
        **{layout.RGB: layout.OLD_RGB, layout.DEPTH: layout.OLD_DEPTH, layout.SEMANTIC: layout.OLD_SEMANTIC},
        **{layout.LIDAR: layout.OLD_LIDAR, layout.SEMANTIC_LIDAR: layout.OLD_SEMANTIC_LIDAR},
    }
    for kind, name in names.items():
        source = folder(scenario, kind)
        for path in source.iterdir():
            path.rename(path.with_name(f"{name}_{layout.frame_id_of(path)}{path.suffix}"))
        source.rename(scenario / name)
    for unknown in (layout.SENSOR_SETUP, folder(scenario, layout.INSTANCE).name):
        shutil.rmtree(scenario / unknown, ignore_errors=True)
        (scenario / unknown).unlink(missing_ok=True)


def test_old_layout_with_npy_clouds_and_classes_in_one_channel(mono):
    old_layout(mono)
    found, read = frames(mono)
    assert_same(read, golden_frames())
    assert [finding.reason for finding in found.findings] == [Notice.OTHER_LIDAR_CHANNELS]


def test_old_layout_with_ply_clouds(mono):
    rewrite(mono, layout.LIDAR, ".ply", write_ply)
    old_layout(mono)
    assert_same(frames(mono)[1], golden_frames())


@pytest.mark.parametrize(("name", "scenario"), [("mono", STATIC), ("stereo", STEREO)])
def test_without_a_setup_poses_are_in_the_folders_names(tmp_path, name, scenario):
    path = copied(tmp_path, name, scenario)
    (path / layout.SENSOR_SETUP).unlink()
    found, read = frames(path, "all")
    assert_same(read, golden_frames(name, scenario, "all"))
    assert {finding.reason for finding in found.findings} == {Notice.ASSUMED_SENSOR_SETUP, Notice.OTHER_LIDAR_CHANNELS}
    with_setup = open_scenario(WRITTEN / name / "data" / scenario, None, "all")
    assert found.setup.action_pose(layout.LIDAR) == with_setup.setup.action_pose(layout.LIDAR)


def test_without_configurations_the_town_is_in_the_folders_name(tmp_path):
    path = copied(tmp_path / "AnoVox_Static_Mono_Town02" / "Final_Output_2024_02_05-20_24", "mono", STATIC)
    assert open_scenario(path, None).config.town == "Town02"
    assert open_scenario(path, None).config.weather_preset == ""


def edited_setup(scenario, kinds, **args):
    """sensor_setup.json with other arguments than the sensors had."""
    path = scenario / layout.SENSOR_SETUP
    setup = json.loads(path.read_text())
    for sensor in setup.values():
        if sensor["sensor_type"] in kinds:
            sensor["args"] |= args
    path.write_text(json.dumps(setup))


CAMERAS = (layout.RGB, layout.DEPTH, layout.SEMANTIC, layout.INSTANCE)


@pytest.mark.parametrize("stated_deg", [60.0, 75.0, 100.0, 110.0])
def test_a_field_of_view_that_depth_and_cloud_contradict_is_measured(mono, stated_deg):
    edited_setup(mono, CAMERAS, camera_fov=stated_deg)
    found, read = frames(mono)
    assert_same(read, golden_frames())
    [finding] = found.findings
    assert finding.reason is Notice.OTHER_FIELD_OF_VIEW and "agree at 90" in finding.message


@pytest.mark.parametrize(
    "stated",
    [{"channels": 64}, {"channels": 31}, {"channels": 16, "upper_fov": 10.0}, {"channels": 32, "lower_fov": -30}],
)
def test_channels_that_the_cloud_contradicts_are_measured(mono, stated):
    edited_setup(mono, (layout.LIDAR, layout.SEMANTIC_LIDAR), **stated)
    found, read = frames(mono)
    assert (read[0].lidars[0].channels, read[0].lidars[0].lower_fov_deg) == (16, -25.0)
    assert [finding.reason for finding in found.findings] == [Notice.OTHER_LIDAR_CHANNELS]


@pytest.mark.parametrize("frame_ids", ["every second", "of 0.2 s"])
def test_steps_of_two_ticks_and_ticks_of_two_tenths(mono, frame_ids):
    expected = golden_frames()
    for path in mono.glob("*/*_*.*"):
        start, _, number = path.stem.rpartition("_")
        if frame_ids == "every second":
            path.rename(path.with_name(f"{start}_{2 * int(number)}{path.suffix}"))
        elif path.parent.name == layout.ACTION:
            lines = path.read_text().splitlines()
            halved = [f"speed ; {float(line.split(' ; ')[1]) / 2}" if line[:5] == "speed" else line for line in lines]
            path.write_text("\n".join(halved) + "\n")
    if frame_ids == "every second":  # positions, too, are those of every second tick
        for path in (mono / layout.ACTION).iterdir():
            lines = path.read_text().splitlines()
            doubled = [f"speed ; {float(line.split(' ; ')[1]) / 2}" if line[:5] == "speed" else line for line in lines]
            path.write_text("\n".join(doubled) + "\n")
    found, read = frames(mono)
    seconds = 0.1 if frame_ids == "every second" else 0.2
    assert found.seconds_per_tick == seconds
    assert [finding.reason for finding in found.findings] == [Notice.OTHER_TIME_STEP] * (seconds == 0.2)
    steps = np.diff([frame.time_s for frame in read])
    assert np.allclose(steps, 0.2) and len(read) == len(expected)


def test_weather_within_the_route_and_entries_without_a_folder(tmp_path):
    source = WRITTEN / "mono" / "data" / layout.CONFIGURATION_FOLDER
    target = tmp_path / layout.CONFIGURATION_FOLDER
    target.mkdir()
    for path in source.iterdir():
        document = json.loads(path.read_text())
        for entry in document["scenario_definition"]["scenarios"]:
            entry["ego_route"]["weather_preset"] = entry.pop("weather_preset")
        (target / path.name).write_text(json.dumps(document, indent=4))
    assert read_configurations(tmp_path, no_finding) == read_configurations(source.parent, no_finding)


@pytest.mark.parametrize("kind", [layout.RGB, layout.DEPTH, layout.SEMANTIC, layout.LIDAR])
@pytest.mark.parametrize("left", [0, 0.3, 0.9])
def test_a_half_written_last_tick_costs_that_tick_alone(mono, kind, left):
    last = max(folder(mono, kind).iterdir())
    content = last.read_bytes()
    last.write_bytes(content[: int(left * len(content))])
    reads = list(read_frames(open_scenario(mono, None)))
    assert [type(read) for read in reads] == [ReadFrame, ReadFrame, SkippedFrame]
    assert_same([whole(read).frame for read in reads[:2]], golden_frames()[:2])


def test_an_action_file_cut_anywhere_gives_the_true_state_or_none(mono):
    last = max((mono / layout.ACTION).iterdir())
    golden, text = golden_frames()[-1], last.read_text()
    scenario, whole = open_scenario(mono, None), 0
    for length in range(0, len(text), 7):
        last.write_text(text[:length])
        [read] = read_frames(scenario, [golden.frame_id])
        if isinstance(read, ReadFrame):
            whole += 1
            assert read.frame.speed_mps in (None, golden.speed_mps)
            pose = read.frame.world_SE3_ego
            assert pose is None or np.array_equal(pose, golden.world_SE3_ego)
    assert 0 < whole < len(text) / 7 / 2


@pytest.mark.parametrize(
    ("kind", "array", "parts"),
    [
        (layout.LIDAR, lambda a: a[:, :3], ("shape (939, 3)", "add the columns that are missing")),
        (layout.LIDAR, lambda a: np.column_stack([a, a[:, 0]]), ("(939, 5)", "write only these four columns")),
        (layout.LIDAR, lambda a: a.T, ("(4, 939)", "write its transpose")),
        (layout.LIDAR, lambda a: a.astype(np.float16), ("float16", "rewrite it as float32")),
        (layout.SEMANTIC_LIDAR, lambda a: a[:, :3], ("x, y, z, class id", "add the columns that are missing")),
        (layout.VOXEL_GRID, lambda a: a.astype(np.float32), ("float32", "rewrite it as uint16")),
    ],
)
def test_other_arrays_get_a_sentence_that_helps(mono, kind, array, parts):
    path = min(folder(mono, kind).iterdir())
    np.save(path, array(np.load(path)))
    first = next(read_frames(open_scenario(mono, None)))
    assert isinstance(first, SkippedFrame) and str(path) in first.message
    assert all(part in first.message for part in parts), first.message
    assert "unpack" not in first.message


def test_a_photo_in_place_of_classes_gets_a_sentence_that_helps(mono):
    photo, classes = (min(folder(mono, kind).iterdir()) for kind in (layout.RGB, layout.SEMANTIC))
    shutil.copy(photo, classes)
    first = next(read_frames(open_scenario(mono, None)))
    assert isinstance(first, SkippedFrame)
    assert "it holds no class ids; write class ids in one channel" in first.message


def test_a_cloud_without_classes_gets_a_sentence_that_helps(mono):
    rewrite(mono, layout.SEMANTIC_LIDAR, ".ply", write_ply)
    first = next(read_frames(open_scenario(mono, None)))
    assert isinstance(first, SkippedFrame)
    assert "it has neither ObjTag nor a colour" in first.message
