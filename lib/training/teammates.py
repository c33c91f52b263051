"""Processes that work on their parts of each batch beside this one, in memory that all of them share.

Threads of one process wait for Python's lock between the many small operations of a step; processes do not. What they
compute is the same to the bit.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

import torch
from torch import Tensor

from lib.common.errors import TrainingError
from lib.common.stopping import SIGNALS, Meanwhile, no_question
from lib.common.terminal import guard_output
from lib.common.workers import keep_freed_memory
from lib.model.detector import Detector, DetectorConfig, build_detector
from lib.views.frame_batch import FrameBatch

Part = tuple[Detector, FrameBatch, torch.Generator]
Gradients = tuple[Tensor, tuple[Tensor, ...]]
Work = Callable[[Part], Gradients]
"""Loss of a part of a batch, and its gradient with respect to the detector's parameters."""

ALIGNMENT: Final = 64
PATIENCE_S: Final = 0.1
SPAWN: Final = get_context("spawn")


class SharedTensors:
    """Unset tensors, of the layouts of others, that a process which is given this sees as well."""

    def __init__(self, like: Sequence[Tensor]) -> None:
        self._layouts = [(tensor.dtype, tuple(tensor.shape), tensor.stride()) for tensor in like]
        sizes = [_aligned(prod(shape) * dtype.itemsize) for dtype, shape, _ in self._layouts]
        self._starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self._memory = _shared_memory(sum(sizes) + ALIGNMENT)
        self._first = -torch.frombuffer(self._memory, dtype=torch.uint8).data_ptr() % ALIGNMENT

    def tensors(self) -> list[Tensor]:
        """Return the tensors, in this process."""
        memory = torch.frombuffer(self._memory, dtype=torch.uint8)[self._first :]
        return [
            memory[start : start + prod(shape) * dtype.itemsize].view(dtype).as_strided(shape, stride)
            for start, (dtype, shape, stride) in zip(self._starts, self._layouts, strict=True)
        ]


@dataclass(frozen=True)
class _Desk:
    """What a process shares with the one that asks it: the model, what it is given, and what it gives back."""

    config: DetectorConfig
    parameters: SharedTensors
    buffers: SharedTensors
    batch: SharedTensors
    generator: SharedTensors
    gradients: SharedTensors


class _Teammate:
    """One process, and this one's side of its desk."""

    def __init__(self, work: Work, desk: _Desk) -> None:
        self._batch, [self._generator] = desk.batch.tensors(), desk.generator.tensors()
        self._gradients = tuple(desk.gradients.tensors())
        self._connection, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work_when_asked, args=(work, desk, theirs), daemon=True)
        # It would start within the process's start, and let the signals through again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._process.start()  # with these signals blocked from its first moment on
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def ask(self, part: Part) -> None:
        """Hand over a part of a batch."""
        _, batch, generator = part
        frames = len(batch.num_points_B)
        for target, source in zip(self._batch, batch.tensors(), strict=True):
            target[:frames].copy_(source)
        self._generator.copy_(generator.get_state())
        try:
            self._connection.send(frames)
        except OSError:
            raise _gone() from None

    def answer(self, part: Part, poll: Meanwhile = no_question) -> Gradients:
        """Wait for what it made of the part; the gradients are valid until it is asked again."""
        while not self._connection.poll(PATIENCE_S):
            poll()
        try:
            loss = self._connection.recv()
        except (EOFError, OSError):
            raise _gone() from None
        if isinstance(loss, Exception):
            raise loss
        part[2].set_state(self._generator)
        return torch.tensor(loss), self._gradients

    def leave(self) -> None:
        """End the process: it has nothing to finish."""
        self._connection.close()
        self._process.kill()
        self._process.join()


class Teammates:
    """A process for each twin of a detector but the first, which this process works with.

    The parameters, and each twin's batch statistics, move to memory that all share. Whatever becomes of this process,
    the others end with it; SIGTERM and Ctrl-C are left to it.
    """

    def __init__(
        self,
        work: Work,
        twins: Sequence[Detector],
        largest_part: FrameBatch,
        poll: Meanwhile = no_question,
    ) -> None:
        """`largest_part`: a batch, perhaps without memory, of as many frames as a part has at most.

        `meanwhile` is called now and then while this process waits for the others, which take seconds to start; what it
        raises ends the step.
        """
        self._work, self._meanwhile = work, poll
        parameters = _moved(list(twins[0].parameters()))
        desks = [
            _Desk(
                config=twin.config,
                parameters=parameters,
                buffers=_moved(list(twin.buffers())),
                batch=SharedTensors(largest_part.tensors()),
                generator=SharedTensors([torch.Generator().get_state()]),
                gradients=SharedTensors(list(twin.parameters())),
            )
            for twin in twins[1:]
        ]
        self._mates = [_Teammate(work, desk) for desk in desks]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for mate in self._mates:
            mate.leave()

    def gradients(self, parts: Sequence[Part]) -> list[Gradients]:
        """Work on the parts of a batch, at most one per twin, at the same time; in their order."""
        asked = list(zip(self._mates, parts[1:], strict=False))
        for mate, part in asked:
            mate.ask(part)
        return [self._work(parts[0]), *(mate.answer(part, self._meanwhile) for mate, part in asked)]


def _work_when_asked(work: Work, desk: _Desk, connection: Connection) -> None:
    """The life of a process: until the connection ends, or the process that asks."""
    guard_output()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()
    detector = build_detector(desk.config)
    for own, shared in ((detector.parameters(), desk.parameters), (detector.buffers(), desk.buffers)):
        for tensor, theirs in zip(own, shared.tensors(), strict=True):
            tensor.data = theirs
    batch, gradients, [state] = desk.batch.tensors(), desk.gradients.tensors(), desk.generator.tensors()
    generator = torch.Generator()
    while (frames := _asked(connection)) is not None:
        try:
            generator.set_state(state)
            loss, found = work((detector, FrameBatch(*(tensor[:frames] for tensor in batch)), generator))
            for target, gradient in zip(gradients, found, strict=True):
                target.copy_(gradient)
            state.copy_(generator.get_state())
            connection.send(loss.item())
        except Exception as error:  # for the process that asked to raise
            connection.send(error)


def _asked(connection: Connection) -> int | None:
    try:
        return int(connection.recv())
    except (EOFError, OSError):
        return None


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _shared_memory(num_bytes: int) -> "ctypes.Array[ctypes.c_ubyte]":
    """Memory for processes to share: a file without a name, in /dev/shm where there is room."""
    try:
        return SPAWN.RawArray(ctypes.c_ubyte, num_bytes)
    except OSError as error:
        raise TrainingError(
            f"the processes that work on parts of a batch need {num_bytes / 1e6:.1f} MB of shared memory, which could "
            f"not be had ({error.strerror}); make room in /dev/shm or in the folder for temporary files, or set "
            "train.cpu_threads=1"
        ) from None


def _moved(tensors: Sequence[Tensor]) -> SharedTensors:
    """Move tensors to shared memory."""
    shared = SharedTensors(tensors)
    for tensor, place in zip(tensors, shared.tensors(), strict=True):
        place.copy_(tensor.data)
        tensor.data = place
    return shared


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT


def _gone() -> TrainingError:
    return TrainingError(
        "a process that works on a part of each batch has died, perhaps for memory; lower train.batch_size, or set "
        "train.cpu_threads=1, and run again: the training goes on from its last checkpoint"
    )
