"""Unpacking downloaded archives (.tar.gz, .zip) that nobody has to trust.

All of every archive is checked before anything is written: names stay inside the target, there are plain files and
folders only, sizes are those of data and not of a bomb, the disk has room. An archive that fails is refused as a whole;
the others are unpacked. Each file appears whole; a run that was interrupted goes on where it stopped.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tqdm import tqdm

from lib.anovox.download.packed import REMEDY, Advance, PackedFile, archive_kind, packed_files, readable_size
from lib.anovox.format.layout import town_in
from lib.common.errors import DataError
from lib.common.outputs import NO_LOCKS, atomic_file, remove_stale_lock
from lib.common.reading import open_file

BLOCK_BYTES: Final = 4096
_ENDING: Final = re.compile(r"(\.tar)?\.(gz|tgz|zip)$", re.IGNORECASE)


@dataclass(frozen=True)
class Unpacked:
    """What a run did: files and bytes written, files that had been there already, archives that were refused."""

    files: int
    num_bytes: int
    files_before: int
    refused: int


@dataclass(frozen=True)
class _Plan:
    """What is to be done for an archive: its files that are not there yet, with their sizes."""

    archive: Path
    files: int
    missing: dict[PurePosixPath, int]


def unpack(archives: Sequence[Path], root: Path, refuse: Callable[[DataError], object] | None = None) -> Unpacked:
    """Unpack archives into the folder `root`; empty folders are left out, owners, modes and times are not restored.

    Files that lie in no folder with a town in its name, in an archive that has one in its own, are put into a folder
    named after the archive: without configuration files, that name alone tells the town.

    A file that is there already with the same content is kept. An archive is refused when it is damaged or not safe, or
    when something else lies where its files belong: `refuse` is told why, and the other archives are unpacked. Without
    `refuse`, the first such DataError is raised. Raises DataError when the disk lacks room, before anything is written.
    """
    refusals = _Refusals(refuse)
    with _alone(root):
        sizes: dict[Path, int] = {}
        for archive in dict.fromkeys(archives):
            with refusals.collected(archive):
                sizes[archive] = _size(archive)
        plans: list[_Plan] = []
        with _progress("checking", sum(sizes.values())) as bar:
            for archive in sizes:
                with refusals.collected(archive):
                    plans.append(_plan(archive, root, bar.update))
        _check_space(root, [size for plan in plans for size in plan.missing.values()])
        unfinished = [plan for plan in plans if plan.missing]
        written: list[int] = []
        with _progress("unpacking", sum(sizes[plan.archive] for plan in unfinished)) as bar:
            for plan in unfinished:
                with refusals.collected(plan.archive):
                    for size in _carry_out(plan, root, bar.update):
                        written.append(size)
    before = sum(plan.files - len(plan.missing) for plan in plans)
    return Unpacked(len(written), sum(written), before, len(refusals.archives))


class _Refusals:
    """The archives that were refused."""

    def __init__(self, refuse: Callable[[DataError], object] | None) -> None:
        self.archives: set[Path] = set()
        self._refuse = refuse

    @contextmanager
    def collected(self, archive: Path) -> Iterator[None]:
        """Refuse the archive for a DataError in the block."""
        try:
            yield
        except DataError as error:
            if self._refuse is None:
                raise
            self.archives.add(archive)
            self._refuse(error)


def _place(archive: Path, file: PackedFile) -> PurePosixPath:
    """Where a file goes, below the folder to unpack to."""
    inside = PurePosixPath(_ENDING.sub("", archive.name)) / file.path
    return inside if town_in(inside) and not town_in(file.path) else file.path


def _size(archive: Path) -> int:
    archive_kind(archive)
    return archive.stat().st_size


def _carry_out(plan: _Plan, root: Path, advance: Advance) -> Iterator[int]:
    """Write the missing files, and yield each one's size."""
    for file in packed_files(plan.archive, advance):
        # Another archive of this run may have brought the same file meanwhile.
        if file.path in plan.missing and not _is_there(plan.archive, file, root):
            with atomic_file(root / _place(plan.archive, file)) as partial, partial.open("wb") as target:
                target.writelines(file.chunks())
            yield file.size


def _plan(archive: Path, root: Path, advance: Advance) -> _Plan:
    """Read all of an archive; raises DataError if one of its files may not be unpacked."""
    missing: dict[PurePosixPath, int] = {}
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for file in packed_files(archive, advance):
        if file.path in files or file.path in folders or not files.isdisjoint(file.path.parents):
            raise DataError(f"{archive}: holds {str(file.path)!r} more than once; {REMEDY}")
        files.add(file.path)
        folders.update(file.path.parents)
        if _is_there(archive, file, root):
            remove_stale_lock(root / _place(archive, file))
        else:
            missing[file.path] = file.size
            for _ in file.chunks():
                pass  # to the end: damage shows here, before anything is written
    if not files:
        raise DataError(f"{archive}: holds no file; {REMEDY}")
    return _Plan(archive, len(files), missing)


def _is_there(archive: Path, file: PackedFile, root: Path) -> bool:
    """Whether the file lies below `root` already; raises DataError where something else does."""
    try:
        return _compare(archive, file, root)
    except OSError as error:
        target = root / _place(archive, file)
        raise DataError(f"{target}: cannot be looked at ({error.strerror}); check its permissions") from None


def _compare(archive: Path, file: PackedFile, root: Path) -> bool:
    below = _place(archive, file)
    target = root / below
    for place in [*reversed([root / parent for parent in below.parents if parent.name]), target]:
        if place.is_symlink():
            raise DataError(f"{place}: is a symbolic link, through which {archive} may not write; unpack to its target")
        if place != target and place.exists() and not place.is_dir():
            raise DataError(f"{place}: is a file where {archive} has a folder; remove it or unpack elsewhere")
    if not target.exists():
        return False
    if not target.is_file() or target.stat().st_size != file.size or not _same(target, file):
        raise DataError(f"{target}: is there with another content than in {archive}; remove it or unpack elsewhere")
    return True


def _same(target: Path, file: PackedFile) -> bool:
    with open_file(target) as existing:
        return all(existing.read(len(chunk)) == chunk for chunk in file.chunks())


def _check_space(root: Path, sizes: Sequence[int]) -> None:
    needed = sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DataError(
            f"{root}: unpacking needs {readable_size(needed)}, but only {readable_size(free)} are free on its disk; "
            "free some space or unpack to another disk"
        )


def _progress(title: str, num_bytes: int) -> "tqdm[Any]":
    return tqdm(total=num_bytes, desc=title, unit="B", unit_scale=True, mininterval=0.5, delay=0.5)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Make the folder and keep other unpackings out of it: two would write the same half-written files."""
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"{root}: cannot be made a folder to unpack to ({error.strerror})") from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{root}: another unpacking is at work there; wait until it has ended") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield
    finally:
        os.close(folder)
        if is_new and not any(root.iterdir()):
            root.rmdir()
