"""Stages that are really killed, at any moment, and run again: the same bytes as if nothing had happened."""

import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import pytest

from tests.anovox_sample import golden_copy
from tests.processes import environment
from tests.shard_data import write_street_shards
from tests.stages.test_train_predict import set_params

CURVES = "plots/training.csv"
OUTPUTS = ("models/weights.safetensors", CURVES, "metrics/train.json")
EXECUTION = {"device": "cpu", "checkpoint_seconds": 0, "processes": 1}
TRAIN = {"epochs": 3, "batch_size": 2, "micro_batch": 1}


WORKER = """
import os, signal, time
from pathlib import Path
from lib.common.errors import run_stage
from stages.train import main

if __name__ == "__mp_main__":
    Path("starting").touch()
    {fate}
if __name__ == "__main__":
    run_stage(main)
"""
"""The train stage; the process beside it, which imports this file first of all, meets a fate of its own."""


def start(folder, stage="train", **variables):
    return start_command(folder, "-m", f"stages.{stage}", **variables)


def start_command(folder, *arguments, **variables):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run):
    out, err = run.communicate(timeout=600)
    return run.returncode, out, err


def outputs(folder):
    return {name: (folder / name).read_bytes() for name in OUTPUTS if (folder / name).exists()}


def checkpoints(folder, stage="train"):
    return list((folder / ".scratch" / stage).glob("*/checkpoint.pt"))


def noted(folder):
    """When each unfinished training has last noted its state."""
    found: dict[Path, int] = {}
    for path in checkpoints(folder):
        with suppress(FileNotFoundError):  # it has ended meanwhile
            found[path] = path.stat().st_mtime_ns
    return found


def start_and_wait_for_checkpoint(folder):
    """Start a training; it has noted a state of its own when this returns, or is over."""
    before = noted(folder)
    run = start(folder)
    while run.poll() is None and noted(folder) == before:
        time.sleep(0.01)
    return run


def prepare(folder, processes=1):
    """A folder to train in; the bytes do not depend on the number of processes."""
    write_street_shards(folder / "data" / "shards")
    set_params(folder, execution=EXECUTION | {"processes": processes}, train=TRAIN)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp("whole"))
    assert finish(start(folder))[0] == 0
    assert not list((folder / ".scratch").rglob("checkpoint.pt"))
    return outputs(folder)


def assert_nothing_half_written(folder, whole):
    """The outs are written one after another, each of them whole; the curves after each epoch, with all until then."""
    found = outputs(folder)
    curves = found.pop(CURVES, b"")
    assert curves in (b"", *accumulate(whole[CURVES].splitlines(keepends=True)))
    assert found.items() <= whole.items(), found


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path, whole):
    folder, moments = prepare(tmp_path, processes=2), random.Random(1)
    for _ in range(3):
        run = start_and_wait_for_checkpoint(folder)
        time.sleep(moments.uniform(0, 0.8))
        run.kill()
        status, _, err = finish(run)
        assert status in (0, -signal.SIGKILL), err
        assert_nothing_half_written(folder, whole)
    unfinished = bool(checkpoints(folder))
    status, out, err = finish(start(folder))
    assert status == 0, err
    assert outputs(folder) == whole and not checkpoints(folder)
    assert ("going on after step" in out) is unfinished


@pytest.mark.slow
def test_sigterm_notes_the_state_and_new_params_do_not_begin_from_it(tmp_path, whole):
    folder = prepare(tmp_path)
    run = start_and_wait_for_checkpoint(folder)
    run.send_signal(signal.SIGTERM)
    status, _, err = finish(run)
    assert status == 143 and "Traceback" not in err, err
    assert "stopped: by SIGTERM after step" in err and "run the same again" in err
    set_params(folder, execution=EXECUTION, train=TRAIN | {"learning_rate": 1e-3, "epochs": 1})
    status, out, _ = finish(start(folder))
    assert status == 0 and "going on" not in out
    assert len(checkpoints(folder)) == 1, "of the first training, which is not done"
    set_params(folder, execution=EXECUTION, train=TRAIN)
    status, out, _ = finish(start(folder))
    assert status == 0 and "going on after step" in out
    assert outputs(folder) == whole and not checkpoints(folder)


def start_with_worker(folder, fate):
    """Start a training; the process beside it is about to meet its fate when this returns."""
    (folder / "training.py").write_text(WORKER.format(fate=fate))
    (folder / "starting").unlink(missing_ok=True)
    run = start_command(folder, "training.py")
    while run.poll() is None and not (folder / "starting").exists():
        time.sleep(0.01)
    return run


def stopped_while_a_process_starts(folder):
    """What a training says on a SIGTERM that comes when the process beside it takes long to start."""
    run = start_with_worker(folder, "time.sleep(100)")
    run.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    status, _, err = finish(run)
    assert status == 143 and "Traceback" not in err and time.monotonic() < sent + 60, err
    return err


@pytest.mark.slow
def test_sigterm_while_a_process_starts_ends_the_training_at_once_and_loses_nothing(tmp_path, whole):
    folder, then = prepare(tmp_path, processes=2), "stopped: by SIGTERM; run it again to go on"
    assert then in stopped_while_a_process_starts(folder)
    assert not checkpoints(folder)
    run = start_and_wait_for_checkpoint(folder)
    run.kill()
    finish(run)
    [path] = checkpoints(folder)
    before = path.read_bytes()
    assert then in stopped_while_a_process_starts(folder)
    assert path.read_bytes() == before
    status, out, err = finish(start(folder))
    assert status == 0 and "going on after step" in out, err
    assert outputs(folder) == whole and not checkpoints(folder)


@pytest.mark.slow
def test_a_process_that_dies_as_it_starts_is_named(tmp_path):
    status, _, err = finish(start_with_worker(prepare(tmp_path, processes=2), "os.kill(os.getpid(), signal.SIGKILL)"))
    assert status == 1 and "error: a process of the training has died" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_the_store_lies_where_the_variable_says_and_runs_side_by_side_do_not_fraction(tmp_path, whole):
    store = tmp_path / "store"
    folders = [prepare(tmp_path / name) for name in ("one", "two")]
    runs = [start(folder, ANOVOX_SCRATCH=str(store)) for folder in folders]
    results = [finish(run) for run in runs]
    assert [status for status, _, _ in results] == [0, 0], results
    assert [outputs(folder) for folder in folders] == [whole, whole]
    assert not list(store.rglob("checkpoint.pt"))
    assert not any((folder / ".scratch").exists() for folder in folders)


def test_a_store_that_cannot_be_made_is_a_sentence(tmp_path):
    folder = prepare(tmp_path)
    (folder / "file").write_text("")
    status, _, err = finish(start(folder, ANOVOX_SCRATCH=str(folder / "file")))
    assert status == 1 and "set ANOVOX_SCRATCH to a folder to write in" in err and "Traceback" not in err


def killed_after_a_piece(folder, stage):
    """Kill a stage when it has kept something; the pieces that it has kept, by inode."""
    run = start(folder, stage)
    while run.poll() is None and not kept(folder, stage):
        time.sleep(0.002)
    run.kill()
    finish(run)
    return kept(folder, stage)


def kept(folder, stage):
    """The pieces beside a note, by inode; the run that is watched makes and removes folders meanwhile."""
    found: dict[str, int] = {}
    for note in (folder / ".scratch" / stage).glob("[!.]*/note.json"):
        with suppress(FileNotFoundError):
            found |= {file.name: file.stat().st_ino for file in note.parent.glob("*.h5")}
    return found


def contents(folder, *names):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for name in names
        for file in sorted((folder / name).rglob("*"))
        if file.is_file()
    }


def test_preprocess_goes_on_with_the_shards_that_are_finished(tmp_path):
    for name in ("whole", "killed"):
        golden_copy(tmp_path / name / "data" / "sample")
        set_params(tmp_path / name, execution={"workers": 1})
    assert finish(start(tmp_path / "whole", "preprocess"))[0] == 0
    folder = tmp_path / "killed"
    pieces = killed_after_a_piece(folder, "preprocess")
    status, out, err = finish(start(folder, "preprocess"))
    assert status == 0, err
    outs = "data/shards", "metrics", "plots"
    assert contents(folder, *outs) == contents(tmp_path / "whole", *outs)
    assert pieces and f"{len(pieces)} scenarios are unchanged" in out
    assert {name: (folder / "data/shards" / name).stat().st_ino for name in pieces} == pieces
    assert not list(folder.rglob(".*.partial"))


@pytest.mark.slow
def test_predict_goes_on_with_the_shards_that_are_scored(tmp_path):
    folder = prepare(tmp_path)
    set_params(folder, execution=EXECUTION | {"workers": 1}, train=TRAIN | {"epochs": 1})
    assert finish(start(folder))[0] == 0
    assert finish(start(folder, "predict"))[0] == 0
    whole = contents(folder, "data/predictions")
    assert not kept(folder, "predict")
    pieces = next(found for _ in range(9) if (found := killed_after_a_piece(folder, "predict")))
    status, out, err = finish(start(folder, "predict"))
    assert status == 0, err
    assert pieces and f"{len(pieces)} of {len(whole)} shards were scored" in out
    assert contents(folder, "data/predictions") == whole and not kept(folder, "predict")
    assert {name: (folder / "data/predictions" / name).stat().st_ino for name in pieces} == pieces
