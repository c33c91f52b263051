"""Every frame is in one micro-batch of one process, and its random numbers depend on that micro-batch alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.training.micro_batches import divide, of_rank

CPU = torch.device("cpu")
sizes = st.integers(1, 9)


@given(st.integers(0, 60), sizes, sizes)
def test_steps_and_micro_batches_hold_every_frame_once(frames, batch_size, micro_batch):
    steps = divide(range(frames), batch_size, micro_batch)
    flat = [each for step in steps for each in step]
    assert [frame for each in flat for frame in each.frames] == list(range(frames))
    assert [each.number for each in flat] == list(range(len(flat)))
    assert all(1 <= len(each.frames) <= micro_batch for each in flat)
    for step in steps:
        assert sum(each.weight for each in step) == pytest.approx(1)
        assert len({len(each.frames) / each.weight for each in step}) <= 2  # up to rounding


@given(st.integers(1, 60), sizes, sizes, st.integers(1, 6))
def test_the_processes_divide_a_step_among_them(frames, batch_size, micro_batch, size):
    for step in divide(range(frames), batch_size, micro_batch):
        by_rank = [of_rank(step, rank, size) for rank in range(size)]
        assert all(by_rank)
        weighted = [each for mine in by_rank for each in mine if each.weight > 0]
        assert sorted(weighted, key=lambda each: each.number) == step


def test_random_numbers_are_a_function_of_the_seed_and_the_number():
    (first, second), *_ = divide(range(8), 8, 4)

    def drawn(micro_batch, *seed):
        return torch.rand(4, generator=micro_batch.generator(CPU, *seed)).tolist()

    assert drawn(first, 1, 2) == drawn(first, 1, 2)
    others = [drawn(second, 1, 2), drawn(first, 2, 1), drawn(first, 1, 3), drawn(first, 1)]
    assert all(other != drawn(first, 1, 2) for other in others)
