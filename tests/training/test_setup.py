"""What follows from the params alone: into how many parts a batch is divided."""

import pytest
import torch

from lib.errors import ParamsError
from lib.params import load_params
from lib.training.setup import batch_parts


def params(**changes):
    return load_params().train.model_copy(update=changes)


def test_a_batch_has_a_part_per_cpu_thread_and_is_whole_on_cuda():
    assert batch_parts(params(batch_size=8, cpu_threads=4), torch.device("cpu")) == 4
    assert batch_parts(params(batch_size=8, cpu_threads=4), torch.device("cuda")) == 1


def test_parts_that_cannot_be_equal_are_an_error():
    with pytest.raises(ParamsError, match=r"train\.cpu_threads: got 3, which does not divide train\.batch_size=8"):
        batch_parts(params(batch_size=8, cpu_threads=3), torch.device("cpu"))
