"""The store of unfinished work: what is found again, what is thrown away, and what is left alone."""

import os
import time

import pytest

from lib import scratch
from lib.errors import DataError
from lib.outputs import alone
from lib.scratch import Shelf, prune, shelf, unfinished

DAY_S = 86_400


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ANOVOX_SCRATCH", str(tmp_path / "store"))
    return tmp_path / "store"


def entry(store, name, days, size=100):
    """A checkpoint or a piece that was last used so many days ago."""
    path = store / "train" / name / "state"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    used = time.time() - days * DAY_S
    for each in (path, path.parent):
        os.utime(each, (used, used))
    return path.parent


def names(store):
    return sorted(path.name for path in (store / "train").iterdir())


def test_what_was_not_used_for_long_goes(store):
    for days in (0, 29, 31, 400):
        entry(store, f"{days} days", days)
    entry(store, ".half.partial", 31)
    prune(store, days=30)
    assert names(store) == ["0 days", "29 days"]


def test_beyond_so_many_bytes_the_longest_unused_goes(store):
    for days in (3, 1, 2, 4):
        entry(store, f"{days} days", days, size=1000)
    prune(store, num_bytes=2500)
    assert names(store) == ["1 days", "2 days"]


def test_what_is_linked_elsewhere_costs_nothing(store, tmp_path):
    for days in (1, 2, 3):
        os.link(entry(store, f"{days} days", days, size=1000) / "state", tmp_path / f"out {days}")
    entry(store, "4 days", 4, size=1000)
    prune(store, num_bytes=1000)
    assert len(names(store)) == 4
    (tmp_path / "out 2").unlink()
    prune(store, num_bytes=1000)
    assert names(store) == ["1 days", "2 days", "3 days"]


def test_what_a_run_holds_stays(store):
    held = entry(store, "held", 100, size=1000)
    with alone(held):
        prune(store, days=30, num_bytes=10)
        assert names(store)[-1] == "held"
    prune(store, days=30)
    assert names(store) == []


def test_every_run_prunes(store):
    entry(store, "old", scratch.KEPT_DAYS + 1)
    with unfinished("train", "key"):
        assert "old" not in names(store)
    entry(store, "old", scratch.KEPT_DAYS + 1)
    shelf("predict")
    assert "old" not in names(store)


def test_a_killed_run_beside_another_one_is_gone_on_with(store):
    """The other one had the first place, and has ended since."""
    with unfinished("train", "key") as first, pytest.raises(KeyboardInterrupt), unfinished("train", "key") as second:
        (second / "state").touch()
        raise KeyboardInterrupt
    assert first != second and names(store) == [second.name]
    with unfinished("train", "key") as place:
        assert place == second
        with unfinished("train", "key") as third:
            assert third != second
    assert names(store) == []


def test_what_another_run_discards_meanwhile_is_not_there(tmp_path, monkeypatch):
    kept, out = Shelf(tmp_path / "shelf"), tmp_path / "out"
    out.mkdir()
    (tmp_path / "piece").write_text("piece")
    kept.put("key", [tmp_path / "piece"], "note")
    assert kept.take("key", out) == "note" and (out / "piece").read_text() == "piece"
    link = scratch._link_or_copy
    monkeypatch.setattr(scratch, "_link_or_copy", lambda *paths: (kept.discard(["key"]), link(*paths)))
    assert kept.take("key", out) is None


def test_names_in_a_note_cannot_lead_out(tmp_path):
    kept = Shelf(tmp_path / "shelf")
    (tmp_path / "shelf" / "key").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    files = {"../../secret": scratch.file_digest(tmp_path / "secret")}
    note = {"files": files, "note": 1, "seal": scratch.fingerprint(files, 1)}
    scratch.write_json(tmp_path / "shelf" / "key" / "note.json", note)
    assert kept.take("key", tmp_path / "shelf") is None and (tmp_path / "secret").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(store):
    (store / "train").mkdir(parents=True)
    (store / "train" / "key").touch()
    with pytest.raises(DataError, match=r"key: cannot be made .*; set ANOVOX_SCRATCH"), unfinished("train", "key"):
        pass


def test_an_entry_may_vanish_while_another_run_looks_at_it(store, monkeypatch):
    entry(store, "there", 0)
    folders = scratch._folders
    gone = store / "train" / "gone"
    monkeypatch.setattr(scratch, "_folders", lambda path: [*folders(path), *([gone] if path.name == "train" else [])])
    prune(store, days=30, num_bytes=10)
    assert names(store) == []
