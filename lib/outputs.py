"""Outputs that are whole or not there: filled beside their place under a hidden name, moved into it when all went well.

The hidden name is `.<name>.partial`, which .gitignore and .dvcignore leave out. What a killed run left under it, the
next run removes; two runs at once never fill the same one. What stood in the place before, perhaps a read-only link
into DVC's cache, is replaced, never changed.
"""

import csv
import ctypes
import errno
import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from lib.errors import DataError, refused

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
NO_LOCKS: Final = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""Of clusters' file systems that are mounted without locks: there, two runs at once are the user's care."""
_FROM_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


class OccupiedError(DataError):
    """Another run makes this output now."""


def partial_of(path: Path) -> Path:
    """Where an output is filled before it takes its place."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only run that makes `path`, until the end of the block or of the process.

    Raises OccupiedError when another run makes it, DataError when its folder cannot be written.
    """
    with _lock(path, "run", fcntl.LOCK_NB):
        yield


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    Waits while another run writes it. Raises DataError when it cannot be written.
    """
    with _lock(path, "writer"), _whole(path, _leave_it, Path.replace) as partial:
        yield partial


def tidy(path: Path) -> None:
    """Remove the lock that a run left beside a file, killed right after it had put the whole file in its place."""
    _lock_of(path, "writer").unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    Raises DataError when it cannot be written, or when another run writes it.
    """
    with alone(path), _whole(path, Path.mkdir, _swap) as partial:
        yield partial


@contextmanager
def _whole(path: Path, begin: Callable[[Path], object], put_in_place: Callable[[Path, Path], object]) -> Iterator[Path]:
    partial = partial_of(path)
    try:
        with _sentence(path):
            _remove(partial)
            begin(partial)
        with _sentence(path, _NO_ROOM):
            yield partial
        with _sentence(path):
            put_in_place(partial, path)
    finally:
        _try_to_remove(partial)


def _leave_it(_: Path) -> None:
    """A file is begun by whoever writes it."""


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with whole_file(path) as partial, _sentence(path):
        partial.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file of finite numbers, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file with a header, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


@contextmanager
def _sentence(path: Path, errors: set[int] | None = None) -> Iterator[None]:
    """Turn the system's errors (all, or those with these numbers) into one that a user can mend."""
    try:
        yield
    except OSError as error:
        if errors is not None and error.errno not in errors:
            raise
        other = DataError(f"{path}: cannot be written ({error}); check disk space and permissions")
        raise refused(path, error, "written") or other from None


@contextmanager
def _lock(path: Path, name: str, wait: int = 0) -> Iterator[None]:
    """Hold `path` by a lock on a hidden file beside it, which the system lets go when this process ends in any way."""
    lock = _lock_of(path, name)
    with _sentence(path):
        lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with ExitStack() as stack:
            with _sentence(path):
                file = stack.enter_context(lock.open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | wait)
            except BlockingIOError:
                raise OccupiedError(f"{path}: another run is writing it; wait for its end, or end it") from None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            if not _is_at(file, lock):
                continue  # its last holder has removed it meanwhile
            try:
                yield
            finally:
                _try_to_remove(lock)
            return


def _lock_of(path: Path, name: str) -> Path:
    return partial_of(path.with_name(f"{path.name}.{name}"))


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _swap(folder: Path, place: Path) -> None:
    """Move a folder to its place: what stands there moves to the folder's, in the same instant where that can be."""
    if not (place.exists() or place.is_symlink()):
        folder.rename(place)
    elif not _exchanged(folder, place):
        old = partial_of(place.with_name(f"{place.name}.old"))
        _remove(old)
        place.rename(old)
        try:
            folder.rename(place)
        except OSError:
            old.rename(place)
            raise
        _try_to_remove(old)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names, as Linux can on most of its file systems; Python has no function of its own for it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    return renameat2 is not None and not renameat2(
        _FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), _EXCHANGE
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _try_to_remove(path: Path) -> None:
    with suppress(OSError):
        _remove(path)
