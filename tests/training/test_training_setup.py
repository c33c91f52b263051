"""What follows from the params: into how many parts a batch is divided, how large each variant is."""

import torch

from lib.model.detector import build_detector
from lib.shards.shard_reader import read_shard
from lib.training.training_setup import batch_parts, detector_config
from tests.all_params import all_params
from tests.shard_data import write_street_shards


def params(**changes):
    return all_params().train.model_copy(update=changes)


def test_a_batch_has_a_part_per_cpu_thread_and_is_whole_on_cuda():
    assert batch_parts(params(batch_size=8, cpu_threads=4), torch.device("cpu")) == 4
    assert batch_parts(params(batch_size=8, cpu_threads=4), torch.device("cuda")) == 1


def test_all_variants_have_the_same_number_of_parameters_within_a_tenth(tmp_path):
    write_street_shards(tmp_path, normality=1, static=0)
    shards = [read_shard(path) for path in tmp_path.glob("*.h5")]
    model = all_params().model
    sizes = []
    for fusion in ("image", "lidar", "concat", "cross_attention"):
        detector = build_detector(detector_config(model.model_copy(update={"fusion": fusion}), shards))
        sizes.append(sum(value.numel() for value in detector.parameters()))
    assert max(sizes) <= 1.1 * min(sizes)
