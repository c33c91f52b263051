"""Iteration over the files of a downloaded archive (.tar.gz, .zip), in one pass and with checks of each file.

Refused are paths that lead out of the archive, links, devices and decompression bombs.
"""

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, Final, Literal, cast

from lib.common.errors import DataError, refused
from lib.common.reading import open_file

MAX_RATIO: Final = 100
HARMLESS_BYTES: Final = 10_000_000
MAX_NAME, MAX_DEPTH, MAX_PART = 2_000, 32, 200
"""Characters of a path, its depth, and bytes of a component: of the 255 of file systems, partial files need some."""
MAX_FILES: Final = 1_000_000
"""Limit for .zip archives, whose directory is read as a whole."""
CHUNK_BYTES: Final = 1 << 20
MAX_PADDING_BYTES: Final = 1 << 20
_ZIP_TAIL_BYTES: Final = 66_000
"""Enough for a .zip archive's end record with the longest possible comment."""
_ZIP_COUNT_MODULUS: Final = 1 << 16
"""The 16-bit count of files in a .zip archive's end record wraps here; 65,535 refers to the zip64 record's count."""
GZIP_MAGIC: Final = b"\x1f\x8b"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
REMEDY: Final = "download it again"

Advance = Callable[[int], Any]
_READ_ERRORS: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)


@dataclass(frozen=True)
class PackedFile:
    """A file of the archive being read: its path in the archive, size [bytes] and content in chunks."""

    path: PurePosixPath
    size: int
    chunks: Callable[[], Iterator[bytes]]


def packed_files(archive: Path, advance: Advance) -> Iterator[PackedFile]:
    """Iterate over the files of an archive; the content of each can be read only until the next one is requested.

    `advance` gets the number of bytes processed since its last call. Raises DataError for a damaged or unsafe archive.
    """
    reader = _tar_files if archive_kind(archive) == "tar.gz" else _zip_files
    with _damage_as_data_error(archive):
        yield from reader(archive, advance)


def archive_kind(archive: Path) -> Literal["tar.gz", "zip"]:
    """Kind of an archive, from its first bytes; raises DataError if it is neither."""
    try:
        with open_file(archive) as file:
            magic = file.read(4) or b""  # special files without data return None
    except OSError as error:
        raise refused(archive, error) or DataError(f"{archive}: cannot be read ({error.strerror})") from None
    if magic.startswith(GZIP_MAGIC):
        return "tar.gz"
    if magic in ZIP_MAGICS:
        return "zip"
    raise DataError(f"{archive}: neither a .tar.gz nor a .zip archive, according to its first bytes; {REMEDY}")


@contextmanager
def _damage_as_data_error(archive: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except _READ_ERRORS as error:
        problem = " ".join(str(error).split())[:300] or type(error).__name__
        damaged = DataError(f"{archive}: damaged or incomplete ({problem}); {REMEDY}")
        raise refused(archive, error) or damaged from None


def _path(archive: Path, name: str, is_folder: bool) -> PurePosixPath:
    """Path of a member; raises DataError if it could lead out of the target folder or is not a plausible name."""
    if len(name) > MAX_NAME or name.count("/") > MAX_DEPTH or max(map(_bytes, name.split("/"))) > MAX_PART:
        raise DataError(f"{archive}: holds {name[:60]!r}..., a path too long for a file; do not trust it")
    path = PurePosixPath(name)
    drive = PureWindowsPath(name).drive
    suspicious = drive or "\\" in name or not name.isprintable() or not (path.name or is_folder)
    if path.is_absolute() or ".." in path.parts or suspicious:
        raise DataError(f"{archive}: holds {name!r}, which is not a path inside the archive; do not trust it")
    if any(part.startswith(".") and part.endswith(".partial") for part in path.parts):
        raise DataError(f"{archive}: holds {name!r}, a name reserved for partial files; {REMEDY}")
    return path


def _bytes(name: str) -> int:
    return len(name.encode(errors="surrogateescape"))


def _refuse(archive: Path, name: str, what: str) -> DataError:
    return DataError(f"{archive}: holds {name!r}, {what}, where AnoVox has plain files only; do not trust it")


def _check_ratio(archive: Path, unpacked: int, packed: int) -> None:
    if unpacked > HARMLESS_BYTES and unpacked > MAX_RATIO * packed:
        grown = f"{readable_size(packed)} in it would become {readable_size(unpacked)} or more"
        problem = f"{grown}, over {MAX_RATIO} times as much, as in a decompression bomb"
        raise DataError(f"{archive}: {problem}; do not trust it")


def readable_size(num_bytes: int) -> str:
    """Format a number of bytes in MB or GB."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"


class _LimitedPadding:
    """File wrapper that limits the zero padding after the compressed data, which GzipFile reads byte by byte."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._zeros = raw, 0

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        if size == 1 and data == b"\0":
            self._zeros += 1
            if self._zeros > MAX_PADDING_BYTES:
                raise EOFError("zeros follow its end")
        return data


class _TarStream:
    """Decompressed stream for tarfile that limits the size of each read and the compression ratio."""

    def __init__(self, archive: Path, raw: IO[bytes], advance: Advance) -> None:
        self._archive, self._raw, self._advance = archive, raw, advance
        self._size, self._reported = archive.stat().st_size, 0
        self._stream = gzip.GzipFile(fileobj=cast(IO[bytes], _LimitedPadding(raw)), mode="rb")

    def read(self, size: int) -> bytes:
        if not 0 <= size <= CHUNK_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._stream.read(size)
        _check_ratio(self._archive, self._stream.tell(), self._size)
        position = self._raw.tell()
        self._advance(position - self._reported)
        self._reported = position
        return data

    def seek(self, position: int) -> int:
        _check_ratio(self._archive, position, self._size)
        assert position >= self._stream.tell(), "a tar file is read once, forwards"
        while (ahead := position - self._stream.tell()) > 0:
            if not self.read(min(ahead, CHUNK_BYTES)):
                raise EOFError("it ends within a file")
        return position

    def tell(self) -> int:
        return self._stream.tell()


def _tar_files(archive: Path, advance: Advance) -> Iterator[PackedFile]:
    with open_file(archive) as raw:
        stream = _TarStream(archive, raw, advance)
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
            while (member := tar.next()) is not None:
                cast(Any, tar).members.clear()  # tarfile would keep every member in memory
                path = _path(archive, member.name, member.isdir())
                if not (member.isdir() or member.isreg()) or member.issparse() or member.size < 0:
                    raise _refuse(archive, member.name, _tar_kind(member))
                _check_ratio(archive, stream.tell() + member.size, archive.stat().st_size)
                if member.isreg():
                    yield PackedFile(path, member.size, partial(_tar_chunks, archive, tar, member))
        while rest := stream.read(CHUNK_BYTES):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("data follow a damaged header")


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {member.linkname!r}"
    return "a device" if member.isdev() else "a special file"


def _tar_chunks(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    with _damage_as_data_error(archive):
        content = tar.extractfile(member)
        assert content is not None
        yield from _of_declared_size(content, member.size)


def _zip_files(archive: Path, advance: Advance) -> Iterator[PackedFile]:
    with open_file(archive) as raw:
        declared = _declared_members(archive, raw)
        with zipfile.ZipFile(raw) as file:
            members = file.infolist()
            if declared not in (len(members), len(members) % _ZIP_COUNT_MODULUS):
                raise zipfile.BadZipFile("its directory lists another number of files than it declares")
            _check_ratio(archive, sum(member.file_size for member in members), archive.stat().st_size)
            for member in members:
                folder = member.orig_filename.endswith("/")  # is_dir() raises IndexError for an empty name
                path = _path(archive, member.orig_filename, folder)
                _check_zip_member(archive, member)
                if not folder:
                    yield PackedFile(path, member.file_size, partial(_zip_chunks, archive, file, member))
                advance(member.compress_size)
            advance(archive.stat().st_size - sum(member.compress_size for member in members))


def _check_zip_member(archive: Path, member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refuse(archive, member.filename, "a link" if kind == stat.S_IFLNK else "a special file")
    if member.flag_bits & 1:
        raise DataError(f"{archive}: {member.filename!r} is encrypted; unpack it with its password yourself")
    _check_ratio(archive, member.file_size, member.compress_size)


def _declared_members(archive: Path, raw: IO[bytes]) -> int:
    """Number of files that the end record of a .zip archive declares; zipfile does not compare it with those found.

    Raises DataError if the directory lists more than MAX_FILES files, to bound the memory that zipfile needs.
    """
    size = raw.seek(0, os.SEEK_END)
    before_tail = max(0, size - _ZIP_TAIL_BYTES)
    raw.seek(before_tail)
    tail = raw.read()
    end = tail.rfind(b"PK\x05\x06")
    large = tail.rfind(b"PK\x06\x06", 0, end)
    number = int.from_bytes
    count, listed_bytes = number(tail[end + 10 : end + 12], "little"), number(tail[end + 12 : end + 16], "little")
    if large >= 0 and count == _ZIP_COUNT_MODULUS - 1:
        count = number(tail[large + 32 : large + 40], "little")
    if large >= 0 and listed_bytes == 0xFFFFFFFF:
        listed_bytes = number(tail[large + 40 : large + 48], "little")
    start = max(0, before_tail + (large if large >= 0 else end) - listed_bytes)
    raw.seek(start)
    listed = sum(chunk.count(b"PK\x01\x02") for chunk in iter(lambda: raw.read(CHUNK_BYTES), b""))
    raw.seek(0)
    if listed > MAX_FILES:
        raise DataError(f"{archive}: lists {listed:,} files, more than {MAX_FILES:,}; unpack it with another program")
    return count


def _zip_chunks(archive: Path, file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with _damage_as_data_error(archive), file.open(member) as content:
        yield from _of_declared_size(content, member.file_size)


def _of_declared_size(content: IO[bytes], size: int) -> Iterator[bytes]:
    """Content of a member in chunks; raises EOFError unless its length is `size`."""
    seen = 0
    while chunk := content.read(CHUNK_BYTES):
        seen += len(chunk)
        if seen > size:
            break
        yield chunk
    if seen != size:
        raise EOFError(f"a file of {size} declared bytes holds {'more' if seen > size else seen}")
