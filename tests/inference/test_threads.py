"""Threads keep the order, hand on errors, and leave each result alone."""

import threading
import time
from collections.abc import Generator

import pytest
import torch

from lib.inference.threads import Threads


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(count):
    def slow_at_first(item):
        time.sleep(0.02 if item == 0 else 0.0)
        return item * item

    with Threads(count) as threads:
        assert list(threads.map(slow_at_first, range(20))) == [item * item for item in range(20)]


def test_items_are_worked_on_at_the_same_time_on_one_torch_thread_each():
    meet = threading.Barrier(2, timeout=10)

    def both(item):
        meet.wait()
        return torch.get_num_threads()

    with Threads(2) as threads:
        assert list(threads.map(both, range(4))) == [1] * 4


def test_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(50):
            taken.append(item)
            yield item

    with Threads(2) as threads:
        results = threads.map(lambda item: item, items())
        assert isinstance(results, Generator)
        next(results)
        assert len(taken) <= 4
        results.close()


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_in_a_thread_reaches_the_caller(count):
    with Threads(count) as threads, pytest.raises(ZeroDivisionError):
        list(threads.map(lambda item: 1 / item, [1, 0, 2]))
