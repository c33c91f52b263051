"""Splits by scenario: complete, stable, and never an anomaly in training."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.common.errors import DataError
from lib.geometry.frame import ScenarioType
from lib.shards.index import ShardEntry
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import write_shard
from lib.shards.split import assign_splits, trainable_frames, training_frames
from lib.shards.split_params import SplitParams
from tests.shards.test_shards import frame


def entry(name, kind=ScenarioType.NORMALITY, anomalous=0):
    counts = 10, anomalous, 0 if anomalous else 10
    return ShardEntry(f"Scenario_{name}", kind, f"Scenario_{name}.h5", *counts, 8, 12, 64, 16, "Town01", "")


def params(train_on="normality", validation=0.2, test=0.25, seed=1):
    return SplitParams(seed=seed, train_on=train_on, validation_fraction=validation, test_fraction=test)


def entries(normality, static=0):
    normal = [entry(f"n{i:04}") for i in range(normality)]
    return normal + [entry(f"s{i:04}", ScenarioType.STATIC, 7) for i in range(static)]


fractions = st.tuples(st.floats(0, 0.49), st.floats(0, 0.49))


@given(st.integers(1, 40), st.integers(0, 10), fractions, st.integers(0, 99), st.randoms())
def test_every_scenario_has_one_split(normality, static, shares, seed, random):
    given_entries = entries(normality, static)
    options = params(validation=shares[0], test=shares[1], seed=seed)
    splits = assign_splits(given_entries, options)
    assert set(splits) == {e.scenario for e in given_entries}
    assert all(splits[e.scenario] == "test" for e in given_entries if e.type is ScenarioType.STATIC)
    normal: list[str] = [splits[e.scenario] for e in given_entries if e.type is ScenarioType.NORMALITY]
    assert normal.count("train") >= 1
    if normality >= 3:
        for name, share in zip(("validation", "test"), shares, strict=True):
            assert abs(normal.count(name) - share * normality) <= 1
            assert (normal.count(name) > 0) == (share > 0)
    shuffled = random.sample(given_entries, len(given_entries))
    assert assign_splits(shuffled, options) == splits


@given(st.integers(3, 60), st.integers(0, 99))
def test_one_more_scenario_moves_few(normality, seed):
    before = assign_splits(entries(normality), params(seed=seed))
    after = assign_splits([*entries(normality), entry("new")], params(seed=seed))
    assert sum(before[name] != after[name] for name in before) <= 2


def test_another_seed_divides_otherwise():
    assert assign_splits(entries(40), params(seed=1)) != assign_splits(entries(40), params(seed=2))


@pytest.mark.parametrize(
    ("train_on", "count", "splits"),
    [
        ("normality", 1, ["train"]),
        ("normality", 2, ["train", "validation"]),
        ("normality", 3, ["test", "train", "validation"]),
        ("anomaly_free", 2, ["test", "train"]),
        ("anomaly_free", 3, ["test", "train", "validation"]),
    ],
)
def test_few_scenarios(train_on, count, splits):
    assert sorted(assign_splits(entries(count), params(train_on)).values()) == splits


def test_anomaly_free_divides_anomaly_scenarios():
    splits = assign_splits(entries(0, 22), params("anomaly_free"))
    assert sorted(set(splits.values())) == ["test", "train", "validation"]
    assert list(splits.values()).count("test") == 6


def test_nothing_to_train_on_names_both_keys():
    with pytest.raises(DataError, match=r"data\.root hold no normality scenario.*split\.train_on=anomaly_free"):
        assign_splits(entries(0, 5), params())
    crowded = [replace(e, frames_with_anomaly=10) for e in entries(0, 5)]
    with pytest.raises(
        DataError, match=r"no frame without an anomaly, and split\.train_on is anomaly_free.*data\.root"
    ):
        assign_splits(crowded, params("anomaly_free"))


@pytest.mark.parametrize("kind", [ScenarioType.NORMALITY, ScenarioType.STATIC])
def test_training_frames(tmp_path, kind):
    anomaly = np.full((8, 12), 1, dtype=np.uint8)
    anomaly[2, 2] = 33
    made = [frame(i, scenario_type=kind) for i in range(4)]
    if kind is ScenarioType.STATIC:
        made[2] = replace(made[2], pixel_class=anomaly)
        made[3] = replace(made[3], point_class=np.full(20, 100, dtype=np.uint8))
    write_shard(tmp_path / "a.h5", made, 64)
    shard = read_shard(tmp_path / "a.h5")
    normal = kind is ScenarioType.NORMALITY
    assert training_frames(shard, params()).tolist() == ([0, 1, 2, 3] if normal else [])
    assert training_frames(shard, params("anomaly_free")).tolist() == ([0, 1, 2, 3] if normal else [0, 1])


@pytest.mark.parametrize("kind", [ScenarioType.NORMALITY, ScenarioType.DYNAMIC, ScenarioType.STATIC])
@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_of_a_dynamic_drive_only_what_comes_before_the_onset_trains(kind, tmp_path_factory, anomalous):
    """And the index knows how many frames that are, before any shard is opened."""
    path = tmp_path_factory.mktemp("drive") / "a.h5"
    braking = np.full(20, 100, dtype=np.uint8)
    made = [frame(i + 1, scenario_type=kind) for i in range(len(anomalous))]
    made = [replace(f, point_class=braking) if bad else f for f, bad in zip(made, anomalous, strict=True)]
    written = write_shard(path, made, 64)
    shard = read_shard(path)
    chosen = training_frames(shard, params("anomaly_free")).tolist()
    first = anomalous.index(True) if any(anomalous) else len(anomalous)
    normal = [i for i, bad in enumerate(anomalous) if not bad]
    assert chosen == (list(range(first)) if written.type is ScenarioType.DYNAMIC else normal)
    assert trainable_frames(written, params("anomaly_free")) == len(chosen) and written.frames_before_anomaly == first
    assert (written.type is ScenarioType.NORMALITY) == (kind is ScenarioType.NORMALITY and not any(anomalous))


@given(st.integers(1, 12), st.integers(0, 4), st.integers(1, 4), st.integers(0, 99))
def test_the_cameras_of_a_scenario_go_together(normality, static, cameras, seed):
    """Splits are by scenario: with a shard per camera they are the same as with one shard."""
    whole = entries(normality, static)
    shards = [replace(e, file=f"{e.scenario}_{n}.h5", camera=f"camera{n}") for e in whole for n in range(cameras)]
    for train_on in ("normality", "anomaly_free"):
        options = params(train_on, seed=seed)
        assert assign_splits(shards, options) == assign_splits(whole, options)
