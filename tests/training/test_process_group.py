"""Processes that train together: the bytes of one process, one error for all, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch

from lib.common.errors import Stopped, TrainingError
from lib.loading.dataset import FrameRef
from lib.model.detector import build_detector
from lib.shards.shard_reader import read_shard
from lib.training.checkpoints import Checkpoints
from lib.training.loop import train_detector
from lib.training.process_group import ProcessGroup, launched_group, run_in_processes
from lib.training.recipe import TrainingSet
from tests.present import present
from tests.processes import environment
from tests.training.test_checkpoints import asked_at
from tests.training.test_loop import CONFIG, recipe, shards  # noqa: F401


def train(paths, frames, wanted, checkpoint, stop_at, group):
    """Train in one process of a group; the second one is asked to stop."""
    torch.manual_seed(1)
    detector = build_detector(CONFIG)
    refs = [FrameRef(shard, index) for shard in range(2) for index in range(2)]
    data = TrainingSet([read_shard(path) for path in paths], refs[:frames], [FrameRef(2, 0), FrameRef(2, 1)])
    asked = asked_at(stop_at) if group.rank == group.size - 1 else lambda: None
    checkpoints = Checkpoints(checkpoint if group.is_main else None, 3600, asked) if checkpoint else None
    history = train_detector(detector, data, wanted, lambda rows: None, checkpoints, group)
    return {name: value.clone() for name, value in detector.state_dict().items()}, history


def trained(shards, processes, frames, checkpoint=None, stop_at=0, **changes):  # noqa: F811
    wanted = recipe(**{"batch_size": 4, "micro_batch": 2, "epochs": 2, **changes})
    work = partial(train, [shard.path for shard in shards], frames, wanted, checkpoint, stop_at)
    return run_in_processes(work, processes)


def same(a, b):
    (state, history), (other, other_history) = a, b
    return history == other_history and all(torch.equal(value, other[name]) for name, value in state.items())


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_two_processes_train_to_the_bytes_of_one(shards, frames):  # noqa: F811
    """In batches of four, so that the second micro-batch is there in full, in part, or not at all."""
    assert same(trained(shards, 2, frames), trained(shards, 1, frames))
    assert not active_children()


def test_three_processes_train_to_nearly_the_same(shards):  # noqa: F811
    (state, history), (other, other_history) = (
        trained(shards, processes, 4, micro_batch=1, learning_rate=1e-4) for processes in (3, 1)
    )
    for name, value in state.items():
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-5)
    assert history[0].train_loss == pytest.approx(other_history[0].train_loss, rel=1e-6)


def test_one_process_goes_on_where_two_were_stopped_and_ends_in_the_same_bytes(shards, tmp_path):  # noqa: F811
    whole = trained(shards, 1, 3)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Stopped, match="by SIGTERM after step 1 of epoch 1; run the same again"):
        trained(shards, 2, 3, path, stop_at=2)
    assert not active_children()
    assert same(trained(shards, 1, 3, path), whole)
    with pytest.raises(Stopped):
        trained(shards, 1, 3, tmp_path / "other.pt", stop_at=3)
    assert same(trained(shards, 2, 3, tmp_path / "other.pt"), whole)


def add(group):
    total = torch.tensor([1.0 + group.rank])
    group.add_(total)
    return (
        total.item(),
        group.any(group.rank == 1),
        group.any(False),
        group.gather(group.rank),
        group.from_main(group.rank),
    )


def test_what_the_processes_tell_each_other():
    assert run_in_processes(add, 2) == (3.0, True, False, [0, 1], 0)
    assert run_in_processes(add, 1) == (1.0, False, False, [0], 0)


def fail(group):
    if group.rank == 1:
        raise TrainingError("no room on this side")
    group.any(False)


def die(group):
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.any(False)


def test_an_error_in_a_process_reaches_the_caller():
    with pytest.raises(TrainingError, match=r"^no room on this side$"):
        run_in_processes(fail, 2)
    assert not active_children()


def test_a_process_that_dies_is_named():
    with pytest.raises(TrainingError, match=r"has died, perhaps for memory; lower train\.batch_size"):
        run_in_processes(die, 2)
    assert not active_children()


def survive(group):
    if group.rank == 1:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
    return group.any(group.rank == 1)


SURVIVING = """
from tests.training.test_process_group import *
if __name__ == "__main__":
    assert run_in_processes(survive, 2)
"""


def test_signals_are_left_to_the_main_process(tmp_path):
    """In an interpreter of its own: in the first process that one starts."""
    (tmp_path / "surviving.py").write_text(SURVIVING)
    done = subprocess.run([sys.executable, str(tmp_path / "surviving.py")], env=environment(), check=False)
    assert done.returncode == 0


def wait(group):
    if group.is_main:
        print(*(child.pid for child in active_children()), flush=True)
        time.sleep(600)
    group.any(False)


WAITING = """
from tests.training.test_process_group import *
if __name__ == "__main__":
    run_in_processes(wait, 3)
"""


def test_a_killed_process_leaves_none_behind(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    command = [sys.executable, str(tmp_path / "waiting.py")]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as run:
        pids = [int(pid) for pid in present(run.stdout).readline().split()]
        run.kill()
    assert len(pids) == 2
    deadline = time.monotonic() + 60
    while any(map(alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_torchrun_and_srun_are_recognised(monkeypatch, tmp_path):
    assert launched_group({}) is None
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert launched_group(torchrun) == ProcessGroup(3, 4, 1)
    slurm = {"SLURM_JOB_ID": "123", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_STEP_NODELIST": "n[4-5]"}
    assert launched_group(slurm) is None, "a batch script is no step of srun"
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames n[4-5]" ] && printf "n4\\nn5\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MASTER_ADDR", "")
    monkeypatch.setenv("MASTER_PORT", "")
    assert launched_group({**slurm, "SLURM_STEP_NUM_TASKS": "4"}) == ProcessGroup(2, 4, 0)
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("n4", "20123")
