"""Outputs that are complete or absent: made beside their place under a hidden name, and moved there in the end.

The hidden name is `.<name>.partial`; .gitignore and .dvcignore exclude it. The next run removes what a killed run has
left there. What stood in the place before, perhaps a read-only link into DVC's cache, is replaced, never changed.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError, refused
from lib.common.terminal import readable

NO_LOCKS: Final = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF}
"""Errors of file systems without locks, or as NFS without locks on folders: there, users must not run two at once."""
_FROM_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


class OccupiedError(DataError):
    """Another run makes this output now."""


def partial_of(path: Path) -> Path:
    """Where an output is made before it is moved to its place."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Be the only run that works in a folder, until the end of the block or of the process; the folder is created.

    Raises OccupiedError when another run works there, DataError when the folder cannot be created.
    """
    with _locked(folder.resolve(), folder, is_folder=True, wait=False):
        yield


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """A hidden file to write beside `path`, which is removed at the end of the block unless it was moved away.

    Waits while another run writes it. Raises DataError when it cannot be written, or `path` is neither file nor link.
    """
    _check_replaceable(path, (stat.S_IFREG, stat.S_IFLNK), "file")
    partial = partial_of(path)
    with _locked(partial, path, is_folder=False, wait=True), _clean(partial):
        yield partial


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A `temporary_file` to write, which replaces `path` if the block succeeds."""
    with temporary_file(path) as partial:
        with _sentence(path, _NO_ROOM):
            yield partial
        with _sentence(path):
            partial.replace(path)


@contextmanager
def atomic_folder(path: Path, holds: Sequence[str] = (), sign: str = "") -> Iterator[Path]:
    """A folder to fill, which replaces `path` if the block succeeds and is removed otherwise.

    `holds`: patterns of the names of the files that such a folder holds, and with a `/` at the end of the folders;
    `sign`: a file that it always holds. A folder that holds anything else is not replaced. Raises DataError for that,
    when it cannot be written, or when another run writes it.
    """
    partial = partial_of(path)
    _check_own(path, holds, sign)
    with _locked(partial, path, is_folder=True, wait=False), _clean(partial), _sentence(path, _NO_ROOM):
        with _sentence(path):
            for left in partial.iterdir():  # by a killed run
                _remove(left)
        yield partial
        _check_own(path, holds, sign)
        with _sentence(path):
            _replace_folder(partial, path)


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


def _check_own(path: Path, holds: Sequence[str], sign: str) -> None:
    """Raise DataError unless a folder may be written here: a link is replaced itself."""
    if path.is_symlink() or not path.exists():
        return
    _check_replaceable(path, (stat.S_IFDIR,), "folder")
    with _sentence(path):
        kinds = {entry.name: "/" if entry.is_dir() and not entry.is_symlink() else "" for entry in path.iterdir()}
    names = sorted(kinds)
    strange = [name for name in names if not any(fnmatchcase(name + kinds[name], pattern) for pattern in holds)]
    if strange:
        raise DataError(f"{path}: holds {readable(strange[0])}, which no run puts there; move it away")
    if names and sign and sign not in names:
        raise DataError(f"{path}: lacks {sign}, which runs put there, so this folder is none of theirs; move it away")


def _check_replaceable(path: Path, kinds: Sequence[int], wanted: str) -> None:
    """Raise DataError unless nothing is at this path, or something of one of these kinds (stat.S_IFMT)."""
    if not path.name:
        raise DataError(f"{path}: is no name for a {wanted}; give one")
    with _sentence(path):
        if os.path.lexists(path) and stat.S_IFMT(path.lstat().st_mode) not in kinds:
            raise DataError(f"{path}: is no {wanted}, and one is to be written there; move it away")


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
def _locked(path: Path, output: Path, is_folder: bool, wait: bool) -> Iterator[None]:
    """Hold a file or folder, created if necessary, by the system's lock; errors name the `output` that it is for."""
    with _sentence(output):
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        _check_replaceable(path, (stat.S_IFDIR if is_folder else stat.S_IFREG,), "folder" if is_folder else "file")
        with _sentence(output):
            descriptor = _opened(path, is_folder)
        try:
            if not _acquired(descriptor, output, wait):
                raise OccupiedError(f"{output}: another run is writing it; wait for its end, or end it")
            if not is_folder and os.fstat(descriptor).st_nlink > 1:
                path.unlink()  # another name of somebody's file, perhaps from an archive
            elif _is_at(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)
        # Its last holder has moved or removed it meanwhile: begin again.


def _opened(path: Path, is_folder: bool) -> int:
    if is_folder:
        path.mkdir(exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _acquired(descriptor: int, path: Path, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise DataError(f"{path}: cannot be locked ({error.strerror})") from None
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _clean(partial: Path) -> Iterator[None]:
    """Remove what is still at the hidden name at the end of the block."""
    try:
        yield
    finally:
        with suppress(OSError):
            _remove(partial)


def _replace_folder(folder: Path, place: Path) -> None:
    """Move a folder to its place; what is there changes places with it.

    Where the file system cannot exchange two names, it is moved aside first, and for a moment nothing is in the place.
    """
    if not os.path.lexists(place):
        folder.rename(place)
        return
    old = partial_of(place.with_name(f"{place.name}.old"))
    if not _exchanged(folder, place):
        _remove(old)
        place.rename(old)
        try:
            folder.rename(place)
        except OSError:
            old.rename(place)
            raise
    with suppress(OSError):
        _remove(old)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names, as Linux can on most of its file systems; Python has no function of its own for it."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_FROM_HERE, os.fsencode(one), _FROM_HERE, os.fsencode(other), _EXCHANGE) == 0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
