"""An evaluation that is killed behind any shard, in either pass, goes on there and ends in the same numbers."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.common.errors import DataError
from lib.evaluation import pooling
from lib.evaluation.counting import ScoreCounter
from lib.evaluation.evaluate_params import EvaluateParams
from lib.evaluation.levels import score_in_parts
from lib.evaluation.metrics_report import evaluate
from lib.evaluation.progress import EvaluationCheckpoint
from lib.evaluation.tallies import Tally
from lib.evaluation.trivial_baselines import with_baselines
from lib.geometry.frame import Anomaly
from lib.shards.shard_reader import read_shard
from tests.scored_sample import Ball, made_up_scores, made_up_validation, write_scenario

PARAMS = EvaluateParams(
    seed=1, min_anomaly_image_fraction=0.0012, min_anomaly_points=10, bootstrap_resamples=100, voxel_score="centerpoint"
)
SCENARIOS: list[tuple[list[Ball | None], Anomaly | None, str]] = [
    ([Ball(6, 0, 0.5), Ball(11, 1, 0.5), None], Anomaly("Small", kind="both"), "CLEAR_NOON"),
    ([None, None], None, ""),
    ([Ball(17, -2, 1.0), Ball(-9, 0, 1.0)], Anomaly("BIG", kind="geometry"), "HARD_RAIN_NIGHT"),
    ([None, None, None], None, "CLEAR_NOON"),
]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return [write_scenario(folder, f"Scenario_{i}", *scenario) for i, scenario in enumerate(SCENARIOS)]


class Killed(BaseException):
    pass


class Run:
    """An evaluation that dies when it begins to read its shard number `life`; names of the shards that it has read."""

    def __init__(self, paths, life=99):
        self.paths, self.life, self.read = paths, life, []

    def scores(self, path):
        if len(self.read) == self.life:
            raise Killed
        self.read.append(path.stem[-1])
        shard = read_shard(path)
        for part in score_in_parts(shard, made_up_scores(path), PARAMS):
            yield with_baselines(shard, part, PARAMS)

    def report(self, notes=None):
        shards = [partial(self.scores, path) for path in self.paths]
        return asdict(evaluate(shards, PARAMS, made_up_validation(), notes))


class Noted:
    """Makes the notes of a run; what they say is in `said`."""

    def __init__(self, path: Path):
        self.path = path
        self.said: list[str] = []

    def __call__(self, every_s=0.0, key="key"):
        return EvaluationCheckpoint(self.path, key, every_s, self.said.append)


@pytest.fixture
def noted(tmp_path):
    return Noted(tmp_path / "state.safetensors")


@pytest.mark.parametrize("kept_bytes", [0, pooling.KEPT_BYTES])
def test_killed_behind_any_shard_it_goes_on_there_to_the_same_numbers(paths, noted, monkeypatch, kept_bytes):
    monkeypatch.setattr(pooling, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr("lib.evaluation.levels.FRAMES_AT_ONCE", 2)
    whole = Run(paths)
    expected = whole.report()
    assert "".join(whole.read) == ("0123" if kept_bytes else "01230123")
    for life in range(len(whole.read)):
        noted.path.unlink(missing_ok=True)
        noted.said.clear()
        first, second = Run(paths, life), Run(paths)
        with pytest.raises(Killed):
            first.report(noted())
        assert second.report(noted()) == expected, life
        assert "".join([*first.read, *second.read]) == "01230123"[: 8 if life else len(whole.read)]
        where = f"shard {(life - 1) % 4 + 1} of 4, {'first' if life <= 4 else 'second'} pass"
        assert noted.said == ([f"going on after {where}, noted in {noted.path}"] if life else [])


def test_it_can_be_killed_again_and_again(paths, noted, monkeypatch):
    monkeypatch.setattr(pooling, "KEPT_BYTES", 0)
    expected = Run(paths).report()
    for _ in range(7):
        with pytest.raises(Killed):
            Run(paths, life=1).report(noted())
    last = Run(paths)
    assert last.report(noted()) == expected and last.read == ["3"]


def test_nothing_is_noted_before_it_is_time(paths, noted):
    Run(paths).report(noted(every_s=60.0))
    assert not noted.path.exists()


def test_damaged_notes_are_said_and_left_alone(paths, noted):
    with pytest.raises(Killed):
        Run(paths, life=2).report(noted())
    whole, expected = noted.path.read_bytes(), Run(paths).report()
    for content in (whole[:-9], b"", whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
        noted.path.write_bytes(content)
        assert Run(paths).report(noted()) == expected
        assert "state.safetensors: damaged (" in noted.said[-1]
        assert noted.said[-1].endswith("; the evaluation starts anew")


def test_notes_of_another_evaluation_are_not_taken(paths, noted):
    with pytest.raises(Killed):
        Run(paths, life=2).report(noted())
    assert noted(key="other").found() is None and "of another evaluation" in noted.said[-1]


def test_a_full_disk_costs_the_notes_alone(paths, noted, monkeypatch):
    def full(*_):
        raise DataError("state: no room")

    monkeypatch.setattr("lib.evaluation.progress.write_state", full)
    assert Run(paths).report(noted()) == Run(paths).report()
    assert "nothing noted: state: no room; the evaluation goes on" in noted.said


def test_a_state_comes_back_as_it_was(noted):
    state: dict[str, Any] = {
        "a": np.arange(3.0, dtype=np.float32),
        "b": [{"c": np.zeros((0, 5), dtype=np.int64)}, "name", None, 0.1, float("inf")],
        "d": {"e": True},
    }
    noted().after_shard(lambda: state)
    found = noted().found()
    assert found["b"][1:] == state["b"][1:] and found["d"] == state["d"]
    for one, other in ((found["a"], state["a"]), (found["b"][0]["c"], state["b"][0]["c"])):
        assert one.dtype == other.dtype and one.shape == other.shape and one.flags.writeable
        np.testing.assert_array_equal(one, other)


def test_a_tally_of_nothing_yet_can_be_noted():
    nothing = Tally(columns=2)
    assert nothing.finish().counts.shape == (0, 2)
    later = Tally(columns=2, before=nothing.state())
    assert later.finish().counts.shape == (0, 2)
    later.add(np.ones(3, dtype=np.float32), 1)
    assert later.finish().values.dtype == np.float32 and later.finish().counts.tolist() == [[0, 3]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tally_that_went_on_counts_like_one_counter(dtype):
    """Beyond the limit, too, where bits fall: here none in the first part, and some in both together."""
    limit = 1 << 13
    scores = np.random.default_rng(1).normal(size=20_000).astype(dtype)
    counter, first = ScoreCounter(limit=limit), Tally(limit=limit)
    counter.add(scores)
    first.add(scores[:5000])
    second = Tally(limit=limit, before=first.state())
    second.add(scores[5000:])
    for tally in (second, Tally(limit=limit, before=second.state())):
        found, expected = tally.finish(), counter.finish()
        assert found.dropped_bits == expected.dropped_bits > 0 == first.finish().dropped_bits
        assert found.values.dtype == expected.values.dtype == dtype
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.counts, expected.counts)
