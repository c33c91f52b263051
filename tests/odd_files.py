"""What may lie in the place of a file, and a clock for readers that would wait for it."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KINDS: Final = (
    "FIFO",
    "device",
    "link to a device",
    "link to a FIFO",
    "socket",
    "folder",
    "link to itself",
    "link to nowhere",
)


def replace_by(path: Path, kind: str) -> None:
    """Put something else in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device" and os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: without end
    elif kind in ("device", "link to a device"):
        path.symlink_to("/dev/zero")
    elif kind == "link to a FIFO":
        fifo = path.parent.parent / f"a FIFO for {path.name}"
        os.mkfifo(fifo)
        path.symlink_to(fifo)
    elif kind == "socket":
        here = os.open(path.parent, os.O_RDONLY)  # the whole path may be too long for the name of a socket
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{here}/{path.name[:20]}")
        os.close(here)
        (path.parent / path.name[:20]).rename(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if kind == "link to itself" else "nowhere")


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail when the block takes longer."""

    def ring(*_: object) -> None:
        raise AssertionError(f"not at its end after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
