"""A clock for readers that would wait for what lies in the place of a file; things in the way of what is written."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


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


def put_in_the_way(place, kind, target):
    """Something that no run has made, under a hidden name of ours; `target` must stay as it is."""
    if kind == "link":
        place.symlink_to(target)
    elif kind == "link to nowhere":
        place.symlink_to(target.with_name("nowhere"))
    elif kind == "hard link":
        place.hardlink_to(target)
    elif kind == "file":
        place.write_text("mine")
    elif kind == "FIFO":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
        (place / "mine").write_text("mine")
    else:
        place.symlink_to(target.parent, target_is_directory=True)
