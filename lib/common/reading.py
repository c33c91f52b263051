"""Files from outside, opened without trust in what they are: regular files alone, and never more than asked for.

A FIFO, a device or a socket in the place of a file would be waited for without end, or read without end.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

MAX_TEXT_BYTES: Final = 64_000_000
"""Of what this pipeline has written itself: tables, metrics, notes."""
_KINDS: Final = {stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


class UnfitFileError(OSError):
    """What lies there is no regular file, or too large a one; `strerror` says which."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(errno.EINVAL, problem, str(path))

    def __str__(self) -> str:
        return str(self.strerror)


def open_file(path: Path) -> BufferedReader:
    """Open a regular file, or a link to one, for reading bytes.

    Raises OSError as `open`; UnfitFileError for a FIFO, device or socket, without opening it.
    """
    check_regular(path)
    return open(path, "rb", opener=_opened)


def check_regular(path: Path) -> os.stat_result:
    """What the system says of a regular file, or of the one that a link leads to; raises OSError as `open_file`."""
    return _regular(path, path.stat())


def read_bytes(path: Path, most: int) -> bytes:
    """All of a regular file; raises OSError as `open_file`, UnfitFileError for more than `most` bytes."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1) if size <= most else b""
        if content is None:  # one of the system's own, which has nothing to say now
            raise UnfitFileError(path, "it cannot be read like a file")
        if size < len(content) <= most:  # it has grown, or is one of the system's, which say nothing of their size
            content += file.read(most + 1 - len(content))
    if max(size, len(content)) > most:
        raise UnfitFileError(path, f"it is larger than {most / 1e6:g} MB, which no such file is")
    return content


def read_text(path: Path, most: int = MAX_TEXT_BYTES) -> str:
    """A regular file's UTF-8 text, with plain line ends; raises OSError as `read_bytes`, UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _opened(path: str, flags: int) -> int:
    """Open what may have changed since it was looked at: without waiting, and looked at once more."""
    file = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _regular(Path(path), os.fstat(file))
    except OSError:
        os.close(file)
        raise
    return file


def _regular(path: Path, found: os.stat_result) -> os.stat_result:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise UnfitFileError(path, f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, not a file")
    return found
