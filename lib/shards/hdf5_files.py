"""Files as HDF5 is given them, so that it opens and locks none itself: mapped, to read; of Python, to write."""

import ctypes
import io
import mmap
import os
import weakref
from pathlib import Path
from typing import Any, Final

from lib.common.reading import open_file

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_FAILED: Final = ctypes.c_void_p(-1).value


def map_file(path: Path) -> memoryview:
    """Map a file: its bytes, read-only, until nothing uses them. Raises OSError.

    By the system's own call: `mmap.mmap`, and so `np.memmap`, keeps a file descriptor until the map ends (before Python
    3.13), and data sets have more shards than a process may have open files.
    """
    with open_file(path) as opened:
        file = opened.fileno()
        size = os.fstat(file).st_size
        if size == 0:
            return memoryview(b"")  # which the system does not map
        address = _LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
        if address == _FAILED:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    content = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(content, _LIBC.munmap, address, size).atexit = False
    return memoryview(content).cast("B").toreadonly()


class BytesReader(io.RawIOBase):
    """Bytes as a file to read from, for HDF5."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._place = data, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: len(self._data)}[whence]
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Read on, as much as the buffer takes and there is."""
        found = self._data[self._place : self._place + len(buffer)]
        memoryview(buffer)[: len(found)] = found
        self._place += len(found)
        return len(found)


class DeferredErrors(io.FileIO):
    """A file that keeps its first write error: HDF5 cannot close one on a full disk, and crashes when Python ends."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, or nothing from the first error on."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while self.error is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Set the file's length, but for an error before or now."""
        try:
            return self.tell() if self.error is not None else super().truncate(size)
        except OSError as error:
            self.error = error
            return self.tell()
