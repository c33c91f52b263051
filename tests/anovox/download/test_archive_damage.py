"""Damage in archives, and what a folder to unpack to may hold."""

import os
import zipfile

import pytest

from lib.anovox.download.archives import unpack
from lib.anovox.download.packed import packed_files
from lib.common.errors import DataError
from tests.odd_files import put_in_the_way, within
from tests.packing import pack, tree

KINDS = ("tar.gz", "zip")


@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_of_an_archive_can_be_turned_unseen(tmp_path, kind):
    """Either the archive is refused, or what counts in it is as it was: names, content, the number of files."""
    content = {"a/x": b"hello" * 9, "a/y": bytes(range(30)), "z": b""}
    data = pack(tmp_path / f"sound.{kind}", content).read_bytes()
    refused = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        archive = tmp_path / f"damaged.{kind}"
        archive.write_bytes(damaged)
        try:
            files = {str(file.path): b"".join(file.chunks()) for file in packed_files(archive, lambda _: None)}
        except DataError:
            refused += 1
        else:
            assert files == content, f"byte {bit // 8}"
    assert refused > 3 * len(data)


@pytest.mark.parametrize("number", [65_534, 65_535, 65_536, 65_600])
def test_the_count_of_a_large_zip_is_read_where_it_stands(tmp_path, number):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for name in range(number):
            file.writestr(str(name), b"")
    assert sum(1 for _ in packed_files(tmp_path / "x.zip", lambda _: None)) == number


def test_little_padding_may_follow_a_tar_and_no_terabyte(tmp_path):
    archive = pack(tmp_path / "x.tar.gz", {"x": b"1"})
    size = archive.stat().st_size
    os.truncate(archive, size + 10_240)
    assert sum(1 for _ in packed_files(archive, lambda _: None)) == 1
    os.truncate(archive, 1 << 40)
    with within(60), pytest.raises(DataError, match=r"damaged or incomplete \(zeros follow its end\)"):
        list(packed_files(archive, lambda _: None))


@pytest.mark.parametrize("thing", ["link", "hard link", "folder"])
def test_nothing_is_written_through_what_lies_where_hidden_files_go(tmp_path, thing):
    """As `tar xf` may have brought it."""
    archive, root, target = pack(tmp_path / "x.zip", {"a/x": b"1", "b": b"2"}), tmp_path / "root", tmp_path / "mine"
    (root / "a").mkdir(parents=True)
    target.write_text("mine")
    put_in_the_way(root / "a" / ".x.partial", thing, target)
    if thing == "hard link":
        unpack([archive], root)
        assert tree(root) == {"a/x": b"1", "b": b"2"}
    else:
        before = tree(root)
        with pytest.raises(DataError, match=r"a/\.x\.partial: is no file, and one is to be written"):
            unpack([archive], root)
        assert tree(root) == before
    assert target.read_text() == "mine"
