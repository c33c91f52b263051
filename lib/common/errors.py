"""Errors that a user can cause and mend."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from lib.common.terminal import OutputError, forget, guard_output, readable

_FAILED: Final = "check the disk or the network, then run it again"
_SYSTEM_REMEDIES: Final = {
    errno.EMFILE: "allow this process more open files (`ulimit -n 4096`), then run it again",
    errno.ENFILE: "end other programs or raise the system's limit (sysctl fs.file-max), then run it again",
    errno.ENOMEM: "free some memory, or take fewer workers or smaller batches, then run it again",
    errno.EACCES: "check its permissions and those of its folders, then run it again",
    errno.EPERM: "check its permissions and those of its folders, then run it again",
    errno.ENOLCK: "its file system has no locks: unset HDF5_USE_FILE_LOCKING or mount it with locks, then run it again",
    errno.EIO: _FAILED,
    errno.ESTALE: _FAILED,
    errno.ETIMEDOUT: _FAILED,
}
"""What helps where the system refuses a file. None of these errors says that the file is damaged."""


_OF_THE_PROCESS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_TORCH_LACKS_MEMORY: Final = ("can't allocate memory", "not enough memory", "out of memory")


class DataError(ValueError):
    """A file or folder cannot be used: the message names it, says what is wrong and what to do."""


class ParamsError(ValueError):
    """A parameter cannot be used: the message names its key, the value and what would be accepted."""


class TrainingError(ValueError):
    """A training cannot go on or learned nothing: the message says why and what to try."""


def refused(path: Path, error: BaseException, done: str = "read") -> DataError | None:
    """The error for the user where the system refuses a file, whatever is in it; None where the error is another one.

    `done`: what could not be done with the file.
    """
    refusal = system_refusal(error, done)
    return None if refusal is None else DataError(f"{path}: {'; '.join(refusal)}")


def system_refusal(error: BaseException, done: str = "read") -> tuple[str, str] | None:
    """The problem and what helps, as in `refused`, without the file's name."""
    if not isinstance(error, OSError) or error.errno not in _SYSTEM_REMEDIES:
        return None
    return f"cannot be {done} ({os.strerror(error.errno)})", _SYSTEM_REMEDIES[error.errno]


def is_of_the_process(error: BaseException) -> bool:
    """Whether the system lacks files or memory for this process: the next file would fail as well."""
    return isinstance(error, OSError) and error.errno in _OF_THE_PROCESS


class Stopped(BaseException):
    """A signal asked this process to end: SIGTERM, or Ctrl-C where work was held until it could be interrupted."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.status = 128 + number


_stopping: list[Stopped] = []
"""The signal that came, since a library can make an error of its own of it (an import that it interrupts does)."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage or tool; the errors a user can mend become one sentence on stderr and exit status 1.

    Ctrl-C ends it with 130 and SIGTERM with 143, after what was half written is removed; a pipe whose reader has left
    (`| head`) ends it with 141, as it ends other programs, without a word; a standard output that takes nothing more
    (a full disk) with 1 and a sentence. What is printed cannot steer a terminal (lib.common.terminal).
    """
    guard_output()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)
    try:
        try:
            _explained(main)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        forget(sys.stdout)
        forget(sys.stderr)
        sys.exit(128 + signal.SIGPIPE)
    except OutputError as error:
        _end(f"standard output: cannot be written ({error}); {_system_remedy(error.errno)}")


def _explained(main: Callable[[], None]) -> None:
    try:
        _unless_stopped(main)
    except (DataError, ParamsError, TrainingError) as error:
        _end(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        _end(f"{os.strerror(errno.ENOMEM)}; {_SYSTEM_REMEDIES[errno.ENOMEM]}")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _end(f"{str(error.filename)[:60]}...: {error.strerror}; give a shorter one")
        if not is_of_the_process(error):
            raise
        _end(f"{os.strerror(error.errno or 0)}; {_system_remedy(error.errno)}")
    except Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        sys.exit(stopped.status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _end(problem: str) -> NoReturn:
    print(f"error: {readable(problem)}", file=sys.stderr)
    sys.exit(1)


def _lacks_memory(error: BaseException) -> bool:
    """Whether Python, numpy or torch (CPU, CUDA) could not have the memory that it asked for."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _TORCH_LACKS_MEMORY)


def _system_remedy(number: int | None) -> str:
    return _SYSTEM_REMEDIES.get(number or 0, _FAILED)


def _unless_stopped(main: Callable[[], None]) -> None:
    _stopping.clear()
    try:
        main()
    except Exception:
        if _stopping:
            raise _stopping[0] from None
        raise


def _stop(number: int, _: object) -> None:
    _stopping.append(Stopped(number, f"by {signal.Signals(number).name}; run it again to go on"))
    raise _stopping[-1]
