"""Threads that score side by side, with one torch thread each.

Torch's own threads divide every small operation and wait for each other. Threads that work on different shards do not,
and no result depends on their number.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self, TypeVar

import torch

from lib.common.workers import keep_freed_memory

Item = TypeVar("Item")
Result = TypeVar("Result")


class Threads:
    """A pool of `count` threads; 1 is the calling thread itself (for CUDA, where the device works in parallel)."""

    def __init__(self, count: int) -> None:
        torch.set_num_threads(1)
        keep_freed_memory()
        self.count = count
        self._pool = ThreadPoolExecutor(count, "torch", torch.set_num_threads, (1,)) if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield function(item) in the items' order; little more than one item per thread is taken ahead."""
        if self._pool is None:
            yield from map(function, items)
            return
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(self._pool.submit(function, item))
            if len(ahead) > self.count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
