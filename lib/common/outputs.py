"""Outputs that are whole or not there: filled beside their place under a hidden name, moved into it when all went well.

The hidden name is `.<name>.partial`, which .gitignore and .dvcignore leave out. What a killed run left under it, the
next run removes; two runs at once never fill the same one. What stood in the place before, perhaps a read-only link
into DVC's cache, is replaced, never changed.

What no run has made is never removed, emptied or written through: a lock is ours when it is a plain file that is empty
or says so; what lies under the other hidden names is ours when their lock says so; a folder in the place of an output
is replaced when it holds nothing but what such an output holds.
"""

import csv
import ctypes
import errno
import fcntl
import io
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError, refused
from lib.common.terminal import readable

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
NO_LOCKS: Final = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""Of clusters' file systems that are mounted without locks: there, two runs at once are the user's care."""
_MARK: Final = b"anovox-fusion: a run fills the hidden output beside this file\n"
"""In the lock of an output, before anything lies under its hidden name."""
_FROM_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


class OccupiedError(DataError):
    """Another run makes this output now."""


def partial_of(path: Path) -> Path:
    """Where an output is filled before it takes its place."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Be the only run that makes `path`, until the end of the block or of the process.

    Raises OccupiedError when another run makes it, DataError when its folder cannot be written.
    """
    with _lock(path, "run", fcntl.LOCK_NB):
        yield


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    Waits while another run writes it. Raises DataError when it cannot be written, or when what lies there is neither a
    file nor a link: a device, say.
    """
    _check_file(path)
    with _lock(path, "writer") as lock, _whole(path, lock, _leave_it, Path.replace) as partial:
        yield partial


def remove_stale_lock(path: Path) -> None:
    """Remove the lock that a run left beside a file, killed right after it had put the whole file in its place."""
    if os.path.lexists(_lock_of(path, "writer")):
        with suppress(DataError), _lock(path, "writer", fcntl.LOCK_NB):
            pass


@contextmanager
def atomic_folder(path: Path, holds: Sequence[str] = (), sign: str = "") -> Iterator[Path]:
    """A folder to fill that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    `holds`: the names, as patterns, of the files that lie in such a folder, and with a `/` at the end of the folders;
    `sign`: one that always does. A folder in the place that holds anything else is refused. Raises DataError for that,
    when it cannot be written, or when another run writes it.
    """

    def put_in_place(folder: Path, place: Path) -> None:
        _check_own(place, holds, sign)
        _swap(folder, place)

    with _lock(path, "run", fcntl.LOCK_NB) as lock:
        _check_own(path, holds, sign)
        with _whole(path, lock, Path.mkdir, put_in_place) as partial:
            yield partial


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside the file `path`, to make it in; it vanishes at the end.

    Raises DataError when it cannot be written, or when another run writes it.
    """
    with (
        _lock(path, "writer", fcntl.LOCK_NB) as lock,
        _whole(path, lock, Path.mkdir, lambda *_: None) as partial,
    ):
        yield partial


def remove_leftovers(path: Path) -> None:
    """Remove what a killed run has left of a folder half-written; nothing that no run has made, or that one holds."""
    with suppress(DataError), _lock(path, "run", fcntl.LOCK_NB) as lock:
        if _is_marked(lock):
            _try_to_remove(partial_of(path))


@contextmanager
def _whole(
    path: Path, lock: int, begin: Callable[[Path], object], put_in_place: Callable[[Path, Path], object]
) -> Iterator[Path]:
    partial = partial_of(path)
    with _sentence(path):
        _claim(path, lock)
    try:
        with _sentence(path):
            begin(partial)
        with _sentence(path, _NO_ROOM):
            yield partial
        with _sentence(path):
            put_in_place(partial, path)
    finally:
        _try_to_remove(partial)


def _claim(path: Path, lock: int) -> None:
    """Make the hidden names free: of what a killed run has left there, by its lock; raises DataError for other things.

    The result that a run had moved aside stays until another one is in its place.
    """
    partial = partial_of(path)
    if _is_marked(lock):
        _remove(partial)
        return
    for hidden in (partial, _aside_of(path)):
        if os.path.lexists(hidden):
            raise DataError(f"{hidden}: in the way of {path.name}, and not known to be a run's; move it away")
    os.pwrite(lock, _MARK, 0)


def _is_marked(lock: int) -> bool:
    return os.pread(lock, len(_MARK) + 1, 0) == _MARK


def _check_own(path: Path, holds: Sequence[str], sign: str) -> None:
    """Raise DataError unless a run may have made what lies in the place of a folder; a link's own name may go."""
    if path.is_symlink() or not path.exists():
        return
    if not path.is_dir():
        raise DataError(f"{path}: is no folder, and a folder is to be written there; move it away")
    with _sentence(path):
        kinds = {entry.name: "/" if entry.is_dir() and not entry.is_symlink() else "" for entry in path.iterdir()}
    names = sorted(kinds)
    strange = [name for name in names if not any(fnmatchcase(name + kinds[name], pattern) for pattern in holds)]
    if strange:
        raise DataError(f"{path}: holds {readable(strange[0])}, which no run puts there; move it away")
    if names and sign and sign not in names:
        raise DataError(f"{path}: lacks {sign}, which runs put there, so this folder is none of theirs; move it away")


def _check_file(path: Path) -> None:
    """Raise DataError unless a file may take this place."""
    if not path.name:
        raise DataError(f"{path}: is no name for a file; give one")
    with _sentence(path):
        if os.path.lexists(path) and stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFLNK):
            raise DataError(f"{path}: is no file, and one is to be written there; give another name, or move it away")


def _leave_it(_: Path) -> None:
    """A file is begun by whoever writes it."""


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_file(path) as partial, _sentence(path):
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
def _lock(path: Path, name: str, wait: int = 0) -> Iterator[int]:
    """Hold `path` by a lock on a hidden file beside it, which the system lets go when this process ends in any way.

    The file's descriptor.
    """
    lock = _lock_of(path, name)
    with _sentence(path):
        lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with ExitStack() as stack:
            with _sentence(path):
                file = _opened_lock(lock)
                stack.callback(os.close, file)
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
                yield file
            finally:
                with suppress(OSError):
                    lock.unlink()
            return


def _opened_lock(lock: Path) -> int:
    """Open a lock, made if need be: nothing is followed, emptied or written. Raises DataError for what is no lock."""
    strange = DataError(f"{lock}: in the way of a lock, and not known to be a run's; move it away")
    if os.path.lexists(lock) and not stat.S_ISREG(lock.lstat().st_mode):
        raise strange
    file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if os.fstat(file).st_nlink > 1 or not _MARK.startswith(os.pread(file, len(_MARK) + 1, 0)):
        os.close(file)
        raise strange
    return file


def _lock_of(path: Path, name: str) -> Path:
    return partial_of(path.with_name(f"{path.name}.{name}"))


def _aside_of(path: Path) -> Path:
    return partial_of(path.with_name(f"{path.name}.old"))


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _swap(folder: Path, place: Path) -> None:
    """Move a folder to its place: what stands there moves to the folder's, in the same instant where that can be."""
    if not (place.exists() or place.is_symlink()):
        folder.rename(place)
    elif not _exchanged(folder, place):
        old = _aside_of(place)
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
