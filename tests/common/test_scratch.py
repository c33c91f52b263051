"""The store of unfinished work: what is found again, what is thrown away, and what is left alone."""

import os
import time

import pytest

from lib.common import scratch
from lib.common.errors import DataError
from lib.common.outputs import atomic_folder, exclusive_lock, write_json
from lib.common.scratch import Cache, cache, fingerprint, prune, resumable_work

DAY_S = 86_400
KEY = fingerprint("key")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOVOX_SCRATCH", str(tmp_path / "store"))
    return tmp_path / "store"


def entry(store, what, days, size=100):
    """A checkpoint or a piece that was last used so many days ago."""
    path = store / "train" / fingerprint(what) / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    scratch._sign(path.parent)
    path.write_bytes(b"x" * size)
    return aged(path.parent, days)


def aged(folder, days):
    used = time.time() - days * DAY_S
    for each in (*folder.rglob("*"), folder):
        os.utime(each, (used, used), follow_symlinks=False)
    return folder


def names(store):
    return sorted(path.name for path in (store / "train").iterdir())


def keys(*whats):
    return sorted(map(fingerprint, whats))


def everything(folder):
    """All below a folder: links as they are, files with their content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else path.is_symlink()
        for path in folder.rglob("*")
    }


def test_what_was_not_used_for_long_goes(store):
    for days in (0, 29, 31, 400):
        entry(store, days, days)
    prune(store, days=30)
    assert names(store) == keys(0, 29)


def test_what_a_killed_run_was_putting_in_goes(store):
    place = store / "preprocess" / KEY
    with pytest.raises(KeyboardInterrupt), atomic_folder(place) as half:
        (half / "Scenario_piece.h5").touch()
        lock = next(path for path in place.parent.iterdir() if path != half)
        marked = lock.read_bytes()
        raise KeyboardInterrupt
    for days, gone in ((31, True), (29, False)):
        half.mkdir()
        (half / "Scenario_piece.h5").touch()
        lock.write_bytes(marked)
        aged(half, days)
        prune(store, days=30)
        assert half.exists() is not gone


def test_beyond_so_many_bytes_the_longest_unused_goes(store):
    for days in (3, 1, 2, 4):
        entry(store, days, days, size=1000)
    prune(store, num_bytes=2500)
    assert names(store) == keys(1, 2)


def test_what_is_linked_elsewhere_costs_nothing(store, tmp_path):
    for days in (1, 2, 3):
        os.link(entry(store, days, days, size=1000) / "checkpoint.pt", tmp_path / f"out {days}")
    entry(store, 4, 4, size=1000)
    prune(store, num_bytes=1400)
    assert len(names(store)) == 4
    (tmp_path / "out 2").unlink()
    prune(store, num_bytes=1400)
    assert names(store) == keys(1, 2, 3)


def test_what_a_run_holds_stays(store):
    held = entry(store, "held", 100, size=1000)
    with exclusive_lock(held):
        prune(store, days=30, num_bytes=10)
        assert held.exists()
    prune(store, days=30)
    assert names(store) == []


def test_every_run_prunes(store):
    entry(store, "old", scratch.KEPT_DAYS + 1)
    with resumable_work("train", KEY):
        assert names(store) == sorted([KEY, f".{KEY}.run.partial"])
    entry(store, "old", scratch.KEPT_DAYS + 1)
    cache("predict")
    assert names(store) == []


def test_a_killed_run_beside_another_one_is_gone_on_with(store):
    """The other one had the first place, and has ended since."""
    with (
        resumable_work("train", KEY) as first,
        pytest.raises(KeyboardInterrupt),
        resumable_work("train", KEY) as second,
    ):
        (second / "checkpoint.pt").touch()
        raise KeyboardInterrupt
    assert first != second and names(store) == [second.name]
    with resumable_work("train", KEY) as place:
        assert place == second
        with resumable_work("train", KEY) as third:
            assert third != second
    assert names(store) == []


def kept(folder):
    """A shelf with one piece on it."""
    (folder / "Scenario_piece.h5").write_text("piece")
    cache = Cache(folder / "shelf")
    cache.put(KEY, [folder / "Scenario_piece.h5"], "note")
    return cache


def test_what_another_run_discards_meanwhile_is_not_there(tmp_path, monkeypatch):
    pieces, out = kept(tmp_path), tmp_path / "out"
    out.mkdir()
    assert pieces.take(KEY, out) == "note" and (out / "Scenario_piece.h5").read_text() == "piece"
    link = scratch._link_or_copy
    monkeypatch.setattr(scratch, "_link_or_copy", lambda *paths: (pieces.discard([KEY]), link(*paths)))
    assert pieces.take(KEY, out) is None


def test_names_in_a_note_cannot_lead_out(tmp_path):
    pieces = kept(tmp_path)
    (tmp_path / "secret").write_text("secret")
    files = {"../../secret": scratch.file_digest(tmp_path / "secret")}
    note = {"files": files, "note": 1, "seal": scratch.fingerprint(files, 1)}
    write_json(tmp_path / "shelf" / KEY / "note.json", note)
    assert pieces.take(KEY, tmp_path / "shelf") is None and (tmp_path / "secret").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(store):
    store.mkdir()
    (store / "train").touch()
    with pytest.raises(DataError, match=r"train: cannot be made .*; set ANOVOX_SCRATCH"), resumable_work("train", KEY):
        pass


def test_an_entry_may_vanish_while_another_run_looks_at_it(store, monkeypatch):
    entry(store, "there", 0)
    entries = scratch._entries
    gone = store / "train" / "gone"
    monkeypatch.setattr(scratch, "_entries", lambda path: [*entries(path), *([gone] if path.name == "train" else [])])
    prune(store, days=30, num_bytes=10)
    assert names(store) == []


def strangers(store, elsewhere):
    """What may lie in a folder that ANOVOX_SCRATCH names, old and large, by the names that runs give their own."""
    elsewhere.mkdir()
    (elsewhere / "note.json").write_text("{}")
    (elsewhere / "thesis.h5").write_bytes(b"x" * 5000)
    for name in ("photos/2019", f"train/{KEY}", f"train/{KEY}-2", "train/notes", "preprocess/.git", f"tmp/{KEY}"):
        folder = store / name
        folder.mkdir(parents=True)
        for file in ("note.json", "checkpoint.pt", "Scenario_piece.h5", ".x.partial", scratch._SIGN):
            (folder / file).write_bytes(b"x" * 1000)
    (store / "train" / f".{KEY}.partial").mkdir()
    (store / "train" / f".{KEY}.partial" / "Scenario_piece.h5").write_bytes(b"x" * 1000)
    (store / "train" / fingerprint("link")).symlink_to(elsewhere)
    (store / "train" / fingerprint("file")).write_bytes(b"x" * 5000)
    (store / "letter.txt").write_text("a letter")
    aged(store, 100)
    aged(elsewhere, 100)


def test_nothing_of_strangers_goes(store, tmp_path):
    strangers(store, tmp_path / "elsewhere")
    before = everything(tmp_path)
    prune(store, days=0, num_bytes=0)
    pieces = cache("preprocess")
    (tmp_path / "Scenario_piece.h5").touch()
    for key in (KEY, fingerprint("link"), fingerprint("file")):
        with resumable_work("train", key) as place:
            (place / "checkpoint.pt").touch()
    shelved = Cache(store / "train")
    for key in (KEY, f"{KEY}-2", fingerprint("link"), fingerprint("file")):
        shelved.put(key, [tmp_path / "Scenario_piece.h5"], 1)
        assert shelved.take(key, tmp_path) is None
        shelved.discard([key])
    pieces.discard([".git", "../photos"])
    (tmp_path / "Scenario_piece.h5").unlink()
    assert everything(tmp_path) == before


def test_what_somebody_puts_into_an_entry_stays(store, tmp_path):
    """Of what a run has put there, nothing does."""
    old = entry(store, "old", 100)
    (old / "notes.txt").write_text("mine")
    (old / "folder.h5").mkdir()
    (old / "link").symlink_to(tmp_path)
    aged(old, 100)
    prune(store, days=30)
    assert sorted(path.name for path in old.iterdir()) == sorted(["folder.h5", "link", "notes.txt", scratch._SIGN])
    with resumable_work("train", KEY) as place:
        (place / "notes.txt").write_text("mine")
        (place / "checkpoint.pt").touch()
    assert sorted(path.name for path in place.iterdir()) == sorted(["notes.txt", scratch._SIGN])


def test_a_run_that_was_killed_before_it_signed_its_entry_is_no_hindrance(store):
    place = store / "train" / KEY
    place.mkdir(parents=True)
    (place / f".{scratch._SIGN}.writer.partial").touch()
    with resumable_work("train", KEY) as found:
        assert found == place
    assert names(store) == []
