"""What follows from the params: how many processes train, how large each variant is."""

import pytest
import torch

from lib.model.detector import build_detector
from lib.shards.shard_reader import read_shard
from lib.training.training_setup import detector_config, process_count
from tests.all_params import all_params
from tests.shard_data import write_street_shards


def params(**changes):
    return all_params().train.model_copy(update=changes)


@pytest.mark.parametrize(
    ("batch_size", "micro_batch", "wanted", "processes"),
    [(8, 4, 0, 2), (8, 4, 1, 1), (8, 4, 5, 2), (6, 4, 2, 2), (8, 8, 0, 1)],
)
def test_there_are_no_more_processes_than_cores_and_micro_batches(
    monkeypatch, batch_size, micro_batch, wanted, processes
):
    monkeypatch.setattr("lib.training.training_setup.available_cores", lambda: 16)
    recipe = params(batch_size=batch_size, micro_batch=micro_batch)
    assert process_count(recipe, wanted, torch.device("cpu")) == processes
    monkeypatch.setattr("lib.training.training_setup.available_cores", lambda: 1)
    assert process_count(recipe, 0, torch.device("cpu")) == 1


def test_all_variants_have_the_same_number_of_parameters_within_a_tenth(tmp_path):
    write_street_shards(tmp_path, normality=1, static=0)
    shards = [read_shard(path) for path in tmp_path.glob("*.h5")]
    model = all_params().model
    sizes = []
    for fusion in ("image", "lidar", "concat", "cross_attention"):
        detector = build_detector(detector_config(model.model_copy(update={"fusion": fusion}), shards))
        sizes.append(sum(value.numel() for value in detector.parameters()))
    assert max(sizes) <= 1.1 * min(sizes)
