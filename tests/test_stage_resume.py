"""Stages that are really killed, at any moment, and run again: the same bytes as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.shard_data import write_street_shards
from tests.test_stage_train_predict import ROOT, set_params

OUTPUTS = ("models/detector.safetensors", "plots/training.csv", "metrics/train.json")
EXECUTION = {"device": "cpu", "checkpoint_seconds": 0}
TRAIN = {"epochs": 3, "batch_size": 2, "cpu_threads": 2}


def start(folder, stage="train", **environment):
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run):
    out, err = run.communicate(timeout=600)
    return run.returncode, out, err


def outputs(folder):
    return {name: (folder / name).read_bytes() for name in OUTPUTS if (folder / name).exists()}


def checkpoints(folder):
    return list((folder / ".scratch" / "train").glob("*/state.safetensors"))


def wait_for_checkpoint(folder, run):
    while not checkpoints(folder):
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)


def prepare(folder):
    write_street_shards(folder / "data" / "shards")
    set_params(folder, execution=EXECUTION, train=TRAIN)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp("whole"))
    assert finish(start(folder))[0] == 0
    assert not list((folder / ".scratch").rglob("*.safetensors"))
    return outputs(folder)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path, whole):
    folder, moments = prepare(tmp_path), random.Random(1)
    for _ in range(3):
        run = start(folder)
        wait_for_checkpoint(folder, run)
        time.sleep(moments.uniform(0, 0.8))
        run.kill()
        finish(run)
        assert not (folder / OUTPUTS[0]).exists() or outputs(folder) == whole
    status, out, err = finish(start(folder))
    assert status == 0, err
    assert outputs(folder) == whole
    assert "going on after step" in out or not checkpoints(folder)


@pytest.mark.slow
def test_sigterm_notes_the_state_and_new_params_do_not_begin_from_it(tmp_path, whole):
    folder = prepare(tmp_path)
    run = start(folder)
    wait_for_checkpoint(folder, run)
    run.send_signal(signal.SIGTERM)
    status, _, err = finish(run)
    assert status == 143 and "Traceback" not in err
    assert "stopped: by SIGTERM after step" in err and "run the same again" in err
    set_params(folder, execution=EXECUTION, train=TRAIN | {"learning_rate": 1e-3, "epochs": 1})
    status, out, _ = finish(start(folder))
    assert status == 0 and "going on" not in out
    assert len(checkpoints(folder)) == 1, "of the first training, which is not done"
    set_params(folder, execution=EXECUTION, train=TRAIN)
    status, out, _ = finish(start(folder))
    assert status == 0 and "going on after step" in out
    assert outputs(folder) == whole and not checkpoints(folder)


@pytest.mark.slow
def test_the_store_lies_where_the_variable_says_and_runs_side_by_side_do_not_share(tmp_path, whole):
    store = tmp_path / "store"
    folders = [prepare(tmp_path / name) for name in ("one", "two")]
    runs = [start(folder, ANOVOX_SCRATCH=str(store)) for folder in folders]
    results = [finish(run) for run in runs]
    assert [status for status, _, _ in results] == [0, 0], results
    assert [outputs(folder) for folder in folders] == [whole, whole]
    assert not list(store.rglob("*.safetensors"))
    assert not any((folder / ".scratch").exists() for folder in folders)


def test_a_store_that_cannot_be_made_is_a_sentence(tmp_path):
    folder = prepare(tmp_path)
    (folder / "file").write_text("")
    status, _, err = finish(start(folder, ANOVOX_SCRATCH=str(folder / "file")))
    assert status == 1 and "set ANOVOX_SCRATCH to a folder to write in" in err and "Traceback" not in err
