"""Point Cloud Data files: all encodings, and files that are damaged or lie."""

import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lib.reading.file_errors import FileError, Reason
from lib.reading.pcd import StoredCloud, pcd_size, read_pcd
from tests.old_layout_files import write_pcd
from tests.present import present

ENCODINGS = ("binary", "binary_compressed", "ascii")
HEADER = (
    "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS {fields}\nSIZE {size}\nTYPE {type}\n"
    "COUNT {count}\nWIDTH {points}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {points}\nDATA {data}\n"
)
XYZ = {"fields": "x y z", "size": "4 4 4", "type": "F F F", "count": "1 1 1", "points": 2, "data": "binary"}
TWO_POINTS = np.arange(6, dtype="<f4").tobytes()


def cloud(points=50, dtype=np.float32):
    generator = np.random.default_rng(1)
    return StoredCloud(
        generator.uniform(-80, 80, (points, 3)).astype(dtype),
        generator.uniform(0, 1, points).astype(np.float32),
        generator.integers(0, 256, (points, 3), dtype=np.uint8),
    )


def pcd_file(folder, content, **changes):
    path = folder / "cloud.pcd"
    path.write_bytes(HEADER.format(**{**XYZ, **changes}).encode() + content)
    return path


def equal(first, second):
    return first is second or (first is not None and second is not None and np.array_equal(first, second))


@pytest.mark.parametrize("encoding", ENCODINGS[:2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_written_cloud_is_read_back_to_the_bit(tmp_path, encoding, dtype):
    path, original = tmp_path / "cloud.pcd", cloud(dtype=dtype)
    for part in (original, StoredCloud(original.points_m), StoredCloud(original.points_m, colors=original.colors)):
        write_pcd(path, part, encoding)
        found = read_pcd(path)
        assert np.array_equal(found.points_m, part.points_m) and found.points_m.dtype == dtype
        assert equal(found.intensity, part.intensity) and equal(found.colors, part.colors)
        assert pcd_size(path) == 50
        first = path.read_bytes()
        write_pcd(path, found, encoding)
        assert path.read_bytes() == first


def test_a_cloud_written_as_text_keeps_ten_digits(tmp_path):
    original = cloud()
    write_pcd(tmp_path / "cloud.pcd", StoredCloud(original.points_m, original.intensity), "ascii")
    found = read_pcd(tmp_path / "cloud.pcd")
    assert np.allclose(found.points_m, original.points_m, rtol=0, atol=1e-9)
    assert np.allclose(present(found.intensity), present(original.intensity), rtol=0, atol=1e-9)


@given(colors=hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.just(3))))
def test_any_colour_survives(tmp_path_factory, colors):
    path = tmp_path_factory.mktemp("pcd") / "cloud.pcd"
    for encoding in ENCODINGS[:2]:
        write_pcd(path, StoredCloud(np.zeros((len(colors), 3), dtype=np.float32), colors=colors), encoding)
        assert np.array_equal(present(read_pcd(path).colors), colors)


@pytest.mark.parametrize(("kind", "text"), [("U", "{}"), ("F", "{:.10g}")])
def test_colours_written_as_text_by_open3d(tmp_path, kind, text):
    bits = np.array([245 << 16, 128 << 16 | 64 << 8 | 128], dtype=np.uint32)
    packed = bits if kind == "U" else bits.view(np.float32)
    data = "".join(f"1 2 3 {text.format(value)}\n" for value in packed).encode()
    changes = {"fields": "x y z rgb", "size": "4 4 4 4", "type": f"F F F {kind}", "count": "1 1 1 1"}
    found = read_pcd(pcd_file(tmp_path, data, data="ascii", **changes))
    assert present(found.colors).tolist() == [[245, 0, 0], [128, 64, 128]]


def test_further_fields_are_ignored_and_one_point_is_a_cloud(tmp_path):
    changes = {"fields": "label x y z", "size": "2 4 4 4", "type": "U F F F", "count": "1 1 1 1", "points": 1}
    data = struct.pack("<Hfff", 7, 1.0, 2.0, 3.0)
    assert read_pcd(pcd_file(tmp_path, data, **changes)).points_m.tolist() == [[1, 2, 3]]
    assert read_pcd(pcd_file(tmp_path, b"1 2 3\n", points=1, data="ascii")).points_m.tolist() == [[1, 2, 3]]


WIDE = {"fields": "x y z f", "size": "4 4 4 4", "type": "F F F F", "count": "1 1 1 30"}


@pytest.mark.parametrize(
    ("content", "changes", "part"),
    [
        (TWO_POINTS[:-1], {}, "23 bytes of data, but its header declares 2 points (24 bytes)"),
        (b"", {}, "0 bytes of data"),
        (TWO_POINTS, {"points": 4 * 10**6}, "declares 4000000 points (48000000 bytes)"),
        (TWO_POINTS, {"points": 10**12}, "its header declares more than 4000000 points"),
        (TWO_POINTS, {"points": 0}, "the cloud is empty (0 points)"),
        (TWO_POINTS, {"points": -1}, "not a readable PCD file"),
        (TWO_POINTS, {"points": "9" * 5000}, "declares more than 4000000 points"),
        (TWO_POINTS, {"points": "many"}, "not a readable PCD file"),
        (TWO_POINTS, {"count": "1 1 1000000000"}, "do not agree, or count over 256 numbers"),
        (TWO_POINTS, {"size": "4 4"}, "do not agree"),
        (TWO_POINTS, {"size": "4 4 2"}, "not a readable PCD file"),
        (TWO_POINTS, {"type": "F F Z"}, "not a readable PCD file"),
        (TWO_POINTS, {"type": "F F U"}, "not single floats x, y, z"),
        (TWO_POINTS, {"fields": "x y w"}, "its fields are x y w, not single floats x, y, z"),
        (TWO_POINTS, {"fields": "x x x"}, "its fields are x x x"),
        (TWO_POINTS, {"data": "zipped"}, "not a readable PCD file"),
        (b"1 2 3\n4.000 5\n", {"data": "ascii"}, "not a readable PCD file"),
        (b"1 2 3 4 5 6\n", {"data": "ascii"}, "not a readable PCD file"),
        (b"1 2 3.00000\n", {"data": "ascii"}, "1 points of data, but its header declares 2"),
        (b"1 2 3\n4 5 x\n", {"data": "ascii"}, "not a readable PCD file"),
        (b"            \n", {"data": "ascii"}, "PCD"),
        (b"1 2 3\n" * 50, {"data": "ascii"}, "300 bytes of text, but its header declares 2 points"),
        (b"1 2 3\n", {"data": "ascii", "points": 10**6}, "6 bytes of text, but its header declares 1000000 points"),
        (struct.pack("<II", 4, 24) + b"abcd", {"data": "binary_compressed"}, "not a readable PCD file"),
        (struct.pack("<II", 400, 24) + b"abcd", {"data": "binary_compressed"}, "which do not match"),
        (struct.pack("<II", 4, 2**32 - 1) + b"abcd", {"data": "binary_compressed"}, "which do not match"),
        (
            struct.pack("<II", 4, 48 * 10**6) + b"abcd",
            {"data": "binary_compressed", "points": 4 * 10**6},
            "which do not match",
        ),
        (TWO_POINTS, {"points": 4 * 10**6, **WIDE}, "bytes of points, more than the 256000000 of any LiDAR"),
        (b"\0", {"data": "binary_compressed"}, "not a readable PCD file"),
        (b"", {"fields": "x y z " + "f " * 100}, "do not agree"),
    ],
)
def test_a_file_that_lies_is_named_and_asks_for_no_memory(tmp_path, content, changes, part):
    path = pcd_file(tmp_path, content, **changes)
    write_pcd(tmp_path / "first.pcd", cloud())
    read_pcd(tmp_path / "first.pcd")
    tracemalloc.start()
    try:
        with pytest.raises(FileError) as caught:
            read_pcd(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert caught.value.reason is Reason.BAD_ARRAY and sentence.startswith(f"{path}: ")
    assert part in sentence and "\n" not in sentence and len(sentence) < 600


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"VERSION 0.7\nFIELDS x y z\n", b"#\n" * 10_000, b"D" * 9999])
def test_another_kind_of_file_is_named(tmp_path, content):
    path = tmp_path / "cloud.pcd"
    path.write_bytes(content)
    for function in (read_pcd, pcd_size):
        with pytest.raises(FileError, match="PCD file"):
            function(path)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "cloud.pcd").write_bytes(b"")
    with pytest.raises(FileError, match="empty") as caught:
        read_pcd(tmp_path / "cloud.pcd")
    assert caught.value.reason is Reason.EMPTY_FILE


@given(content=st.binary(max_size=300))
def test_no_content_ends_in_another_error(tmp_path_factory, content):
    path = pcd_file(tmp_path_factory.mktemp("pcd"), content, data="binary_compressed")
    with pytest.raises(FileError):
        read_pcd(path)


@given(place=st.integers(0, 199), byte=st.integers(0, 255))
def test_a_changed_header_byte_is_harmless(tmp_path_factory, place, byte):
    path = tmp_path_factory.mktemp("pcd") / "cloud.pcd"
    write_pcd(path, cloud(20))
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    try:
        assert len(read_pcd(path).points_m) <= 20
    except FileError as error:
        assert str(error).startswith(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"nothing\.pcd"):
        read_pcd(tmp_path / "nothing.pcd")


def test_a_missing_library_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['pypcd4'] = None\n"
        "from lib.reading.pcd import require_pcd_library\nfrom lib.common.errors import run_stage\n"
        "run_stage(require_pcd_library)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: the data set has .pcd files") and "pip install pypcd4" in done.stderr
