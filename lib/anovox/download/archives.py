"""Unpacking of untrusted downloaded archives (.tar.gz, .zip).

Each archive is checked completely before anything is written: all paths stay inside the target folder, all members are
plain files and folders, no size is that of a decompression bomb, and the disk has room. An archive that fails is
refused as a whole; the others are unpacked. Files are written atomically; an interrupted run can be resumed.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tqdm import tqdm

from lib.anovox.download.packed import REMEDY, Advance, PackedFile, archive_kind, packed_files, readable_size
from lib.anovox.format.layout import town_in
from lib.common.errors import DataError
from lib.common.outputs import atomic_file, exclusive_lock
from lib.common.reading import open_file

BLOCK_BYTES: Final = 4096
_ENDING: Final = re.compile(r"(\.tar)?\.(gz|tgz|zip)$", re.IGNORECASE)


@dataclass(frozen=True)
class Unpacked:
    """Result of a run: files and bytes written, files that existed before, archives refused."""

    files: int
    num_bytes: int
    files_before: int
    refused: int


@dataclass(frozen=True)
class _Plan:
    """Work for one archive: its number of files, and the missing ones with their sizes [bytes]."""

    archive: Path
    files: int
    missing: dict[PurePosixPath, int]


def unpack(archives: Sequence[Path], root: Path, refuse: Callable[[DataError], object] | None = None) -> Unpacked:
    """Unpack archives into the folder `root`. Empty folders, owners, modes and times are not restored.

    If an archive has a town in its name but its folders do not, its files go into a folder named after the archive:
    without configuration files, only that name gives the town. Existing files with the same content stay as they are.

    An archive is refused if it is damaged or unsafe, or if other content exists in place of its files: `refuse` gets
    the DataError, and the other archives are unpacked. Without `refuse`, that DataError is raised. Raises DataError,
    before anything is written, if the disk lacks room.
    """
    refusals: set[Path] = set()

    @contextmanager
    def or_refused(archive: Path) -> Iterator[None]:
        try:
            yield
        except DataError as error:
            if refuse is None:
                raise
            refusals.add(archive)
            refuse(error)

    with _locked(root):
        sizes: dict[Path, int] = {}
        for archive in dict.fromkeys(archives):
            with or_refused(archive):
                archive_kind(archive)
                sizes[archive] = archive.stat().st_size
        plans: list[_Plan] = []
        with _progress("checking", sum(sizes.values())) as bar:
            for archive in sizes:
                with or_refused(archive):
                    plans.append(_plan(archive, root, bar.update))
        _check_space(root, [size for plan in plans for size in plan.missing.values()])
        unfinished = [plan for plan in plans if plan.missing]
        written: list[int] = []
        with _progress("unpacking", sum(sizes[plan.archive] for plan in unfinished)) as bar:
            for plan in unfinished:
                with or_refused(plan.archive):
                    for size in _extract(plan, root, bar.update):
                        written.append(size)
    before = sum(plan.files - len(plan.missing) for plan in plans)
    return Unpacked(len(written), sum(written), before, len(refusals))


def _relative_target(archive: Path, file: PackedFile) -> PurePosixPath:
    """Path of a file relative to the folder to unpack to."""
    inside = PurePosixPath(_ENDING.sub("", archive.name)) / file.path
    return inside if town_in(inside) and not town_in(file.path) else file.path


def _extract(plan: _Plan, root: Path, advance: Advance) -> Iterator[int]:
    """Write the missing files, and yield the size of each [bytes]."""
    for file in packed_files(plan.archive, advance):
        # Another archive of this run may have written the same file since the plan was made.
        if file.path in plan.missing and not _exists(plan.archive, file, root):
            with atomic_file(root / _relative_target(plan.archive, file)) as partial, partial.open("wb") as target:
                target.writelines(file.chunks())
            yield file.size


def _plan(archive: Path, root: Path, advance: Advance) -> _Plan:
    """Read an archive to its end; raises DataError if one of its files cannot be unpacked safely."""
    missing: dict[PurePosixPath, int] = {}
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for file in packed_files(archive, advance):
        if file.path in files or file.path in folders or not files.isdisjoint(file.path.parents):
            raise DataError(f"{archive}: holds {str(file.path)!r} more than once; {REMEDY}")
        files.add(file.path)
        folders.update(file.path.parents)
        if not _exists(archive, file, root):
            missing[file.path] = file.size
            for _ in file.chunks():
                pass  # reads to the end to find damage before anything is written
    if not files:
        raise DataError(f"{archive}: holds no file; {REMEDY}")
    return _Plan(archive, len(files), missing)


def _exists(archive: Path, file: PackedFile, root: Path) -> bool:
    """Whether the file already exists below `root`; raises DataError if something else exists in its place."""
    below = _relative_target(archive, file)
    target = root / below
    try:
        for place in [*reversed([root / parent for parent in below.parents if parent.name]), target]:
            if place.is_symlink():
                problem = f"is a symbolic link, through which {archive} may not write"
                raise DataError(f"{place}: {problem}; unpack to its target")
            if place != target and place.exists() and not place.is_dir():
                raise DataError(f"{place}: is a file where {archive} has a folder; remove it or unpack elsewhere")
        if not target.exists():
            return False
        if not target.is_file() or target.stat().st_size != file.size or not _same_content(target, file):
            raise DataError(f"{target}: exists with other content than in {archive}; remove it or unpack elsewhere")
        return True
    except OSError as error:
        raise DataError(f"{target}: cannot be read ({error.strerror}); check its permissions") from None


def _same_content(target: Path, file: PackedFile) -> bool:
    with open_file(target) as existing:
        return all(existing.read(len(chunk)) == chunk for chunk in file.chunks())


def _check_space(root: Path, sizes: Sequence[int]) -> None:
    needed = sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes)
    free = shutil.disk_usage(root).free
    if needed > free:
        problem = f"unpacking needs {readable_size(needed)}, but only {readable_size(free)} are free on its disk"
        raise DataError(f"{root}: {problem}; free some space or unpack to another disk")


def _progress(title: str, num_bytes: int) -> "tqdm[Any]":
    return tqdm(total=num_bytes, desc=title, unit="B", unit_scale=True, mininterval=0.5, delay=0.5)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Be the only process that unpacks into the folder, which is removed if it is new and stays empty."""
    is_new = not root.exists()
    try:
        with exclusive_lock(root):
            yield
    finally:
        if is_new:
            with suppress(OSError):
                root.rmdir()
