"""A training that is interrupted anywhere ends as one that never was."""

import errno
import re
import signal
import zipfile

import pytest
import torch

from lib.common.errors import Stopped
from lib.model.detector import build_detector
from lib.model.model_file import save_detector
from lib.training.checkpoints import Checkpoints
from lib.training.loop import train_detector
from tests.training.test_loop import CONFIG, data_of, recipe, shards  # noqa: F401


def trained(shards, checkpoints=None, seed=1):  # noqa: F811
    torch.manual_seed(seed)
    detector, rows = build_detector(CONFIG), []
    wanted = recipe(batch_size=3, micro_batch=2, epochs=3)
    history = train_detector(detector, data_of(shards), wanted, lambda history: rows.append(len(history)), checkpoints)
    return detector, history, rows


@pytest.fixture(scope="module")
def uninterrupted(shards, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("whole") / "detector.safetensors"
    detector, history, _ = trained(shards)
    save_detector(path, detector)
    return path.read_bytes(), history


def asked_at(questions):
    """Like a SIGTERM before a given question: before a step, or before a micro-batch of the validation."""
    count = 0

    def asked():
        nonlocal count
        count += 1
        return signal.SIGTERM if count == questions else None

    return asked


@pytest.mark.parametrize("every", [1, 2, 3])
def test_stopped_again_and_again_it_ends_in_the_same_bytes(shards, uninterrupted, tmp_path, every, capsys):  # noqa: F811
    path, stops = tmp_path / "checkpoint.pt", 0
    while True:
        try:
            detector, history, rows = trained(shards, Checkpoints(path, 3600, asked_at(every + 1)), 7 if stops else 1)
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

    path = tmp_path / "checkpoint.pt"

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
            trained(shards, Checkpoints(path, 0, kill_at(questions)))
    detector, history, _ = trained(shards, Checkpoints(path, 0, lambda: None))
    save_detector(tmp_path / "detector.safetensors", detector)
    assert ((tmp_path / "detector.safetensors").read_bytes(), history) == uninterrupted


def test_a_checkpoint_is_a_plain_dictionary(shards, tmp_path):  # noqa: F811
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Stopped):
        trained(shards, Checkpoints(path, 3600, asked_at(3)))
    saved = torch.load(path, weights_only=True)
    assert set(saved) == {"epoch", "step", "detector", "optimizers", "schedules", "losses", "history"}
    assert (saved["epoch"], saved["step"], len(saved["losses"])) == (1, 2, 2)


def test_a_damaged_checkpoint_is_reported_and_the_training_starts_anew(shards, uninterrupted, tmp_path, capsys):  # noqa: F811
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Stopped):
        trained(shards, Checkpoints(path, 3600, asked_at(3)))
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        largest = max(file.infolist(), key=lambda entry: entry.file_size)
    flipped = bytearray(content)
    flipped[largest.header_offset + len(largest.filename) + 200] ^= 1
    for damaged in (bytes(flipped), content[: len(content) // 2], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        assert trained(shards, Checkpoints(path, 3600, lambda: None))[1] == uninterrupted[1]
        said = capsys.readouterr().out
        assert said.count("checkpoint.pt: damaged (") == 1 and "the training starts anew" in said


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_training(shards, tmp_path, capsys):  # noqa: F811
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file" / "below" / "checkpoint.pt", 0, lambda: None)
    assert len(trained(shards, checkpoints)[1]) == 3
    assert "no checkpoint: " in capsys.readouterr().out


def test_a_disk_that_fails_costs_the_checkpoint_and_not_the_one_before(shards, tmp_path, capsys, monkeypatch):  # noqa: F811
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Stopped):
        trained(shards, Checkpoints(path, 3600, asked_at(1)))
    before = path.read_bytes()

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    assert len(trained(shards, Checkpoints(path, 0, lambda: None))[1]) == 3
    assert "no checkpoint: [Errno 5] Input/output error; the training goes on" in capsys.readouterr().out
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_checkpoints_cost_is_said(shards, tmp_path):  # noqa: F811
    checkpoints = Checkpoints(tmp_path / "checkpoint.pt", 0, lambda: None)
    trained(shards, checkpoints)
    found = re.fullmatch(
        r"(\d+) checkpoints of ([\d.]+) MB took ([\d.]+) s, ([\d.]+) % of the training", checkpoints.cost()
    )
    size = (tmp_path / "checkpoint.pt").stat().st_size / 1e6
    assert found and int(found[1]) > 3 and float(found[2]) == round(size, 1) and 0 < float(found[4]) < 100
