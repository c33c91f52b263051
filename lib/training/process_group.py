"""Processes that train together: started here, by torchrun, or by SLURM's srun."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import RLock
from typing import Final, TypeVar

import torch
from torch import Tensor, distributed
from tqdm import tqdm

from lib.common.errors import Stopped, TrainingError
from lib.common.stopping import SIGNALS
from lib.common.terminal import guard_output
from lib.common.workers import end_with_parent, keep_freed_memory

Value = TypeVar("Value")

PATIENCE_S: Final = 5.0
SLURM_PORTS: Final = range(20_000, 40_000)
SPAWN: Final = get_context("spawn")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, seen from one of them. Each of the `size` processes has a rank; the main one has 0.

    `local_rank`: the rank among the processes on this machine, which says which GPU to use.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def add_(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all processes."""
        if self.size > 1:
            distributed.all_reduce(tensor)

    def any(self, here: bool) -> bool:
        """Whether it is true in any process."""
        if self.size == 1:
            return here
        count = torch.tensor(float(here))
        distributed.all_reduce(count)
        return count.item() > 0

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank. They are pickled."""
        if self.size == 1:
            return [value]
        values: list[Value] = [value] * self.size
        distributed.all_gather_object(values, value)
        return values

    def from_main(self, value: Value) -> Value:
        """Return the main process's value. It is pickled."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]


def run_in_processes(work: Callable[[ProcessGroup], Value], processes: int) -> Value:
    """Call `work` in several processes that form a group, and return the result of this one, which is the main one.

    `work` is pickled. Under torchrun or srun the processes are there already: each of them calls this function, and
    `processes` is not used. Each process computes on one CPU thread, so that the number of processes changes no result.
    The other processes leave signals to this one and end with it. Raises the first error of any process, and
    TrainingError when a process dies.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    launched = launched_group(os.environ)
    if launched is not None:
        with _joined(launched, "env://"):
            return work(launched)
    if processes == 1:
        return work(ProcessGroup())
    with tempfile.TemporaryDirectory(prefix="anovox-fusion-") as folder:
        meeting = (Path(folder) / "rendezvous").as_uri()
        groups = [ProcessGroup(rank, processes, rank) for rank in range(processes)]
        workers = [_Worker(work, group, meeting) for group in groups[1:]]
        try:
            for worker in workers:
                worker.wait_until_ready()
            with _joined(groups[0], meeting):
                return work(groups[0])
        except RuntimeError:  # of a connection, when another process has ended
            for worker in workers:
                worker.raise_error()
            raise
        finally:
            for worker in workers:
                worker.end()


def launched_group(environment: Mapping[str, str]) -> ProcessGroup | None:
    """Return the group that torchrun or srun has started this process in; None where neither has.

    For srun, sets what torch.distributed wants to know of the main process: MASTER_ADDR and MASTER_PORT.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        rank, size, local_rank = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return ProcessGroup(rank, size, local_rank)
    size = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))  # not set in a batch script outside srun
    if size == 1:
        return None
    if "MASTER_ADDR" not in environment:
        command = ["scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"]]
        hosts = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
        os.environ["MASTER_ADDR"] = hosts[0]
        job = int(environment["SLURM_JOB_ID"])
        os.environ["MASTER_PORT"] = str(SLURM_PORTS[job % len(SLURM_PORTS)])
    return ProcessGroup(int(environment["SLURM_PROCID"]), size, int(environment["SLURM_LOCALID"]))


@contextmanager
def _joined(group: ProcessGroup, meeting: str) -> Iterator[None]:
    """Be a member of torch.distributed's group: gloo for tensors on the CPU, NCCL for those on GPUs."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if group.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(group.local_rank)
    distributed.init_process_group(backend, init_method=meeting, rank=group.rank, world_size=group.size)
    try:
        yield
    finally:
        distributed.destroy_process_group()


class _Worker:
    """A process of a group that this process has started."""

    def __init__(self, work: Callable[[ProcessGroup], object], group: ProcessGroup, meeting: str) -> None:
        self._connection, theirs = SPAWN.Pipe()
        self._process: BaseProcess = SPAWN.Process(target=_run, args=(work, group, meeting, theirs), daemon=True)
        # Would start within the process's start otherwise, and let the signals through again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._process.start()  # with these signals blocked from the beginning
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def wait_until_ready(self) -> None:
        """Wait for the start, which takes seconds; raises TrainingError when the process has died."""
        try:
            self._connection.recv()
        except (EOFError, OSError):
            raise _died() from None

    def raise_error(self) -> None:
        """Raise the process's error, or TrainingError if it has died without one; return if it goes on."""
        if not self._connection.poll(PATIENCE_S):
            return
        try:
            error: Exception = self._connection.recv()
        except (EOFError, OSError):
            error = _died()
        raise error from None

    def end(self) -> None:
        """End the process: it has nothing to finish."""
        self._connection.close()
        self._process.kill()
        self._process.join()


def _run(work: Callable[[ProcessGroup], object], group: ProcessGroup, meeting: str, connection: Connection) -> None:
    """What a started process does."""
    guard_output()
    end_with_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    tqdm.set_lock(RLock())  # its own is shared by processes, and would be left behind when this one is killed
    connection.send("ready")
    try:
        with _joined(group, meeting):
            work(group)
    except Stopped:  # as the main process is
        pass
    except Exception as error:  # for the main process to raise
        connection.send(error)
        sys.exit(1)


def _died() -> TrainingError:
    return TrainingError(
        "a process of the training has died, perhaps for memory; lower train.batch_size, train.micro_batch or "
        "execution.processes, and run again: the training goes on from its last checkpoint"
    )
