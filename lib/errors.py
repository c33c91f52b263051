"""Errors that a user can cause and mend."""

import os
import signal
import sys
from collections.abc import Callable


class DataError(ValueError):
    """A file or folder cannot be used: the message names it, says what is wrong and what to do."""


class ParamsError(ValueError):
    """A parameter cannot be used: the message names its key, the value and what would be accepted."""


class TrainingError(ValueError):
    """A training cannot go on or learned nothing: the message says why and what to try."""


def readable(message: str) -> str:
    """A message in which names from the data cannot steer a terminal: what is not printable becomes `?`."""
    return "".join(character if character.isprintable() else "?" for character in message)


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
    (`| head`) ends it with 141, as it ends other programs, without a word.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)
    try:
        try:
            _explained(main)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        sys.exit(128 + signal.SIGPIPE)


def _explained(main: Callable[[], None]) -> None:
    try:
        _unless_stopped(main)
    except (DataError, ParamsError, TrainingError) as error:
        print(f"error: {readable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        sys.exit(stopped.status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _unless_stopped(main: Callable[[], None]) -> None:
    _stopping.clear()
    try:
        main()
    except Exception:
        if _stopping:
            raise _stopping[0] from None
        raise


def _forget_output() -> None:
    """Let what is still to be printed vanish, instead of failing once more when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _stop(number: int, _: object) -> None:
    _stopping.append(Stopped(number, f"by {signal.Signals(number).name}; run it again to go on"))
    raise _stopping[-1]
