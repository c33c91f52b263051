"""Cache of converted scenarios between runs: its entries, their keys, and when a scenario may be cached."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from lib.common.cache import Cache, fingerprint
from lib.preprocessing.statistics import Statistics
from lib.reading.file_errors import Reason
from lib.reading.recorded_frames import SkippedFrame
from lib.shards.index import ShardEntry

_DECIDED_BY_NAMES: Final = {
    Reason.MISSING_IMAGE,
    Reason.MISSING_DEPTH,
    Reason.MISSING_PIXEL_LABELS,
    Reason.MISSING_LIDAR,
    Reason.MISSING_POINT_LABELS,
    Reason.DUPLICATE_FRAME,
}
"""Reasons that depend only on file names, so that reading again would give the same result."""


@dataclass(frozen=True, eq=False)
class ConvertedScenario:
    """A scenario's shards (none if no frame is usable), statistics and skipped frames; `reused`: from the cache."""

    name: str
    entries: tuple[ShardEntry, ...]
    statistics: Statistics
    skipped: tuple[SkippedFrame, ...]
    reused: bool = False


_AS_JSON: Final = TypeAdapter(ConvertedScenario)


def files_state(folders: Sequence[Path]) -> str | None:
    """Fingerprint of the names, sizes, modification times and inodes of the files in folders; None if unreadable."""
    try:
        files = []
        for folder in folders:
            with os.scandir(folder) as entries:
                found = [(entry.path, entry.stat()) for entry in entries if not entry.is_dir()]
            files += [[path, s.st_size, s.st_mtime_ns, s.st_ino] for path, s in found]
    except OSError:
        return None
    return fingerprint(sorted(files))


def take(cache: Cache, key: str, folder: Path) -> ConvertedScenario | None:
    """Copy a scenario's cached shards into a folder; None if there are none or they are damaged."""
    note = cache.take(key, folder)
    return None if note is None else replace(_AS_JSON.validate_python(note), reused=True)


def keep(cache: Cache, key: str, converted: ConvertedScenario, folder: Path) -> None:
    """Store the shards of a scenario, unless one of its files could not be read.

    An unreadable file may become readable without a change of its size or time.
    """
    if all(frame.reason in _DECIDED_BY_NAMES for frame in converted.skipped):
        note = _AS_JSON.dump_python(converted, mode="json")
        cache.put(key, [folder / entry.file for entry in converted.entries], note)
