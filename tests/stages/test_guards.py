"""Guards at the stages themselves: preprocess, train and predict refuse what would fool, and write nothing."""

import dataclasses
import json

import numpy as np
import pytest

from lib.geometry.frame import ScenarioType
from lib.shards.index import read_index, write_index
from lib.shards.shard_reader import read_shard
from lib.shards.shard_writer import padded_length, write_shard
from tests.anovox_sample import MONO_NORMALITY, golden_copy
from tests.shard_data import shard_entry, street_frame, write_street_shards
from tests.stages.test_train_predict import assert_one_sentence, run, set_params

ROAD, ANOMALY = 1, 100


def label_all_points(folder, class_id, but=None):
    """Give every labelled point one class, in all scenarios `but` one."""
    for path in folder.rglob("SEMANTIC-LIDAR*/*.npy"):
        if path.parents[1].name != but:
            rows = np.load(path)
            rows[:, 3] = class_id
            np.save(path, rows)


@pytest.mark.parametrize(
    ("class_id", "but", "words"),
    [
        (ROAD, None, ("all labelled points are 'road'", "SEMANTIC-LIDAR")),
        (ANOMALY, MONO_NORMALITY.name, ("is labelled as an anomaly nearly everywhere", "the folder's name")),
    ],
)
def test_preprocess_refuses_labels_that_say_nothing(tmp_path, class_id, but, words):
    label_all_points(golden_copy(tmp_path / "data" / "sample"), class_id, but)
    set_params(tmp_path, execution={"workers": 1})
    assert_one_sentence(run(tmp_path, "preprocess"), *words)
    assert not (tmp_path / "data" / "shards").exists() and not (tmp_path / "metrics" / "data.json").exists()


def test_mirrored_clouds_stop_preprocess_unless_trusted(tmp_path):
    data = golden_copy(tmp_path / "data" / "sample")
    for path in [*data.rglob("LIDAR*/*.npy"), *data.rglob("SEMANTIC-LIDAR*/*.npy")]:
        cloud = np.load(path)
        np.save(path, cloud * np.array([1, -1, 1, 1], dtype=cloud.dtype))
    set_params(tmp_path, execution={"workers": 1})
    words = "the clouds are mirrored", "negate y", "`preprocess.trust_labels: true` ignores these checks"
    assert_one_sentence(run(tmp_path, "preprocess"), *words)
    assert not (tmp_path / "data" / "shards").exists() and not (tmp_path / "metrics" / "labels.json").exists()
    set_params(tmp_path, preprocess={"trust_labels": True}, execution={"workers": 1})
    trusted = run(tmp_path, "preprocess")
    assert trusted.returncode == 0 and "labels, ignored by preprocess.trust_labels: in Scenario_" in trusted.stdout
    labels = json.loads((tmp_path / "metrics" / "labels.json").read_text())
    assert labels["trust_labels"] is True and labels["objections"] >= 1 and labels["class_agreement"] < 0.9


def test_agreements_are_metrics_of_preprocess(tmp_path):
    golden_copy(tmp_path / "data" / "sample")
    set_params(tmp_path, execution={"workers": 1})
    assert run(tmp_path, "preprocess").returncode == 0
    labels = json.loads((tmp_path / "metrics" / "labels.json").read_text())
    agreements = [labels.pop(f"{of}_agreement") for of in ("depth", "class", "voxel", "image")]
    assert min(agreements[:3]) > 0.98 and agreements[3] > 0.1
    assert labels == {"objections": 0, "trust_labels": False}


def test_train_refuses_a_frame_that_is_also_tested(tmp_path):
    shards = tmp_path / "data" / "shards"
    write_street_shards(shards)
    set_params(tmp_path)
    entries = read_index(shards)
    tested = next(entry for entry in entries if entry.type is ScenarioType.STATIC)
    copies = [
        street_frame(entry.scenario, 996, entry.type, False, 10 * int(entry.scenario.removeprefix("Scenario_")))
        for entry in entries
        if entry.type is ScenarioType.NORMALITY
    ]
    own = [street_frame(tested.scenario, 2000 + i, tested.type, True, 70 + i) for i in range(len(copies))]
    frames = [dataclasses.replace(frame, image=copy.image) for frame, copy in zip(own, copies, strict=True)]
    write_shard(shards / tested.file, frames, padded_length(len(own[0].points)))
    write_index(shards, [shard_entry(read_shard(shards / entry.file)) for entry in entries])
    assert_one_sentence(run(tmp_path, "train"), tested.scenario, "is byte for byte frame 996 of Scenario_")
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").glob("*.safetensors"))


def test_predict_refuses_a_model_that_trained_on_the_test_scenarios(tmp_path):
    """As left by an earlier split: predict runs again, and the model is the old one."""
    write_street_shards(tmp_path / "data" / "shards", normality=6)
    set_params(tmp_path, train={"epochs": 1, "batch_size": 2})
    assert run(tmp_path, "train").returncode == 0
    set_params(tmp_path, split={"validation_fraction": 0.25, "test_fraction": 0.5})
    assert_one_sentence(
        run(tmp_path, "predict"), "weights.safetensors", "was trained on Scenario_", "now uses for testing"
    )
    assert not (tmp_path / "data" / "predictions").exists()
