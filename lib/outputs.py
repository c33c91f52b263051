"""Outputs that are whole or not there: filled beside their place under a hidden name, moved into it when all went well.

The hidden name is `.<name>.partial`, which .gitignore and .dvcignore leave out. What a killed run left under it, the
next run removes. What stood in the place before, perhaps a read-only link into DVC's cache, is replaced, never changed.
"""

import csv
import errno
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from lib.errors import DataError

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def partial_of(path: Path) -> Path:
    """Where an output is filled before it takes its place."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    Raises DataError when it cannot be written.
    """
    partial = partial_of(path)
    try:
        with _sentence(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove(partial)
        with _sentence(path, _NO_ROOM):
            yield partial
        with _sentence(path):
            partial.replace(path)
    finally:
        _try_to_remove(partial)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `path`, and of what was there, when all went well; else it vanishes.

    Raises DataError when it cannot be written.
    """
    partial = partial_of(path)
    try:
        with _sentence(path):
            _remove(partial)
            partial.mkdir(parents=True)
        with _sentence(path, _NO_ROOM):
            yield partial
        with _sentence(path):
            _swap(partial, path)
    finally:
        _try_to_remove(partial)


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
        raise DataError(f"{path}: cannot be written ({error}); check disk space and permissions") from None


def _swap(folder: Path, place: Path) -> None:
    """Move a folder to its place; a folder cannot be renamed onto another one, so what stands there steps aside."""
    old = partial_of(place.with_name(f"{place.name}.old"))
    _remove(old)
    if place.exists() or place.is_symlink():
        place.rename(old)
    try:
        folder.rename(place)
    except OSError:
        old.rename(place)
        raise
    _try_to_remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _try_to_remove(path: Path) -> None:
    with suppress(OSError):
        _remove(path)
