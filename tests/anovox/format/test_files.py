"""Every AnoVox file type: what is written is read again, and what is damaged is refused in one sentence."""

import contextlib
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from lib.anovox.format import files, writing
from lib.anovox.format.class_images import read_class_image
from lib.common.labels import LABELS, UNKNOWN
from lib.reading.file_errors import CORRECT, FileError, Reason

CLASS_IDS = [*(label.id for label in LABELS), UNKNOWN]
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@given(sizes.flatmap(lambda size: hnp.arrays(np.uint8, (*size, 3))))
def test_rgb_round_trip(folder, image):
    writing.write_png(folder / "a.png", image)
    assert np.array_equal(files.read_rgb(folder / "a.png", *image.shape[:2]), image)


@given(sizes.flatmap(lambda size: hnp.arrays(np.int64, size, elements=st.integers(0, 2**24 - 1))))
def test_depth_round_trip_is_exact(folder, steps):
    depth_m = steps * (1000.0 / (2**24 - 1))
    writing.write_depth(folder / "d.png", depth_m)
    decoded = files.read_depth(folder / "d.png", *steps.shape)
    assert np.array_equal(np.rint(decoded / 1000 * (2**24 - 1)), steps)
    writing.write_depth(folder / "again.png", decoded)
    assert (folder / "again.png").read_bytes() == (folder / "d.png").read_bytes()


def test_depth_decodes_as_carla_encodes(folder):
    """1000 (R + 256 G + 65536 B) / (2^24 - 1); white is the sky."""
    pixels = np.array([[[255, 255, 255], [1, 0, 0], [0, 1, 0], [0, 0, 1]]], dtype=np.uint8)
    writing.write_png(folder / "d.png", pixels)
    expected = np.array([[1.0, 1 / (2**24 - 1), 256 / (2**24 - 1), 65536 / (2**24 - 1)]]) * 1000
    assert np.allclose(files.read_depth(folder / "d.png", 1, 4), expected, rtol=1e-15)


@given(sizes.flatmap(lambda size: hnp.arrays(np.uint8, size, elements=st.sampled_from(CLASS_IDS))))
def test_class_image_round_trip(folder, class_ids):
    writing.write_png(folder / "c.png", class_ids)
    height, width = class_ids.shape
    assert np.array_equal(read_class_image(folder / "c.png", height, width, 100), class_ids)


def test_class_ids_that_anovox_does_not_define_are_unknown_and_listed(folder):
    """None may turn into another class: not by overflow (270 = 14 + 256), nor by sign."""
    writing.write_png(folder / "c.png", np.array([[33, 57, 117, 100, 255, 57]], dtype=np.uint8))
    of_pixels, of_points, of_voxels = set[int](), set[int](), set[int]()
    assert read_class_image(folder / "c.png", 1, 6, 100, of_pixels).tolist() == [[33, 255, 255, 100, 255, 255]]
    assert of_pixels == {57, 117}
    cloud = np.column_stack([np.ones((6, 3)), [14, -1, 270, 29, 1e9, 57]])
    writing.write_array(folder / "s.npy", cloud)
    assert files.read_semantic_lidar(folder / "s.npy", of_points)[:, 3].tolist() == [14, 255, 255, 29, 255, 255]
    assert of_points == {-1, 57, 270, 10**9}
    voxels = np.array([(1, 2, 3, 33), (1, 2, 4, 289), (1, 2, 5, 65535)], dtype=np.uint16)
    writing.write_array(folder / "v.npy", voxels)
    assert files.read_voxels(folder / "v.npy", of_voxels)[:, 3].tolist() == [33, 255, 255]
    assert of_voxels == {289, 65535}


rows = st.integers(1, 20)
metres = st.floats(-9000, 9000, width=32)


@given(rows.flatmap(lambda n: hnp.arrays(np.float32, (n, 4), elements=metres)))
def test_lidar_round_trip(folder, cloud):
    writing.write_array(folder / "l.npy", cloud)
    found = files.read_lidar(folder / "l.npy")
    assert found.dtype == np.float32 and np.array_equal(found, cloud)
    assert files.lidar_size(folder / "l.npy") == len(cloud)


@given(
    rows.flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float64, (n, 3), elements=metres),
            hnp.arrays(np.uint8, (n,), elements=st.sampled_from(CLASS_IDS)),
        )
    )
)
def test_semantic_lidar_round_trip(folder, parts):
    cloud = np.column_stack(parts)
    writing.write_array(folder / "s.npy", cloud)
    assert np.array_equal(files.read_semantic_lidar(folder / "s.npy"), cloud)


@given(rows.flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, m - 1) for m in (1000, 1000, 64)]), min_size=n)))
def test_voxels_round_trip(folder, cells):
    voxels = np.array([(*cell, 24) for cell in cells], dtype=np.uint16)
    writing.write_array(folder / "v.npy", voxels)
    assert np.array_equal(files.read_voxels(folder / "v.npy"), voxels)


words = st.text(st.characters(codec="utf-8", exclude_characters=";", exclude_categories=("C", "Z")), min_size=1)


@given(st.dictionaries(words, words, min_size=1))
def test_key_values_round_trip(folder, values):
    writing.write_key_values(folder / "k.csv", values)
    assert files.read_key_values(folder / "k.csv") == values
    assert list(files.read_key_values(folder / "k.csv")) == list(values)


def assert_refused(read, path, reason, *parts, remedy="unpack the archive again or delete the file"):
    with pytest.raises(FileError) as caught:
        read(path)
    sentence = str(caught.value)
    assert caught.value.reason is reason
    assert sentence.startswith(f"{path}: ") and "\n" not in sentence
    assert sentence.endswith(f"; {remedy}")
    for part in parts:
        assert part in sentence, sentence


def bad_png(folder, kind):
    path = folder / f"{kind}.png"
    writing.write_png(path, np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "header only":
        path.write_bytes(data[:30])
    elif kind == "flipped":
        path.write_bytes(data[:100] + bytes(255 - b for b in data[100:140]) + data[140:])
    elif kind == "text":
        path.write_text("<html>404 Not Found</html>")
    elif kind == "other size":
        writing.write_png(path, np.zeros((40, 41, 3), dtype=np.uint8))
    elif kind == "one channel":
        writing.write_png(path, np.zeros((40, 40), dtype=np.uint8))
    elif kind == "bomb":
        path.write_bytes(data[:16] + (60000).to_bytes(4, "big") * 2 + data[24:])
    elif kind == "jpeg":
        Image.new("RGB", (40, 40)).save(path, format="JPEG")
    return path


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("truncated", "cannot be decoded"),
        ("header only", "cannot be decoded"),
        ("flipped", "cannot be decoded"),
        ("text", "not a PNG image"),
    ],
)
def test_damaged_images_are_refused(folder, kind, part):
    path = bad_png(folder, kind)
    assert_refused(lambda p: files.read_rgb(p, 40, 40), path, Reason.DAMAGED_IMAGE, part)


@pytest.mark.parametrize(
    ("kind", "part", "remedy"),
    [
        ("jpeg", "a JPEG image, not a PNG", "take AnoVox's own PNG"),
        ("other size", "40 x 41 pixels (height x width), but its camera's images are 40 x 40", CORRECT),
        ("one channel", "a grey image, but red, green and blue are needed", CORRECT),
        ("bomb", "60000 x 60000 pixels", CORRECT),
    ],
)
def test_other_images_are_refused_without_blaming_the_archive(folder, kind, part, remedy):
    path = bad_png(folder, kind)
    assert_refused(lambda p: files.read_rgb(p, 40, 40), path, Reason.DAMAGED_IMAGE, part, remedy=remedy)


def bad_npy(folder, kind):
    path = folder / f"{kind}.npy"
    good = np.ones((50, 4), dtype=np.float32)
    arrays = {
        "int32": good.astype(np.int32),
        "beyond float32": np.full((50, 4), 1e300),
        "three columns": good[:, :3],
        "flat": good.reshape(-1),
        "no rows": good[:0],
        "far": np.full((50, 4), 2e4, dtype=np.float32),
        "nan": np.where(np.arange(200).reshape(50, 4) == 77, np.float32(np.nan), good),
        "infinite": np.where(np.arange(200).reshape(50, 4) == 77, np.float32(np.inf), good),
        "pickled": np.array([{"a": 1}, None], dtype=object),
    }
    np.save(path, arrays.get(kind, good), allow_pickle=True)
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[:-5])
    elif kind == "padded":
        path.write_bytes(data + b"xxxx")
    elif kind == "bomb":
        path.write_bytes(data.replace(b"(50, 4), }         ", b"(9000000000, 4), }  "))
    elif kind == "not numpy":
        path.write_text("x y z intensity\n")
    return path


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("pickled", "pickled Python objects, which are never loaded"),
        ("no rows", "empty (0 rows)"),
        ("not numpy", "not a readable .npy array"),
        ("truncated", "but its header declares 50 rows"),
        ("padded", "but its header declares 50 rows"),
        ("bomb", "but its header declares 9000000000 rows"),
    ],
)
def test_damaged_arrays_are_refused(folder, kind, part):
    assert_refused(files.read_lidar, bad_npy(folder, kind), Reason.BAD_ARRAY, part)


@pytest.mark.parametrize(
    ("kind", "part", "remedy"),
    [
        ("int32", "int32 array of shape (50, 4), but LIDAR is (N, 4): x, y, z, intensity", "rewrite it as float32"),
        ("three columns", "shape (50, 3), but LIDAR is (N, 4)", "add the columns that are missing"),
        ("flat", "shape (200,)", "rewrite the array in two dimensions"),
        ("nan", "NaN or infinite", CORRECT),
        ("infinite", "NaN or infinite", CORRECT),
        ("beyond float32", "NaN or infinite", CORRECT),
        ("far", "farther than 10000 m", "check the unit (metres) and correct the file or delete it"),
    ],
)
def test_other_arrays_are_refused_without_blaming_the_archive(folder, kind, part, remedy):
    assert_refused(files.read_lidar, bad_npy(folder, kind), Reason.BAD_ARRAY, part, remedy=remedy)


@pytest.mark.parametrize(("dtype", "pattern"), [(np.float32, 0x7F800001), (np.float64, 0x7FF0000000000001)])
def test_a_nan_that_signals_is_refused_without_a_warning(folder, dtype, pattern):
    array = np.ones((50, 4), dtype=dtype)
    array.view(f"u{array.itemsize}")[7, 2] = pattern
    np.save(folder / "s.npy", array)
    assert_refused(files.read_semantic_lidar, folder / "s.npy", Reason.BAD_ARRAY, "NaN", remedy=CORRECT)
    assert_refused(files.read_lidar, folder / "s.npy", Reason.BAD_ARRAY, "NaN", remedy=CORRECT)


@pytest.mark.parametrize("class_id", [1.5, -0.5, 255.5])
def test_class_ids_of_points_are_whole_numbers(folder, class_id):
    writing.write_array(folder / "s.npy", np.array([[1.0, 2.0, 3.0, class_id]]))
    parts = Reason.BAD_ARRAY, "class ids (column 4)"
    assert_refused(files.read_semantic_lidar, folder / "s.npy", *parts, remedy=CORRECT)


@pytest.mark.parametrize("voxel", [(1000, 0, 0, 1), (0, 0, 64, 1)])
def test_voxels_lie_in_the_grid(folder, voxel):
    writing.write_array(folder / "v.npy", np.array([voxel], dtype=np.uint16))
    assert_refused(files.read_voxels, folder / "v.npy", Reason.BAD_ARRAY, "outside the grid", remedy=CORRECT)
    writing.write_array(folder / "v.npy", np.array([(-1, 0, 0, 1)], dtype=np.int32))
    assert_refused(files.read_voxels, folder / "v.npy", Reason.BAD_ARRAY, "outside the grid", remedy=CORRECT)


def read_picture(path):
    return files.read_rgb(path, 4, 4)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("e.png", read_picture),
        ("l.npy", files.read_lidar),
        ("l.npy", files.lidar_size),
        ("s.npy", files.read_semantic_lidar),
        ("v.npy", files.read_voxels),
        ("k.csv", files.read_key_values),
        ("j.json", files.read_json),
    ],
)
def test_a_file_of_size_0_has_a_reason_of_its_own(folder, name, read):
    (folder / name).write_bytes(b"")
    assert_refused(read, folder / name, Reason.EMPTY_FILE, "the file is empty (0 bytes)")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"  \n\n", "the file is empty"),
        (b"speed 8.0\n", "not of the form `key ; value`"),
        (b"; 8.0\n", "not of the form `key ; value`"),
        (b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_damaged_text_is_refused(folder, content, part):
    (folder / "k.csv").write_bytes(content)
    assert_refused(files.read_key_values, folder / "k.csv", Reason.BAD_TEXT, part)


def test_damaged_json_is_refused(folder):
    (folder / "s.json").write_text('{"a": ')
    assert_refused(files.read_json, folder / "s.json", Reason.BAD_TEXT, "not valid JSON")


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / "a folder.png").mkdir()
    assert_refused(lambda p: files.read_rgb(p, 4, 4), folder / "a folder.png", Reason.DAMAGED_IMAGE, "Is a directory")


def test_an_image_that_pillow_warns_of_is_refused_without_a_word_from_pillow(folder, recwarn):
    path = folder / "x_1.png"
    writing.write_png(path, np.ones((4, 6), dtype=np.uint8))
    data = path.read_bytes()
    animation = b"acTL" + bytes(3) + b"\2" + bytes(3) + b"\1"
    chunk = len(animation[4:]).to_bytes(4, "big") + animation + zlib.crc32(animation).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + chunk + data[33:])
    with pytest.raises(FileError, match="the image cannot be decoded"):
        read_class_image(path, 4, 6, 100)
    assert not recwarn.list


# What NumPy's own reader answers with TokenError, MemoryError, a warning, or by running Python's parser on all of it.
HEADERS = ["(" * 5000, "{'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 4)}", "{'shape': (1L, 4)", "\0" * 50]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_break_numpys_reader_are_refused(folder, header):
    path = folder / "x_1.npy"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(64))
    for read in (files.read_lidar, files.lidar_size):
        with pytest.raises(FileError, match=r"not a readable \.npy array"):
            read(path)


@given(st.binary(max_size=300))
def test_whatever_bytes_a_file_holds_only_our_errors_come_out(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "sensor_setup.json"
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY\1\0"):
        path.write_bytes(start + content)
        readers = (files.png_size, files.read_lidar, files.read_voxels, files.read_key_values, files.read_json)
        for read in readers:
            with contextlib.suppress(FileError):
                read(path)
        with contextlib.suppress(FileError):
            files.read_rgb(path, 4, 6)
