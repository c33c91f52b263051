"""Files of arrays and text: they come back to the bit, or say that they are damaged or of something else."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lib.common.array_files import checksum, read_state, write_state
from lib.common.errors import DataError

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array(3),
    "c": np.zeros((0, 5), dtype=np.float16),
    "d": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
}
VALUES = {"z": [0.1 + 0.2, float("inf"), None], "a": {"e": True, "text": "ä"}}


@pytest.fixture
def path(tmp_path):
    write_state(tmp_path / "folder" / "state", "key", VALUES, ARRAYS)
    return tmp_path / "folder" / "state"


def test_a_state_comes_back_to_the_bit(path):
    values, arrays = read_state(path, "key", "work")
    assert values == VALUES and list(values) == list(VALUES), "in their order"
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        found = arrays[name]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape) and found.flags.writeable
        np.testing.assert_array_equal(found, expected)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_each_bit_counts(path):
    """Or changes nothing that is read, such as a space in the header. (An array of nothing could get another shape.)"""
    some = {name: value for name, value in ARRAYS.items() if value.size}
    write_state(path, "key", VALUES, some)
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 3):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            values, arrays = read_state(path, "key", "work")
        except DataError as error:
            assert str(error).startswith(f"{path}: damaged (")
            continue
        assert values == VALUES and all((arrays[name] == some[name]).all() for name in some)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"{}"])
def test_what_is_no_such_file_is_a_sentence(path, content):
    for damaged in (content, path.read_bytes()[:-9]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"state: damaged \("):
            read_state(path, "key", "work")


def test_files_of_others_are_not_taken(path):
    with pytest.raises(DataError, match=r"state: of another work$"):
        read_state(path, "other key", "work")
    save_file(load_file(path), path)
    with pytest.raises(DataError, match=r"damaged \('crc32'\)"):
        read_state(path, "key", "work")
    with pytest.raises(DataError, match="damaged"):
        read_state(path.parent / "missing", "key", "work")


def test_the_checksum_is_of_names_and_text_too():
    one = np.ones(3)
    found = {checksum("a", {"x": one}), checksum("b", {"x": one}), checksum("a", {"y": one}), checksum("a", {})}
    assert len(found) == 4 and checksum("a", {"x": one, "y": one}) == checksum("a", {"y": one, "x": one})
