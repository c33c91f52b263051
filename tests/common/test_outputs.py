"""Outputs appear whole or not at all, whatever stood in their place and however a run ends."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from lib.common import outputs
from lib.common.errors import DataError
from lib.common.outputs import (
    NO_LOCKS,
    atomic_file,
    atomic_folder,
    exclusive_lock,
    partial_of,
    write_csv,
    write_json,
    write_text,
)
from tests.odd_files import put_in_the_way
from tests.present import present

ROOT = Path(__file__).resolve().parents[2]


def tree(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path):
    path = tmp_path / "made" / "shards"
    for content in ("first", "second"):
        with atomic_folder(path, ("first", "second")) as folder:
            assert folder.parent == path.parent and not path.is_relative_to(folder)
            (folder / content).write_text(content)
            assert not (path / content).exists()
        assert tree(tmp_path) == {f"made/shards/{content}": content}


def test_the_place_of_a_folder_is_never_empty_while_it_is_replaced(tmp_path):
    write_text(tmp_path / "folder" / "file", "0")
    (tmp_path / "other").mkdir()
    if not outputs._exchanged(tmp_path / "other", tmp_path / "folder"):
        pytest.skip("this file system cannot exchange two names")
    assert outputs._exchanged(tmp_path / "other", tmp_path / "folder")
    look = f"import os\nprint('looking', flush=True)\nwhile os.path.isdir({str(tmp_path / 'folder')!r}): pass"
    watcher = subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE)
    assert watcher.stdout is not None and watcher.stdout.readline()
    for number in range(300):
        with atomic_folder(tmp_path / "folder", ("file",)) as folder:
            write_text(folder / "file", str(number))
    assert watcher.poll() is None
    watcher.kill()
    watcher.communicate()


def test_where_names_cannot_be_exchanged_the_old_folder_is_moved_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "_exchanged", lambda one, other: False)
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "folder", ("first", "second")) as folder:
            (folder / content).write_text(content)
        assert tree(tmp_path) == {f"folder/{content}": content}


def test_an_error_inside_leaves_the_old_and_nothing_else(tmp_path):
    write_text(tmp_path / "folder" / "old", "old")
    write_text(tmp_path / "file", "old")
    before = tree(tmp_path)
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder", ("old",)) as folder:
        (folder / "new").write_text("new")
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), atomic_file(tmp_path / "file") as file:
        file.write_text("new")
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file", float("nan"))
    assert tree(tmp_path) == before and {p.name for p in tmp_path.iterdir()} == {"folder", "file"}


def test_links_into_a_cache_are_replaced_and_the_cache_is_kept(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("hard", "soft", "inside"):
        (cache / name).write_text("cached")
        (cache / name).chmod(0o444)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inside").hardlink_to(cache / "inside")
    (tmp_path / "hard").hardlink_to(cache / "hard")
    (tmp_path / "soft").symlink_to(cache / "soft")
    (tmp_path / "linked").symlink_to(cache, target_is_directory=True)
    for name in ("hard", "soft"):
        write_text(tmp_path / name, "new")
    for name in ("folder", "linked"):
        with atomic_folder(tmp_path / name, ("inside",)) as new:
            (new / "inside").write_text("new")
    assert tree(cache) == dict.fromkeys(("hard", "inside", "soft"), "cached")
    written = ("folder/inside", "hard", "linked/inside", "soft")
    assert {k: v for k, v in tree(tmp_path).items() if not k.startswith("cache")} == dict.fromkeys(written, "new")


HOLD = """
import sys, time
from pathlib import Path
from lib.common.outputs import {kind}
with {kind}(Path(sys.argv[1])) as partial:
    print("held", flush=True)
    {then}
"""


def other_run(path, kind, then="time.sleep(60)"):
    command = [sys.executable, "-c", HOLD.format(kind=kind, then=then), str(path)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert present(run.stdout).readline() == "held\n"
    return run


@pytest.mark.parametrize("kind", ["exclusive_lock", "atomic_folder"])
def test_a_second_run_is_refused_until_the_first_ends(tmp_path, kind):
    path = tmp_path / "new" / "output"
    with other_run(path, kind) as run:
        refused = exclusive_lock if kind == "exclusive_lock" else atomic_folder
        with pytest.raises(DataError, match="another run is writing it; wait"), refused(path):
            pytest.fail("entered")
        run.kill()
    with atomic_folder(path) as folder:
        (folder / "content").write_text("new")
    assert tree(tmp_path) == {"new/output/content": "new"}


def test_a_second_writer_of_a_file_waits_for_the_first(tmp_path):
    path = tmp_path / "output"
    with other_run(path, "atomic_file", "time.sleep(0.5); partial.write_text('first'); time.sleep(0.5)") as run:
        write_text(path, "second")
        run.wait()
    assert tree(tmp_path) == {"output": "second"}


@pytest.mark.parametrize("kind", ["atomic_folder", "atomic_file"])
def test_a_killed_run_leaves_the_old_and_the_next_run_cleans_up(tmp_path, kind):
    path = tmp_path / "output"
    if kind == "atomic_folder":
        write_text(path / "content", "old")
    else:
        write_text(path, "old")
    script = f"""
import sys, time
from pathlib import Path
from lib.common.outputs import {kind}
with {kind}(Path(sys.argv[1]){', ("content",)' if kind == "atomic_folder" else ""}) as partial:
    (partial / "half" if partial.is_dir() else partial).write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert present(run.stdout).readline() == "written\n"
        run.send_signal(signal.SIGKILL)
    assert (path if path.is_file() else path / "content").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"output", partial_of(path).name}
    if kind == "atomic_folder":
        with atomic_folder(path, ("content",)) as folder:
            (folder / "content").write_text("new")
        assert tree(tmp_path) == {"output/content": "new"}
    else:
        write_text(path, "new")
        assert tree(tmp_path) == {"output": "new"}


def test_half_written_names_are_ignored_by_git_and_dvc(tmp_path):
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", repository], check=True)
    for name in (".gitignore", ".dvcignore"):
        (repository / name).write_bytes((ROOT / name).read_bytes())
    outputs = (
        "data/sample",
        "models/detector.safetensors",
        "metrics/train.json",
        "plots/roc.csv",
        "x/VOXEL_GRID_1.npy",
    )
    names = [str(partial_of(Path(name))) for name in outputs]
    check = ["git", "check-ignore", "--no-index", *names]
    found = subprocess.run(check, cwd=repository, capture_output=True, text=True, check=True).stdout.split()
    assert found == names
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=repository, check=True)
    check = [sys.executable, "-m", "dvc", "check-ignore", *names]
    found = subprocess.run(check, cwd=repository, capture_output=True, text=True, check=True).stdout.split()
    assert found == names


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "below", tmp_path / "file" / "deeper" / "still"):
        with pytest.raises(DataError, match=f"{path}: cannot be written .*; check disk space and permissions"):
            write_text(path, "")
        with pytest.raises(DataError, match=f"{path}: cannot be written"), atomic_folder(path):
            pytest.fail("entered")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder: is no file"):
        write_text(tmp_path / "folder", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_one_sentence_and_other_errors_stay_what_they_are(tmp_path):
    with (
        pytest.raises(DataError, match=r"shards: cannot be written .*No space left"),
        atomic_folder(tmp_path / "shards"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "file"):
        (tmp_path / "nowhere").read_text()
    assert list(tmp_path.iterdir()) == []


def test_json_and_csv_are_plain_text(tmp_path):
    write_json(tmp_path / "a.json", {"auroc": 0.5, "of": {"n": 3}})
    assert (tmp_path / "a.json").read_bytes() == b'{\n  "auroc": 0.5,\n  "of": {\n    "n": 3\n  }\n}\n'
    rows: list[dict[str, object]] = [{"b": 1, "a": "x, y"}, {"a": 2.5, "b": None}]
    write_csv(tmp_path / "a.csv", ["a", "b"], iter(rows))
    assert (tmp_path / "a.csv").read_bytes() == b'a,b\n"x, y",1\n2.5,\n'


@pytest.mark.parametrize("kind", [atomic_file, atomic_folder])
@pytest.mark.parametrize("thing", ["link", "link to nowhere", "FIFO", "link to a folder"])
def test_nothing_is_written_through_what_lies_at_the_hidden_name(tmp_path, kind, thing):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "target").write_text("theirs")
    put_in_the_way(partial_of(tmp_path / "output"), thing, tmp_path / "elsewhere" / "target")
    with pytest.raises(DataError, match=r"\.output\.partial: is no f.*; move it away"), kind(tmp_path / "output"):
        pytest.fail("entered")
    assert tree(tmp_path / "elsewhere") == {"target": "theirs"} and not (tmp_path / "output").exists()


def test_a_folder_that_no_run_has_filled_is_not_replaced(tmp_path):
    for name, sign in (("notes.txt", ""), ("a.h5", "index.csv"), ("b.txt", "index.csv")):
        place = tmp_path / name / "shards"
        write_text(place / name, "mine")
        refused = pytest.raises(DataError, match=r"shards: (holds|lacks) .*; move it away")
        with refused, atomic_folder(place, ("*.h5", "index.csv"), sign):
            pytest.fail("entered")
        assert tree(place) == {name: "mine"}
    for make in (Path.touch, os.mkfifo):
        place = tmp_path / make.__name__
        make(place)
        with pytest.raises(DataError, match="is no folder, and one is to be written there"), atomic_folder(place):
            pytest.fail("entered")
        assert place.exists()


@pytest.mark.parametrize("inside", ["a.h5/mine.txt", "a.h5/deeper/mine.txt"])
def test_a_folder_with_a_files_name_is_nobodys_output(tmp_path, inside):
    place = tmp_path / "shards"
    write_text(place / "index.csv", "ours")
    write_text(place / inside, "mine")
    refused = pytest.raises(DataError, match=r"holds a\.h5, which no run puts there")
    with refused, atomic_folder(place, ("*.h5", "*.csv")):
        pytest.fail("entered")
    assert (place / inside).read_text() == "mine"
    with atomic_folder(place, ("*.h5/", "*.csv")) as folder:
        (folder / "new").touch()
    assert tree(place) == {"new": ""}


def test_a_file_takes_no_place_of_a_device(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    inode = (tmp_path / "fifo").stat().st_ino
    for path, problem in ((tmp_path / "fifo", "is no file"), (Path(), "is no name for a file")):
        with pytest.raises(DataError, match=problem), atomic_file(path):
            pytest.fail("entered")
    assert [(path.name, path.stat().st_ino) for path in tmp_path.iterdir()] == [("fifo", inode)]


def test_what_somebody_puts_into_the_place_meanwhile_is_not_replaced(tmp_path):
    write_text(tmp_path / "output" / "a.h5", "old")
    with (
        pytest.raises(DataError, match=r"output: holds notes\.txt"),
        atomic_folder(tmp_path / "output", ("*.h5",)) as new,
    ):
        (new / "a.h5").write_text("new")
        (tmp_path / "output" / "notes.txt").write_text("mine")
    assert tree(tmp_path) == {"output/a.h5": "old", "output/notes.txt": "mine"}


def test_an_output_that_is_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    write_text(tmp_path / "mine" / "notes.txt", "mine")
    (tmp_path / "output").symlink_to("mine")
    with atomic_folder(tmp_path / "output", ("*.h5",)) as folder:
        (folder / "a.h5").write_text("new")
    assert tree(tmp_path) == {"mine/notes.txt": "mine", "output/a.h5": "new"}


def test_a_run_that_was_killed_as_it_replaced_the_old_result_is_no_hindrance(tmp_path):
    write_text(tmp_path / ".output.old.partial" / "old", "old")
    write_text(tmp_path / ".output.partial" / "half", "half")
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "output", ("*",)) as folder:
            (folder / content).write_text(content)
    assert tree(tmp_path) == {"output/second": "second"}


def test_file_systems_without_locks_are_used_without(tmp_path, monkeypatch):
    for number in NO_LOCKS:
        monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(number, "no locks")))
        with atomic_folder(tmp_path / "output", ("*",)) as folder, exclusive_lock(tmp_path / "lock"):
            write_text(folder / "new", str(number))
        assert tree(tmp_path) == {"output/new": str(number)}
