"""A training that is interrupted anywhere ends as one that never was."""

import errno
import re
import signal
from dataclasses import replace

import pytest
import torch

from lib.common.array_files import read_state, write_state
from lib.common.errors import DataError, Stopped
from lib.model.detector import build_detector
from lib.model.model_file import save_detector
from lib.training.checkpoints import Checkpoints
from lib.training.loop import train_detector
from lib.training.training_state import TrainingState
from tests.training.test_loop import CONFIG, data_of, recipe, shards  # noqa: F401


def in_parts(**changes):
    return replace(recipe(batch_size=2, epochs=3, **changes), parts=2)


def trained(shards, checkpoints=None, seed=1):  # noqa: F811
    torch.manual_seed(seed)
    detector, rows = build_detector(CONFIG), []
    history = train_detector(
        detector, data_of(shards), in_parts(), lambda history: rows.append(len(history)), checkpoints
    )
    return detector, history, rows


@pytest.fixture(scope="module")
def uninterrupted(shards, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("whole") / "detector.safetensors"
    detector, history, _ = trained(shards)
    save_detector(path, detector)
    return path.read_bytes(), history


def asked_at(questions):
    """Like a SIGTERM before a given question: as frames are copied, after steps, between batches of the validation."""
    count = 0

    def asked():
        nonlocal count
        count += 1
        return signal.SIGTERM if count == questions else None

    return asked


@pytest.mark.parametrize("every", [1, 2, 3])
def test_stopped_again_and_again_it_ends_in_the_same_bytes(shards, uninterrupted, tmp_path, every, capsys):  # noqa: F811
    path, stops = tmp_path / "state.safetensors", 0
    while True:
        try:
            detector, history, rows = trained(
                shards, Checkpoints(path, "key", 3600, asked_at(every + 2)), 7 if stops else 1
            )
            break
        except Stopped as stopped:
            assert stopped.status == 143 and "by SIGTERM after step" in str(stopped)
            stops += 1
    assert stops >= 2
    save_detector(tmp_path / "detector.safetensors", detector)
    assert ((tmp_path / "detector.safetensors").read_bytes(), history) == uninterrupted
    assert rows[-1] == 3 and "going on after step" in capsys.readouterr().out


def test_a_kill_loses_what_was_done_since_the_last_checkpoint_and_no_more(shards, uninterrupted, tmp_path):  # noqa: F811
    class Killed(BaseException):
        pass

    path = tmp_path / "state.safetensors"

    def kill_at(questions):
        count = 0

        def asked():
            nonlocal count
            count += 1
            if count == questions:
                raise Killed
            return None

        return asked

    for questions in (2, 3, 3):
        with pytest.raises(Killed):
            trained(shards, Checkpoints(path, "key", 0, kill_at(questions)))
    detector, history, _ = trained(shards, Checkpoints(path, "key", 0, lambda: None))
    save_detector(tmp_path / "detector.safetensors", detector)
    assert ((tmp_path / "detector.safetensors").read_bytes(), history) == uninterrupted


def test_while_frames_are_copied_there_is_nothing_to_wait_for(shards, tmp_path):  # noqa: F811
    path = tmp_path / "state.safetensors"
    with pytest.raises(Stopped, match="after step 0 of epoch 1; run the same again"):
        trained(shards, Checkpoints(path, "key", 3600, asked_at(1)))
    assert not path.exists()


def test_a_damaged_or_foreign_checkpoint_is_said_and_left_alone(shards, uninterrupted, tmp_path, capsys):  # noqa: F811
    path = tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        trained(shards, Checkpoints(path, "key", 3600, asked_at(3)))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-5] ^= 1
    for damaged in (bytes(flipped), content[: len(content) // 2], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"state\.safetensors"):
            read_state(path, "key", "training")
    path.write_bytes(content)
    with pytest.raises(DataError, match="of another training"):
        read_state(path, "other key", "training")
    path.write_bytes(bytes(flipped))
    assert trained(shards, Checkpoints(path, "key", 3600, lambda: None))[1] == uninterrupted[1]
    said = capsys.readouterr().out
    assert said.count("the training starts anew") == 1 and "damaged" in said


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_training(shards, tmp_path, capsys):  # noqa: F811
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file" / "below" / "state", "key", 0, lambda: None)
    assert len(trained(shards, checkpoints)[1]) == 3
    assert "no checkpoint: " in capsys.readouterr().out


def test_a_disk_that_fails_costs_the_checkpoint_and_not_the_one_before(shards, tmp_path, capsys, monkeypatch):  # noqa: F811
    path = tmp_path / "state.safetensors"
    write_state(path, "other key", {}, {})
    before = path.read_bytes()

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    assert len(trained(shards, Checkpoints(path, "key", 0, lambda: None))[1]) == 3
    assert "no checkpoint: [Errno 5] Input/output error; the training goes on" in capsys.readouterr().out
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == [path.name]


def test_only_a_step_that_is_noted_or_has_not_ended_is_dropped(tmp_path):
    path, questions = tmp_path / "state.safetensors", iter([None, signal.SIGTERM] * 3)
    state = TrainingState([build_detector(CONFIG)], [], [], [])
    checkpoints = Checkpoints(path, "key", 0, lambda: next(questions, signal.SIGTERM))
    checkpoints.restore(state)
    checkpoints.within_step(state)
    with pytest.raises(Stopped, match=r"^by SIGTERM after step 0 of epoch 1; run the same again to go on from there$"):
        checkpoints.within_step(state)
    assert not path.exists(), "there is nothing to note"
    state.step = 1
    checkpoints.after_step(state)
    before = path.read_bytes()
    with pytest.raises(Stopped, match="after step 1 of epoch 1"):
        checkpoints.within_step(state)
    assert path.read_bytes() == before
    state.step = 2
    for _ in range(4):
        checkpoints.within_step(state)  # it waits for the end of the step, when this one can be noted
    with pytest.raises(Stopped, match="after step 2 of epoch 1"):
        checkpoints.after_step(state)
    assert read_state(path, "key", "training")[0]["step"] == 2


def test_what_checkpoints_cost_is_said(shards, tmp_path):  # noqa: F811
    checkpoints = Checkpoints(tmp_path / "state.safetensors", "key", 0, lambda: None)
    trained(shards, checkpoints)
    found = re.fullmatch(
        r"(\d+) checkpoints of ([\d.]+) MB took ([\d.]+) s, ([\d.]+) % of the training", checkpoints.cost()
    )
    size = (tmp_path / "state.safetensors").stat().st_size / 1e6
    assert found and int(found[1]) > 3 and float(found[2]) == round(size, 1) and 0 < float(found[4]) < 100
