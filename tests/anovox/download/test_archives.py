"""Unpacking: what comes out, what is refused before anything is written, and what an interruption leaves."""

import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lib.anovox.download.archives import unpack
from lib.anovox.download.packed import packed_files
from lib.common.errors import DataError
from lib.common.outputs import exclusive_lock
from tests.file_systems import take_locks_away
from tests.packing import pack, tree

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "release"
KINDS = ("tar.gz", "zip")


def inodes(folder):
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_special(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def refused(archive, tmp_path):
    """The sentence with which the archive is refused; nothing may have been written."""
    before = tree(tmp_path)
    with pytest.raises(DataError) as caught:
        unpack([archive], tmp_path / "data")
    assert tree(tmp_path) == before and not (tmp_path / "data").exists()
    sentence = str(caught.value)
    assert sentence.startswith(f"{archive}: ") and "\n" not in sentence
    return sentence.removeprefix(f"{archive}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_scenario_comes_out_as_it_went_in(tmp_path, kind):
    source = tmp_path / "source"
    shutil.copytree(GOLDEN, source / "AnoVox Normality [1]")
    (source / "AnoVox Normality [1]" / "empty.csv").touch()
    archive = Path(shutil.make_archive(tmp_path / "archive", {"tar.gz": "gztar", "zip": "zip"}[kind], source))
    done = unpack([archive], tmp_path / "deep" / "data")
    assert tree(tmp_path / "deep" / "data") == tree(source)
    assert (done.files, done.files_before) == (len(tree(source)), 0)
    assert done.num_bytes == sum(map(len, tree(source).values()))
    told: list[int] = []
    assert len(list(packed_files(archive, told.append))) == done.files and sum(told) == archive.stat().st_size
    before = inodes(tmp_path / "deep")
    again = unpack([archive], tmp_path / "deep" / "data")
    assert (again.files, again.files_before) == (0, done.files) and inodes(tmp_path / "deep") == before


def test_several_archives_may_share_files_but_not_names(tmp_path):
    one = pack(tmp_path / "one.zip", {"a/x": b"same", "a/y": b"one"})
    two = pack(tmp_path / "two.tar.gz", {"./a/x": b"same", "a/z": b"two"})
    other = pack(tmp_path / "other.zip", {"a/x": b"else"})
    assert unpack([one, two, one], tmp_path / "data").files == 3
    assert tree(tmp_path / "data") == {"a/x": b"same", "a/y": b"one", "a/z": b"two"}
    for targets in ([other], [one, other]):
        with pytest.raises(DataError, match=r"data/a/x: exists with other content than in .*other\.zip; remove"):
            unpack(targets, tmp_path / "data")
    with pytest.raises(DataError, match="other content"):
        unpack([one, other], tmp_path / "new")


@pytest.mark.parametrize("kind", KINDS)
def test_the_town_in_an_archives_name_is_not_lost(tmp_path, kind):
    content = {"Scenario_1/RGB-CAM/1.png": b"1", "AnoVox_Mono_Town01/Scenario_2/x": b"2", "README": b"3"}
    archive = pack(tmp_path / f"AnoVox_Static_Mono_Town10HD.{kind}", content)
    for files in (3, 0):
        assert unpack([archive], tmp_path / "data").files == files
    assert tree(tmp_path / "data") == {
        "AnoVox_Static_Mono_Town10HD/README": b"3",
        "AnoVox_Static_Mono_Town10HD/Scenario_1/RGB-CAM/1.png": b"1",
        "AnoVox_Mono_Town01/Scenario_2/x": b"2",
    }


def test_without_locks_it_unpacks(tmp_path):
    archive = pack(tmp_path / "one.zip", {"a": b"1"})
    command = [sys.executable, "-m", "tools.unpack", archive, tmp_path / "data"]
    subprocess.run(command, cwd=ROOT, preexec_fn=take_locks_away, check=True)
    assert tree(tmp_path / "data") == {"a": b"1"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_refused_archive_is_named_and_the_others_are_unpacked(tmp_path, kind):
    noise = np.random.default_rng(1).bytes(300_000)
    sound = pack(tmp_path / f"sound.{kind}", {"a/x": b"1", "a/y": noise})
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(sound.read_bytes()[:200_000])
    hostile = pack(tmp_path / f"hostile.{kind}", {"b/fine": b"1", "../out": b"2"})
    clash = pack(tmp_path / f"clash.{kind}", {"c/fine": b"1", "there": b"other"})
    last = pack(tmp_path / f"last.{kind}", {"z": b"3"})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "there").write_bytes(b"mine")
    told: list[DataError] = []
    done = unpack([tmp_path / "no", cut, sound, hostile, clash, last], tmp_path / "data", told.append)
    sentences = [str(error) for error in told]
    for sentence, archive in zip(sentences, (tmp_path / "no", cut, hostile, clash), strict=True):
        assert str(archive) in sentence and "\n" not in sentence
    assert "damaged or incomplete" in sentences[1] and "do not trust it" in sentences[2]
    assert (done.files, done.files_before, done.refused) == (3, 0, 4)
    assert tree(tmp_path / "data") == {"a/x": b"1", "a/y": noise, "there": b"mine", "z": b"3"}
    cut.write_bytes(sound.read_bytes())
    again = unpack([cut, last], tmp_path / "data", told.append)
    assert (again.files, again.files_before, again.refused) == (0, 3, 0) and len(told) == 4


def test_an_archive_that_clashes_with_another_one_of_the_run_is_refused(tmp_path):
    one = pack(tmp_path / "one.zip", {"a": b"one"})
    other = pack(tmp_path / "other.zip", {"a": b"else"})
    last = pack(tmp_path / "last.zip", {"b": b"2"})
    told: list[DataError] = []
    done = unpack([one, other, last], tmp_path / "data", told.append)
    assert (done.files, done.files_before, done.refused) == (2, 0, 1)
    assert tree(tmp_path / "data") == {"a": b"one", "b": b"2"}
    assert "other content" in str(told[0]) and str(other) in str(told[0]) and len(told) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/tmp/x", "a/..", "C:/x", "C:x", "a\\..\\..\\x", "a\nb", "", "."]
)
def test_paths_that_lead_out_are_refused(tmp_path, kind, name):
    if kind == "zip" and name == "":
        pytest.skip("no zip file can hold it")
    archive = pack(tmp_path / f"archive.{kind}", {"fine": b"1", name: b"2"})
    assert refused(archive, tmp_path) == f"holds {name!r}, which is not a path inside the archive; do not trust it"


@pytest.mark.parametrize(
    ("member", "what"),
    [
        (special("a/x", tarfile.SYMTYPE, "/etc"), "'a/x', a link to '/etc'"),
        (special("x", tarfile.SYMTYPE, "a"), "'x', a link to 'a'"),
        (special("x", tarfile.LNKTYPE, "../../etc/passwd"), "'x', a link to '../../etc/passwd'"),
        (special("x", tarfile.CHRTYPE), "'x', a device"),
        (special("x", tarfile.BLKTYPE), "'x', a device"),
        (special("x", tarfile.FIFOTYPE), "'x', a device"),
        (special("x", b"Z"), "'x', a special file"),
        (zip_special("x", 0o120777), "'x', a link"),
        (zip_special("x", 0o020666), "'x', a special file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path, member, what):
    kind = "zip" if isinstance(member, zipfile.ZipInfo) else "tar.gz"
    archive = pack(tmp_path / f"archive.{kind}", {"fine": b"1", "special": member})
    assert refused(archive, tmp_path) == f"holds {what}, where AnoVox has plain files only; do not trust it"


@pytest.mark.parametrize("kind", KINDS)
def test_links_in_the_target_are_not_written_through(tmp_path, kind):
    (tmp_path / "outside").mkdir()
    (tmp_path / "data").mkdir()
    archive = pack(tmp_path / f"archive.{kind}", {"a/x": b"1"})
    for name in ("a", "a/x"):
        link = tmp_path / "data" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "outside" / "x")
        with pytest.raises(DataError, match=f"data/{name}: is a symbolic link"):
            unpack([archive], tmp_path / "data")
        link.unlink()
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)  # the target itself may be one
    unpack([archive], tmp_path / "linked")
    assert tree(tmp_path / "outside") == {"a/x": b"1"}


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_clash_are_refused(tmp_path, kind):
    clash = pack(tmp_path / f"clash.{kind}", {"a": b"1", "a/b": b"2"})
    assert refused(clash, tmp_path).startswith("holds 'a/b' more than once")
    reverse = pack(tmp_path / f"reverse.{kind}", {"a/b": b"1", "a": b"2"})
    assert refused(reverse, tmp_path).startswith("holds 'a' more than once")
    twice = pack(tmp_path / f"twice.{kind}", {"a/b": b"1", "./a/b": b"2"})
    assert refused(twice, tmp_path).startswith("holds 'a/b' more than once")
    partial = pack(tmp_path / f"partial.{kind}", {"x": b"1", ".x.partial": b"2"})
    assert "a name reserved for partial files" in refused(partial, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("file")
    with pytest.raises(DataError, match="data/a: is a file where"):
        unpack([pack(tmp_path / f"fine.{kind}", {"a/b": b"1"})], tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data" / "a" / "b").mkdir(parents=True)
    with pytest.raises(DataError, match="data/a/b: exists with other content"):
        unpack([tmp_path / f"fine.{kind}"], tmp_path / "data")


@pytest.mark.parametrize("kind", KINDS)
def test_bombs_by_declared_size_are_refused(tmp_path, kind):
    bomb = pack(tmp_path / f"bomb.{kind}", {"fine": b"1", "zeros": bytes(50_000_000)})
    assert "as in a decompression bomb; do not trust it" in refused(bomb, tmp_path)


def test_a_tar_that_declares_more_than_it_could_hold_is_refused_at_its_header(tmp_path):
    info = tarfile.TarInfo("huge")
    info.size = 10**15
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf() + bytes(1024)))
    assert "would become 1000000.0 GB or more" in refused(archive, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_headers_of_headers_that_ask_for_memory_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 5 * 10**6
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf() + bytes(5 * 10**6)))
    assert "damaged or incomplete (a header of 50" in refused(archive, tmp_path)


def test_sparse_files_and_negative_sizes_are_refused(tmp_path):
    info = tarfile.TarInfo("sparse")
    info.type = tarfile.GNUTYPE_SPARSE
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    assert "'sparse', a special file" in refused(archive, tmp_path)
    info = tarfile.TarInfo("negative")
    info.size = -512
    archive.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    assert "'negative', a special file" in refused(archive, tmp_path)


@pytest.mark.parametrize("declared", [100, 3_000_000])
def test_a_zip_whose_real_size_differs_from_the_declared_one_is_refused(tmp_path, declared):
    archive = pack(tmp_path / "archive.zip", {"x": bytes(2_000_000)})
    data = archive.read_bytes()
    assert data.count(struct.pack("<I", 2_000_000)) == 2
    archive.write_bytes(data.replace(struct.pack("<I", 2_000_000), struct.pack("<I", declared)))
    assert "damaged or incomplete" in refused(archive, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a/" * 2_000 + "x", "a/" * 100 + "x", "é" * 101, "folder/" + "n" * 245])
def test_paths_too_long_for_a_file_are_refused(tmp_path, kind, name):
    assert "a path too long for a file" in refused(pack(tmp_path / f"a.{kind}", {"first": b"1", name: b"2"}), tmp_path)


def test_a_zip_that_lists_too_many_files_is_refused_before_they_are_read(tmp_path, monkeypatch):
    archive = pack(tmp_path / "archive.zip", {str(number): b"" for number in range(6)})
    monkeypatch.setattr("lib.anovox.download.packed.MAX_FILES", 5)
    assert refused(archive, tmp_path) == "lists 6 files, more than 5; unpack it with another program"


def test_a_zip_with_a_file_without_a_name_is_refused(tmp_path):
    archive = pack(tmp_path / "archive.zip", {"x": b"content"})
    archive.write_bytes(archive.read_bytes().replace(b"x", b"\0"))
    assert "which is not a path inside the archive" in refused(archive, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_found_before_anything_is_written(tmp_path, kind):
    noise = np.random.default_rng(1).bytes(300_000)
    whole = pack(tmp_path / f"whole.{kind}", {"first": b"1", "second": noise, "third": b"3"}).read_bytes()
    flipped = bytearray(whole)
    flipped[150_000] ^= 1
    for name, data in (("cut", whole[:200_000]), ("flipped", bytes(flipped)), ("tiny", whole[:12])):
        archive = tmp_path / f"{name}.{kind}"
        archive.write_bytes(data)
        assert "download it again" in refused(archive, tmp_path)


def test_a_tar_with_a_damaged_header_in_the_middle_is_refused(tmp_path):
    plain = gzip.decompress(pack(tmp_path / "whole.tar.gz", {"a": b"1", "b": b"2", "c": b"3"}).read_bytes())
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(plain[:1024] + b"#" * 512 + plain[1536:]))
    assert "data follow a damaged header" in refused(archive, tmp_path)


def test_other_files_and_encrypted_ones_are_refused(tmp_path):
    other = tmp_path / "page.tar.gz"
    for content in (b"<html>Not found</html>", b""):
        other.write_bytes(content)
        assert refused(other, tmp_path).startswith("neither a .tar.gz nor a .zip archive, according to its first bytes")
    other.unlink()
    assert refused(other, tmp_path) == "cannot be read (No such file or directory)"
    other.write_bytes(gzip.compress(b"text" * 1000))
    assert refused(other, tmp_path).startswith("damaged or incomplete")
    for kind in KINDS:
        assert refused(pack(tmp_path / f"empty.{kind}", {}), tmp_path).startswith("holds no file")
    archive = pack(tmp_path / "archive.zip", {"x": b"secret"})
    data = bytearray(archive.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    archive.write_bytes(data)
    assert "'x' is encrypted" in refused(archive, tmp_path)


def test_too_little_room_is_one_sentence_beforehand(tmp_path, monkeypatch):
    archive = pack(tmp_path / "archive.zip", {f"{n}": os.urandom(1_000_000) for n in range(3)})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_000_000))
    with pytest.raises(
        DataError, match=r"data: unpacking needs 3\.0 MB, but only 3\.0 MB are free on its disk; free s"
    ):
        unpack([archive], tmp_path / "data")
    assert not (tmp_path / "data").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3_100_000))
    assert unpack([archive], tmp_path / "data").files == 3
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert unpack([archive], tmp_path / "data").files_before == 3  # nothing left to write


def test_room_is_needed_only_for_archives_that_are_not_refused(tmp_path, monkeypatch):
    sound = pack(tmp_path / "sound.zip", {"x": os.urandom(1_000_000)})
    cut = tmp_path / "cut.zip"
    cut.write_bytes(sound.read_bytes()[:500_000])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=900_000))
    told: list[DataError] = []
    with pytest.raises(DataError, match=r"data: unpacking needs 1\.0 MB"):
        unpack([cut, sound], tmp_path / "data", told.append)
    assert [str(cut) in str(error) for error in told] == [True]
    assert not (tmp_path / "data").exists()
    assert unpack([cut], tmp_path / "data", told.append).refused == 1


def test_a_target_that_is_a_file_or_in_use_is_one_sentence(tmp_path):
    archive = pack(tmp_path / "archive.zip", {"x": b"1"})
    with pytest.raises(DataError, match=r"archive.zip/data: cannot be written"):
        unpack([archive], archive / "data")
    with (
        exclusive_lock(tmp_path / "data"),
        pytest.raises(DataError, match="data: another run is writing it"),
    ):
        unpack([archive], tmp_path / "data")


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_leaves_whole_files_and_the_next_one_goes_on(tmp_path, kind):
    noise = np.random.default_rng(2)
    content = {f"Scenario_1/LIDAR(0, 0, 1.8)(0, 0, 0)_85/{n}.npy": noise.bytes(200_000) for n in range(400)}
    archive = pack(tmp_path / f"archive.{kind}", content, zipfile.ZIP_STORED)
    data = tmp_path / "data"
    command = [sys.executable, "-m", "tools.unpack", str(archive), str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        wait_until(lambda: len(list(data.glob("**/*.npy"))) >= 20)
        run.send_signal(signal.SIGKILL)
    finished = {name: value for name, value in tree(data).items() if not Path(name).name.startswith(".")}
    assert 20 <= len(finished) < 400 and finished.items() <= content.items()
    before = {name: inode for name, inode in inodes(data).items() if "/." not in name}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert tree(data) == content
    assert before.items() <= inodes(data).items()  # a finished file is not written again
    assert f"{400 - len(finished)} files" in done.stdout and f"; {len(finished)} existed already" in done.stdout


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
