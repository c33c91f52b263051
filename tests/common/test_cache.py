"""The store of unfinished work: what is found again, what is removed, and what is left alone."""

import os
import time

import pytest

from lib.common import cache as module
from lib.common.cache import Cache, cache, code_fingerprint, fingerprint, prune, resumable_work, store
from lib.common.errors import DataError
from lib.common.outputs import exclusive_lock, write_json

DAY_S = 86_400
KEY = fingerprint("key")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOVOX_SCRATCH", str(tmp_path / "scratch"))
    return store()


def entry(root, what, days, size=100):
    """A checkpoint or a finished file that was last used so many days ago."""
    path = root / "train" / fingerprint(what) / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    used = time.time() - days * DAY_S
    for each in (path, path.parent):
        os.utime(each, (used, used))
    return path.parent


def names(root):
    return sorted(path.name for path in (root / "train").iterdir())


def keys(*whats):
    return sorted(map(fingerprint, whats))


def test_what_was_not_used_for_long_is_removed(root):
    for days in (0, 29, 31, 400):
        entry(root, days, days)
    prune(root, days=30)
    assert names(root) == keys(0, 29)


def test_beyond_so_many_bytes_the_longest_unused_is_removed(root):
    for days in (3, 1, 2, 4):
        entry(root, days, days, size=1000)
    prune(root, num_bytes=2500)
    assert names(root) == keys(1, 2)


def test_what_is_linked_elsewhere_takes_no_space(root, tmp_path):
    for days in (1, 2, 3):
        os.link(entry(root, days, days, size=1000) / "checkpoint.pt", tmp_path / f"out {days}")
    entry(root, 4, 4, size=1000)
    prune(root, num_bytes=1400)
    assert len(names(root)) == 4
    (tmp_path / "out 2").unlink()
    prune(root, num_bytes=1400)
    assert names(root) == keys(1, 2, 3)


def test_what_a_run_uses_stays(root):
    used = entry(root, "used", 100, size=1000)
    with exclusive_lock(used):
        prune(root, days=30, num_bytes=10)
        assert used.exists()
    prune(root, days=30)
    assert names(root) == []


def test_every_run_prunes(root):
    entry(root, "old", module.KEPT_DAYS + 1)
    with resumable_work("train", KEY):
        assert names(root) == [KEY]
    entry(root, "old", module.KEPT_DAYS + 1)
    cache("predict")
    assert names(root) == []


def test_unfinished_work_is_found_again_and_removed_in_the_end(root):
    with pytest.raises(KeyboardInterrupt), resumable_work("train", KEY) as place:
        (place / "checkpoint.pt").write_text("half")
        raise KeyboardInterrupt
    with resumable_work("train", fingerprint("other")) as other:
        assert list(other.iterdir()) == []
    with resumable_work("train", KEY) as again:
        assert (again / "checkpoint.pt").read_text() == "half"
        with resumable_work("train", KEY) as beside:
            assert beside != again and list(beside.iterdir()) == []
    assert names(root) == []


def kept(folder):
    """A cache with one file."""
    (folder / "Scenario_1.h5").write_text("content")
    found = Cache(folder / "cache")
    found.put(KEY, [folder / "Scenario_1.h5"], "note")
    return found


def test_files_are_taken_with_their_note(tmp_path):
    files, out = kept(tmp_path), tmp_path / "out"
    out.mkdir()
    assert files.take(KEY, out) == "note" and (out / "Scenario_1.h5").read_text() == "content"
    assert (out / "Scenario_1.h5").stat().st_ino == (tmp_path / "Scenario_1.h5").stat().st_ino
    assert files.take(fingerprint("other"), out) is None
    files.discard([KEY])
    assert files.take(KEY, out) is None


@pytest.mark.parametrize("name", ["Scenario_1.h5", "note.json"])
def test_what_is_damaged_is_removed(tmp_path, name):
    files = kept(tmp_path)
    path = tmp_path / "cache" / KEY / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content.replace(b"note", b"nose").replace(b"content", b"contend"))
    assert files.take(KEY, tmp_path) is None and not path.parent.exists()


def test_what_another_run_discards_meanwhile_is_not_there(tmp_path, monkeypatch):
    files = kept(tmp_path)
    link = module._link_or_copy
    monkeypatch.setattr(module, "_link_or_copy", lambda *paths: (files.discard([KEY]), link(*paths)))
    assert files.take(KEY, tmp_path) is None


def test_names_in_a_note_cannot_lead_out(tmp_path):
    files = kept(tmp_path)
    (tmp_path / "secret").write_text("secret")
    digests = {"../../secret": module.file_digest(tmp_path / "secret")}
    note = {"files": digests, "note": 1, "fingerprint": fingerprint(digests, 1)}
    write_json(tmp_path / "cache" / KEY / "note.json", note)
    assert files.take(KEY, tmp_path / "cache") is None and (tmp_path / "secret").exists()


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no hard links here")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    files, out = kept(tmp_path), tmp_path / "out"
    out.mkdir()
    assert files.take(KEY, out) == "note" and (out / "Scenario_1.h5").read_text() == "content"


def test_a_folder_that_cannot_be_made_is_a_sentence(root):
    root.mkdir(parents=True)
    (root / "train").touch()
    with pytest.raises(DataError, match=r"train: cannot be made .*; set ANOVOX_SCRATCH"), resumable_work("train", KEY):
        pass


def test_only_entries_are_removed(root, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("mine")
    for name in ("train/notes", "preprocess/.git"):
        (root / name).mkdir(parents=True)
    (root / "train" / fingerprint("link")).symlink_to(tmp_path / "mine")
    (root.parent / "train" / KEY).mkdir(parents=True)
    prune(root, days=0, num_bytes=0)
    assert names(root) == sorted(["notes", fingerprint("link")]) and (root / "preprocess" / ".git").exists()
    assert (tmp_path / "mine" / "thesis").exists() and (root.parent / "train" / KEY).exists()


def test_the_code_of_a_stage_is_what_it_depends_on_in_the_pipeline(tmp_path, monkeypatch):
    for name in ("lib/common/paths.py", "lib/training/loop.py", "stages/train.py", "stages/plot.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    stages = "stages:\n  train:\n    deps: [data/shards, stages/train.py, lib/common]\n"
    (tmp_path / "dvc.yaml").write_text(stages)
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    before = code_fingerprint("train")
    for name, changes in (("stages/plot.py", False), ("lib/training/loop.py", False), ("lib/common/paths.py", True)):
        (tmp_path / name).write_text("changed = True\n")
        assert (code_fingerprint("train") != before) is changes
    before = code_fingerprint("train")
    monkeypatch.setattr(module, "version", lambda name: "another version")
    assert code_fingerprint("train") != before
