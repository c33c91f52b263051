import pytest

from lib.doctor.footprint import ADAM_BYTES_PER_PARAMETER, training_footprint
from lib.model.detector import build_detector
from tests.training.test_loop import CONFIG, recipe, shards  # noqa: F401


def test_memory_grows_with_the_micro_batch_and_time_is_measured(shards):  # noqa: F811
    small, large = (
        training_footprint(CONFIG, shards[0], recipe(batch_size=8, micro_batch=size), processes=1) for size in (2, 8)
    )
    fixed = ADAM_BYTES_PER_PARAMETER * sum(value.numel() for value in build_detector(CONFIG).parameters())
    assert large.memory_bytes - fixed == pytest.approx(4 * (small.memory_bytes - fixed), rel=0.05)
    assert small.memory_bytes > 2 * fixed and not small.measured_memory
    assert small.seconds_per_frame > 0


def test_processes_need_memory_each(shards):  # noqa: F811
    one, two = (
        training_footprint(CONFIG, shards[0], recipe(batch_size=4, micro_batch=2), processes) for processes in (1, 2)
    )
    assert two.memory_bytes == pytest.approx(2 * one.memory_bytes, rel=0.05)
