"""Put first on PYTHONPATH: the interpreter that starts ends itself with SIGKILL before its Nth change to a file.

KILL_AT_OPERATION=N asks for it; COUNT_OPERATIONS=PATH only counts, and writes the number to PATH at the end. What
starts from this process (workers) is left alone.
"""

import atexit
import os
import signal
import sys
from itertools import count
from pathlib import Path

from tests.no_network import sitecustomize  # which this file, found first, stands in for

assert callable(sitecustomize.refuse)
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR

_limit = int(os.environ.pop("KILL_AT_OPERATION", "0"))
_report = os.environ.pop("COUNT_OPERATIONS", "")
_next = count(1)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if not (isinstance(flags, int) and flags & _WRITING) or str(path).startswith("/dev"):
            return
    elif event not in _CHANGES:
        return
    if next(_next) == _limit:
        os.kill(os.getpid(), signal.SIGKILL)


if _limit or _report:
    sys.addaudithook(_watch)
if _report:
    atexit.register(lambda: Path(_report).write_text(str(next(_next) - 1)))
