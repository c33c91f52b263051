"""Processes that share a training's memory: the bytes of one process, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch

from lib.common.errors import Stopped, TrainingError
from lib.common.stopping import no_question
from lib.model.detector import build_detector
from lib.model.model_file import save_detector
from lib.model.parallel import replicas
from lib.training.checkpoints import Checkpoints
from lib.training.loop import train_detector
from lib.training.teammates import SPAWN, SharedTensors, Teammates
from tests.present import present
from tests.processes import environment
from tests.training.test_checkpoints import asked_at
from tests.training.test_loop import CONFIG, data_of, recipe, shards  # noqa: F401
from tests.views.streets import flat_street


def add_one(shared, connection):
    for tensor in shared.tensors():
        tensor.add_(1)
    connection.close()


def test_another_process_sees_the_same_tensors():
    like = [
        torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.zeros((), dtype=torch.int64),
        torch.zeros(7, dtype=torch.uint8),
        torch.zeros(0, 4),
    ]
    shared = SharedTensors(like)
    tensors = shared.tensors()
    for number, (tensor, other) in enumerate(zip(tensors, like, strict=True)):
        assert (tensor.dtype, tensor.shape, tensor.stride()) == (other.dtype, other.shape, other.stride())
        tensor.fill_(number)
    _, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=add_one, args=(shared, theirs))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert all((tensor == number + 1).all() for number, tensor in enumerate(tensors))


def trained(shards, path, checkpoints=None, **changes):  # noqa: F811
    torch.manual_seed(1)
    detector = build_detector(CONFIG)
    wanted = replace(recipe(batch_size=4, epochs=2), **changes)
    history = train_detector(detector, data_of(shards), wanted, lambda rows: None, checkpoints)
    save_detector(path, detector)
    return path.read_bytes(), history


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_processes_train_to_the_bytes_of_threads(shards, tmp_path, frames, monkeypatch):  # noqa: F811
    """Of batches of four, so that the second part is there in full, in part, or not at all."""
    data = data_of(shards)
    monkeypatch.setattr(sys.modules[__name__], "data_of", lambda _: replace(data, training=data.training[:frames]))
    by_threads = trained(shards, tmp_path / "detector.safetensors", parts=2)
    assert trained(shards, tmp_path / "detector.safetensors", parts=2, processes=True) == by_threads
    assert not active_children()


def test_stopped_and_gone_on_with_processes_end_in_the_same_bytes(shards, tmp_path):  # noqa: F811
    whole = trained(shards, tmp_path / "detector.safetensors", parts=2)
    path = tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        trained(shards, path, Checkpoints(path, "key", 3600, asked_at(3)), parts=2, processes=True)
    assert not active_children()
    checkpoints = Checkpoints(path, "key", 3600, lambda: None)
    assert trained(shards, tmp_path / "detector.safetensors", checkpoints, parts=2, processes=True) == whole


def fails(part):
    raise TrainingError(f"no part of {len(part[1].num_points_B)} frames")


def dies(part):
    os.kill(os.getpid(), signal.SIGKILL)


def ends_by_signals(part):
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
    return torch.tensor(0.5), tuple(torch.ones_like(parameter) for parameter in part[0].parameters())


def answer_of_a_teammate(work):
    batch = flat_street(2)
    twins = replicas(build_detector(CONFIG), 2)
    parts = [(twin, batch, torch.Generator()) for twin in twins]
    with Teammates(work, twins, batch) as teammates:
        [mate] = teammates._mates
        mate.ask(parts[1])
        return mate.answer(parts[1], no_question)


def test_an_error_in_a_process_reaches_the_caller():
    with pytest.raises(TrainingError, match=r"^no part of 2 frames$"):
        answer_of_a_teammate(fails)
    assert not active_children()


def test_a_process_that_dies_is_named():
    with pytest.raises(TrainingError, match=r"has died, perhaps for memory; lower train\.batch_size"):
        answer_of_a_teammate(dies)
    assert not active_children()


SIGNALLED = """
from tests.training.test_teammates import *
if __name__ == "__main__":
    loss, gradients = answer_of_a_teammate(ends_by_signals)
    assert loss == 0.5 and all((gradient == 1).all() for gradient in gradients)
"""


def test_signals_are_left_to_the_process_that_asks(tmp_path):
    """In an interpreter of its own: in the first process that one starts."""
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    done = subprocess.run([sys.executable, str(tmp_path / "signalled.py")], env=environment(), check=False)
    assert done.returncode == 0


WAITING = """
import time
from tests.training.test_teammates import *
if __name__ == "__main__":
    batch = flat_street(2)
    with Teammates(fails, replicas(build_detector(CONFIG), 3), batch):
        print(*(child.pid for child in active_children()), flush=True)
        time.sleep(600)
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


def test_shared_memory_that_cannot_be_had_is_said_in_one_sentence():
    script = """
import resource, torch
from lib.common.errors import run_stage
from lib.training.teammates import SharedTensors
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
run_stage(lambda: SharedTensors([torch.zeros(1_000_000)]))
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: the processes that work on parts of a batch need 4.0 MB of shared memory")
    assert run.stderr.count("\n") == 1 and "File too large" in run.stderr
