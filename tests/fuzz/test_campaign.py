"""Fuzzing in small: every reader answers damage with errors of ours; and the campaign sees what goes wrong."""

import os
import resource
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from lib.common.errors import DataError
from tests.all_params import all_params
from tests.fuzz import targets as targets_module
from tests.fuzz.campaign import Record, chunks_of, run_campaign
from tests.fuzz.corpus import make_corpus
from tests.fuzz.report import campaign_page
from tests.fuzz.targets import TARGETS, make_target, read_all
from tests.fuzz.worker import Job, Trial, input_bytes, put_input

PARAMS = Path(__file__).parents[2] / "params.yaml"
INPUTS = 60


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    params = all_params(PARAMS)
    make_corpus(folder, params.simulate, params.preprocess, PARAMS)
    return folder


@pytest.mark.parametrize("name", TARGETS)
def test_only_our_errors_come_out(tmp_path: Path, corpus: Path, name: str) -> None:
    """In this process: a crash ends the tests, which nobody overlooks."""
    target = make_target(name, corpus)
    path = tmp_path / "inside" / target.file
    path.parent.mkdir()
    for seed in target.seeds:
        path.write_bytes(seed)
        assert not read_all(target, path), "a sound file is read"
    refused = 0
    for index in range(INPUTS):
        put_input(target, 7, index, path)
        refused += read_all(target, path)
    assert refused > INPUTS // 5


def test_the_same_seed_gives_the_same_damage(corpus: Path) -> None:
    target = make_target("npy", corpus)
    first, again = ([input_bytes(target, 1, index) for index in range(20)] for _ in range(2))
    assert first == again != [input_bytes(target, 2, index) for index in range(20)]


def test_a_campaign_in_processes_of_its_own(tmp_path: Path, corpus: Path) -> None:
    reported: list[Record] = []
    [record] = run_campaign([Job("index", corpus, 3, 0, 40, tmp_path / "kept")], 1, reported.append)
    assert reported == [record] and record.clean and record.inputs == 40 == record.refused + record.read
    assert record.worst_seconds > 0 and not (tmp_path / "kept").exists()


def test_damage_is_found_when_a_reader_is_careless(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same inputs against readers that trust what they read."""
    target = make_target("npy", corpus)
    careless = targets_module.Target("npy", target.file, target.seeds, target.lie, (np.load,))
    path, wrong = tmp_path / target.file, 0
    for index in range(INPUTS):
        path.write_bytes(input_bytes(careless, 7, index))
        try:
            read_all(careless, path)
        except Exception:
            wrong += 1
    assert wrong > INPUTS // 4


@pytest.mark.parametrize("message", ["", "short", "two\nlines of it", "x" * 5_000, "a bell \a in it"])
def test_a_message_that_is_no_clear_sentence_counts_as_unclear(tmp_path: Path, corpus: Path, message: str) -> None:
    def reader(_: Path) -> None:
        raise DataError(message)

    target = make_target("index", corpus)
    with pytest.raises(AssertionError, match="not a clear sentence"):
        read_all(targets_module.Target("x", "x", target.seeds, target.lie, (reader,)), tmp_path)


def ends_badly(job: Job, channel: Connection) -> None:
    """In place of the worker: some inputs crash it, hang it, or make it ask for too much."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for index in range(job.first, job.last):
        if index == 1:
            os.abort()
        if index == 3:
            time.sleep(60)
        channel.send(Trial(index, True, 0.1, 10**6, "MemoryError: (x.py:1)" if index == 4 else ""))


def test_crashes_hangs_and_other_errors_are_counted_and_do_not_end_the_campaign(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.campaign.work", ends_badly)
    monkeypatch.setattr("tests.fuzz.campaign.SECONDS_PER_INPUT", 1.0)
    [record] = run_campaign([Job("index", corpus, 3, 0, 6, tmp_path / "kept")], 1, lambda _: None)
    assert (record.inputs, record.crashes, record.hangs, record.unclear) == (6, 1, 1, 1) and not record.clean
    assert "input 1: the process ended with status -6" in record.failures
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "index-3-1-index.csv",
        "index-3-3-index.csv",
    ]
    assert "- index, input 3: the process hung" in campaign_page([record], 6, 1, "1 s", "Python")


def test_inputs_are_shared_out_and_none_is_lost() -> None:
    shares = chunks_of(1_000, TARGETS)
    assert sum(shares.values()) >= 1_000 and shares["zip"] < shares["png"]
    page = campaign_page([Record("png", 7, 5, 2), Record("npy", 3, 3, 0)], 10, 1, "1 s", "Python")
    assert "| **all** | 10 | 8 | 2 | 0 | 0 | 0 |" in page and "must not" not in page
