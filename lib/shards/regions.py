"""Parts of a file that are written where they belong before the rest of it is known."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

COPY_BYTES: Final = 1 << 20


class Region:
    """A part of a file, of `size` bytes from `start` on, written and read like a file of its own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self.path, self.start, self.end, self._written = path, start, start + size, start
        self._file = path.open("r+b", buffering=0)
        self._file.seek(start)

    @property
    def full(self) -> bool:
        """Whether it is written to its end."""
        return self._written == self.end

    def tell(self) -> int:
        """Bytes from the start."""
        return self._file.tell() - self.start

    def seek(self, place: int) -> int:
        """Go to a byte."""
        return self._file.seek(self.start + place) - self.start

    def write(self, data: memoryview) -> int:
        """Write all of it."""
        assert self._written + len(data) <= self.end, "more rows than expected"
        rest = data
        while len(rest):
            rest = rest[self._file.write(rest) :]
        self._written = self._file.tell()
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        """Read on, not beyond what was written."""
        rest = self._written - self._file.tell()
        return self._file.read(rest if size < 0 else min(size, rest))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def fill_between(regions: Sequence[Region], partial: Path) -> None:
    """Copy all but the regions, which ascend, from a file of the same layout to theirs, and put that in its place."""
    body = regions[0].path
    with partial.open("rb") as source, body.open("r+b") as target:
        size = source.seek(0, os.SEEK_END)
        starts, ends = [0, *(region.end for region in regions)], [*(region.start for region in regions), size]
        for start, end in zip(starts, ends, strict=True):
            source.seek(start)
            target.seek(start)
            while rest := end - source.tell():
                target.write(source.read(min(rest, COPY_BYTES)))
        target.truncate(size)
    body.replace(partial)
