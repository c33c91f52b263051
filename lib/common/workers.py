"""Many tasks, several processes: started, watched and ended together."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any, Final, TypeVar

from tqdm import tqdm

from lib.common.errors import DataError
from lib.common.terminal import guard_output

Task = TypeVar("Task")
Result = TypeVar("Result")

_MALLOC: Final = {-1: 256 << 20, -3: 32 << 20, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
_THREAD_SETTINGS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def processes(wanted: int, tasks: int) -> Iterator[Executor]:
    """As many processes as `wanted` (0 = one per core) and `tasks` allow, each computing on one thread.

    They end with this process, even when it is killed, and at once on Ctrl-C.
    """
    number = _number(wanted, tasks)
    with _one_thread_each(), ProcessPoolExecutor(number, get_context("spawn"), _begin_worker) as pool:
        yield pool


@contextmanager
def processes_or_here(wanted: int, tasks: int) -> Iterator[Executor]:
    """As `processes`, but a single worker is this process itself, which starts at once.

    Not a thread of it: a signal interrupts work in the main thread alone.
    """
    single = _number(wanted, tasks) == 1
    if single:
        keep_freed_memory()
    with _Here() if single else processes(wanted, tasks) as pool:
        yield pool


class _Here(Executor):
    """Does each task as it is submitted."""

    def submit(self, function: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """The future, which is over."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def run_tasks(
    pool: Executor,
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    title: str,
    unit: str,
    report: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Results in the order of the tasks, with a progress bar; `report` gets each one as soon as it is there.

    Raises the first error of a task, and DataError when a process died; then the pool drops and takes no more tasks.
    """
    futures: list[Future[Result]] = []

    def submitted() -> Iterator[Future[Result]]:
        for task in tasks:
            futures.append(pool.submit(function, task))
            yield futures[-1]

    try:
        over = submitted() if isinstance(pool, _Here) else as_completed(list(submitted()))
        for future in tqdm(over, total=len(tasks), desc=title, unit=unit, mininterval=0.5):
            result = future.result()
            if report is not None:
                report(result)
    except BrokenProcessPool:
        raise DataError(
            "a worker process died, perhaps for memory; try a lower execution.workers (for a tool: --workers)"
        ) from None
    except Exception:
        pool.shutdown(cancel_futures=True)  # what runs still writes: it ends before its folder is removed
        raise
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.kill()
        raise
    return [future.result() for future in futures]


def keep_freed_memory() -> None:
    """Let this process use memory that it has freed again, instead of giving it back to the system and asking anew.

    Page by page that takes longer than computing with arrays of a few MB. Only the GNU C library can be told so.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for setting, value in _MALLOC.items():
            mallopt(setting, value)


def end_with_parent() -> None:
    """Let this worker process end when the process that started it ends, even when that one is killed."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _number(wanted: int, tasks: int) -> int:
    return max(1, min(wanted or available_cores(), tasks))


def _begin_worker() -> None:
    """In a worker: end at once on SIGTERM and Ctrl-C, without a traceback, and never outlive the parent."""
    guard_output()
    keep_freed_memory()
    signal.signal(signal.SIGTERM, _leave)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup and scripts in the background set it
        signal.signal(signal.SIGINT, _leave)
    end_with_parent()


def _leave(*_: object) -> None:
    time.sleep(0.2)  # so that the parent, too, has met the signal, and does not take this for a worker that died
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute on one thread: faster in number, and no result depends on a thread pool."""
    before = {name: os.environ.get(name) for name in _THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
