"""Errors that a user can cause and mend."""

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


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage or tool; the errors a user can mend become one sentence on stderr and exit status 1, Ctrl-C 130."""
    try:
        main()
    except (DataError, ParamsError, TrainingError) as error:
        print(f"error: {readable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
