"""Named arrays in an HDF5 file: read as memory maps, or compressed row by row; checksummed, byte-identical for the same
content.
"""

import hashlib
import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Literal, Self

import h5py
import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError, refused
from lib.common.outputs import temporary_folder
from lib.shards.hdf5_files import BytesReader, DeferredErrors, map_file
from lib.shards.lazy_arrays import StoredRows
from lib.shards.regions import COPY_BYTES, Region, fill_between

Compression = Literal["none", "gzip", "lz4"]
Attributes = dict[str, str | int | float]

ALIGNMENT_BYTES: Final = 64
SPOOL_BYTES: Final = 1 << 20
FINGERPRINT_LENGTH: Final = 32
LZ4_FILTER: Final = 32004
_FILTERS: Final = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, LZ4_FILTER}
# Whatever h5py and NumPy raise over a damaged file.
_DAMAGE: Final = (
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)


@dataclass(frozen=True)
class FileKind:
    """What a file holds and how to make it anew: `name` and `version` stand in it, `remedy` in the errors."""

    name: str
    version: int
    remedy: str


@dataclass(frozen=True)
class ArraySpec:
    """An array that grows row by row: rows of `row_shape`, used as `dtype`; a file may lack an optional one.

    `stored`: the types a file may hold it in, written as the first of them; `dtype` alone by default. `compression`,
    for writing: each row is compressed by itself, so that it can be read by itself.
    """

    name: str
    dtype: str
    row_shape: tuple[int, ...] = ()
    optional: bool = False
    stored: tuple[str, ...] = ()
    compression: Compression = "none"

    @property
    def stored_dtypes(self) -> tuple[np.dtype[Any], ...]:
        """The types a file may hold it in, the one to write first."""
        return tuple(np.dtype(name) for name in self.stored or (self.dtype,))

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in the file, before compression."""
        return self.stored_dtypes[0].itemsize * math.prod(self.row_shape)


@dataclass(frozen=True)
class Expected:
    """What a file will probably hold: its attributes, and of some arrays the number of rows, which is never more."""

    attributes: Attributes
    rows: Mapping[str, int]


class ArrayFileWriter:
    """Write arrays row by row, whose number of rows nobody knows for sure; the file appears whole or not at all.

    Used as a context manager: `append` rows, then `finish`; leaving without `finish` leaves nothing behind. What is
    `expected` changes only the time it takes: arrays are written once, where they belong if it comes true, instead of
    into files of their own first.
    """

    def __init__(
        self, path: Path, kind: FileKind, specs: tuple[ArraySpec, ...], expected: Expected | None = None
    ) -> None:
        """Start a file; raises DataError when its folder cannot be written."""
        self._path, self._kind, self._specs = path, kind, {spec.name: spec for spec in specs}
        self._work = ExitStack()
        self._folder = self._work.enter_context(temporary_folder(path))
        self._spools: dict[str, IO[bytes] | Region] = {
            name: SpooledTemporaryFile(SPOOL_BYTES, mode="w+b", dir=str(self._folder))  # noqa: SIM115 (see __exit__)
            for name in self._specs
        }
        self._checksums = dict.fromkeys(self._specs, 0)
        if expected is not None and all(spec.compression == "none" for spec in specs):
            self._begin_in_place(expected)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for spool in self._spools.values():
            spool.close()
        self._work.close()

    def append(self, name: str, rows: npt.ArrayLike) -> None:
        """Append rows (n, *row_shape) to an array."""
        spec = self._specs[name]
        array = np.ascontiguousarray(rows, dtype=spec.stored_dtypes[0])
        assert array.shape[1:] == spec.row_shape, (name, array.shape, spec.row_shape)
        data = array.reshape(-1).view(np.uint8).data
        self._checksums[name] = zlib.crc32(data, self._checksums[name])
        try:
            self._spools[name].write(data)
        except OSError as error:
            raise self._not_written(error) from None

    def finish(self, attributes: Attributes) -> None:
        """Write the HDF5 file with these attributes, and a fingerprint of all in it, and put it in its place."""
        partial = self._folder / "finished"
        shapes = {name: spec.row_shape for name, spec in self._specs.items()}
        mark = _fingerprint(self._kind, attributes, self._checksums, shapes)
        try:
            self._write_file(partial, attributes | {"fingerprint": mark})
            partial.replace(self._path)
        except OSError as error:
            raise self._not_written(error) from None

    def _begin_in_place(self, expected: Expected) -> None:
        """Let the arrays whose length is expected be written into what will be the file."""
        rows = dict.fromkeys(self._specs, 0) | dict(expected.rows)
        body = self._folder / "body"
        try:
            places = self._lay_out(body, expected.attributes | {"fingerprint": "0" * FINGERPRINT_LENGTH}, rows)
            body.write_bytes(b"")
            for name, place in places.items():
                if name in expected.rows and place is not None:
                    self._spools[name].close()
                    self._spools[name] = Region(body, place, rows[name] * self._specs[name].row_bytes)
        except OSError as error:
            self.__exit__()
            raise self._not_written(error) from None

    def _write_file(self, partial: Path, attributes: Attributes) -> None:
        rows = {name: self._spools[name].tell() // spec.row_bytes for name, spec in self._specs.items()}
        places = self._lay_out(partial, attributes, rows)
        regions = {name: spool for name, spool in self._spools.items() if isinstance(spool, Region)}
        if regions and all(region.start == places[name] and region.full for name, region in regions.items()):
            fill_between(sorted(regions.values(), key=attrgetter("start")), partial)
            places = {name: place for name, place in places.items() if name not in regions}
        with partial.open("r+b") as data:
            for name, place in places.items():
                if place is not None:
                    data.seek(place)
                    self._spools[name].seek(0)
                    shutil.copyfileobj(self._spools[name], data, COPY_BYTES)

    def _lay_out(self, partial: Path, attributes: Attributes, rows: Mapping[str, int]) -> dict[str, int | None]:
        """Write the file but for the bytes of uncompressed arrays; return their places."""
        with DeferredErrors(partial, "w+b") as target:
            with h5py.File(
                target, "w", libver=("v110", "v110"), alignment_threshold=1, alignment_interval=ALIGNMENT_BYTES
            ) as file:
                own: Attributes = {"kind": self._kind.name, "schema_version": self._kind.version}
                for key, value in (own | attributes).items():
                    _set_attribute(file.id, key, value)
                places = {name: self._add_dataset(file.id, spec, rows[name]) for name, spec in self._specs.items()}
            if target.error is not None:
                raise target.error
        return places

    def _add_dataset(self, file: Any, spec: ArraySpec, rows: int) -> int | None:
        """Make a dataset, and where it is compressed fill it; where it is not, return the place of its bytes."""
        spool, dtype = self._spools[spec.name], spec.stored_dtypes[0]
        shape = rows, *spec.row_shape
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_obj_track_times(False)
        settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        if spec.compression == "none":
            settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        else:
            settings.set_chunk((1, *spec.row_shape))
            _add_filters(settings, spec.compression)
        space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(dtype)
        dataset = h5py.h5d.create(file, spec.name.encode(), kind, space, settings)
        if spec.compression != "none":
            spool.seek(0)
            for row in range(shape[0]):
                values = np.frombuffer(spool.read(spec.row_bytes), dtype).reshape(1, *spec.row_shape)
                h5py.Dataset(dataset)[row : row + 1] = values
        _set_attribute(dataset, "crc32", np.uint32(self._checksums[spec.name]))
        return None if spec.compression != "none" else dataset.get_offset()

    def _not_written(self, error: OSError) -> DataError:
        other = DataError(f"{self._path}: cannot be written ({error}); check disk space and permissions")
        return refused(self._path, error, "written") or other


def _add_filters(settings: Any, compression: Compression) -> None:
    """Compress chunks fast; bytes of equal weight lie together first."""
    settings.set_shuffle()
    if compression == "gzip":
        settings.set_deflate(1)
    else:
        bring_lz4()
        settings.set_filter(LZ4_FILTER, h5py.h5z.FLAG_OPTIONAL)


def bring_lz4() -> None:
    """Teach HDF5 LZ4; raises DataError without the package that does it."""
    if not h5py.h5z.filter_avail(LZ4_FILTER):
        try:
            import hdf5plugin  # noqa: F401 (takes its time, and only LZ4 needs it)
        except ImportError:
            raise DataError(
                "LZ4 compression needs hdf5plugin; install it (pip install -r requirements.lock) "
                "or set preprocess.compression to gzip or none"
            ) from None


def read_arrays(
    path: Path, kind: FileKind, specs: tuple[ArraySpec, ...], verify: bool
) -> tuple[dict[str, Any], Attributes]:
    """Open a file's arrays, read-only, and read its attributes.

    Those stored as they are used are memory maps; compressed or narrower ones are `StoredRows`. HDF5 reads from the
    map, too: no file stays open, as there may be more shards than a process may have open files, and none is locked, as
    not every file system has locks. `specs` name the arrays and their types; a row_shape entry of -1 stands for any
    length. `verify` compares every array with its checksum and all of it with its fingerprint. Raises DataError when
    the file is missing, damaged, of another kind or version, or refused by the system.
    """
    if not path.is_file():
        problem = "in its place lies no file" if os.path.lexists(path) else f"there is no such {kind.name}"
        raise DataError(f"{path}: {problem}; {kind.remedy}")
    arrays: dict[str, Any] = {}
    checksums: dict[str, int] = {}
    try:
        buffer = map_file(path)
        with ExitStack() as stack:
            file = stack.enter_context(h5py.File(BytesReader(buffer), "r"))
            _check_kind(path, kind, file)
            if int.from_bytes(buffer[_END_OF_FILE].tobytes(), "little") != len(buffer):
                raise ValueError("it is not as long as it says")
            attributes = {key: _attribute(file, key) for key in file.attrs}
            for spec in specs:
                if not spec.optional or spec.name in file:
                    dataset = _checked_dataset(path, kind, file, spec)
                    arrays[spec.name] = array = _opened(path, kind, buffer, dataset, spec)
                    checksums[spec.name] = int(_attribute(dataset, "crc32"))
                    if verify and _checksum(array) != checksums[spec.name]:
                        raise DataError(f"{path}: damaged ({spec.name} does not match its checksum); {kind.remedy}")
            if any(file[name].chunks is not None for name in arrays):
                stack.pop_all()  # HDF5 reads their rows from the map until the last of them is gone
    except DataError:
        raise
    except _DAMAGE as error:
        raise _unreadable(path, kind, error) from None
    if verify:
        own = {key: value for key, value in attributes.items() if key not in ("kind", "schema_version", "fingerprint")}
        shapes = {name: array.shape[1:] for name, array in arrays.items()}
        if attributes.get("fingerprint") != _fingerprint(kind, own, checksums, shapes):
            raise DataError(f"{path}: damaged (its attributes do not match its fingerprint); {kind.remedy}")
    return arrays, attributes


def _unreadable(path: Path, kind: FileKind, error: Exception) -> DataError:
    problem = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError):
        return DataError(
            f"{path}: needs more memory than there is ({problem}); free some, or if that is damage {kind.remedy}"
        )
    return refused(path, error) or DataError(f"{path}: damaged or truncated ({problem}); {kind.remedy}")


_END_OF_FILE: Final = slice(28, 36)
"""Where an HDF5 file holds its length, in the layout that is written here (superblock 3)."""


def _fingerprint(
    kind: FileKind,
    attributes: Mapping[str, str | int | float],
    checksums: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> str:
    """A hash of all that a file holds: its kind, attributes, and the content and shape of its arrays."""
    content = json.dumps([kind.name, kind.version, attributes, checksums, shapes], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def _checked_dataset(path: Path, kind: FileKind, file: h5py.File, spec: ArraySpec) -> Any:
    dataset = file[spec.name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external or not dataset.shape:
        raise DataError(f"{path}: {spec.name} is no array as written; {kind.remedy}")
    matches = len(dataset.shape) == 1 + len(spec.row_shape) and all(
        expected in (-1, found) for expected, found in zip(spec.row_shape, dataset.shape[1:], strict=True)
    )
    matches = matches and dataset.chunks in (None, (1, *dataset.shape[1:]))
    if not matches or dataset.dtype not in spec.stored_dtypes:
        found = f"{str(dataset.dtype)[:60]} {dataset.shape}"
        raise DataError(f"{path}: {spec.name} is {found}, not as written; {kind.remedy}")
    return dataset


def _opened(
    path: Path, kind: FileKind, buffer: npt.NDArray[np.uint8], dataset: Any, spec: ArraySpec
) -> npt.NDArray[Any] | StoredRows:
    """A dataset as an array, of the mapped file's own bytes where they are as used."""
    if dataset.chunks is not None:
        settings = dataset.id.get_create_plist()
        filters = {settings.get_filter(number)[0] for number in range(settings.get_nfilters())}
        if not filters <= _FILTERS or dataset.id.get_num_chunks() != len(dataset):
            raise DataError(f"{path}: {spec.name} is not compressed as written; {kind.remedy}")
        if LZ4_FILTER in filters:
            bring_lz4()
        return StoredRows(dataset, spec.dtype)
    num_bytes = dataset.size * dataset.dtype.itemsize
    offset = dataset.id.get_offset() if num_bytes else 0
    if offset is None:
        raise DataError(f"{path}: {spec.name} was never written; {kind.remedy}")
    data = buffer[offset : offset + num_bytes]
    if len(data) != num_bytes:
        raise DataError(f"{path}: damaged ({spec.name} does not match its checksum); {kind.remedy}")
    array = data.view(dataset.dtype).reshape(dataset.shape)
    return array if array.dtype == np.dtype(spec.dtype) else StoredRows(array, spec.dtype)


def _checksum(array: npt.NDArray[Any] | StoredRows) -> int:
    """CRC-32 of an array's bytes as stored."""
    if isinstance(array, np.ndarray):
        return zlib.crc32(array.reshape(-1).view(np.uint8).data)
    checksum = 0
    for number in range(len(array)):
        checksum = zlib.crc32(np.ascontiguousarray(array.stored(number)).reshape(-1).view(np.uint8).data, checksum)
    return checksum


def _check_kind(path: Path, kind: FileKind, file: h5py.File) -> None:
    foreign = DataError(f"{path}: not a {kind.name} of this pipeline, or one of an older version; {kind.remedy}")
    try:
        found, version = _attribute(file, "kind"), _attribute(file, "schema_version")
    except (KeyError, ValueError):
        raise foreign from None
    if found != kind.name:
        raise foreign
    if version != kind.version:
        raise DataError(f"{path}: has schema version {version}, this code reads version {kind.version}; {kind.remedy}")


def _set_attribute(holder: Any, name: str, value: str | int | float | np.uint32) -> None:
    """Set an attribute by HDF5's own calls: h5py's take several times as long, and a shard has dozens.

    Text gets a field of its own length: HDF5 keeps others in a heap without checksum, where damage makes it hang.
    """
    array = np.asarray(value)
    if isinstance(value, str):
        array = np.array(value.encode(), dtype=h5py.string_dtype("utf-8", max(1, len(value.encode()))))
    kind = h5py.h5t.py_create(array.dtype, logical=True)
    attribute = h5py.h5a.create(holder, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(array)


def _attribute(holder: h5py.File | h5py.Dataset, name: str) -> str | int | float:
    """A number or a text; raises ValueError for anything else, of which nothing is read."""
    attribute = holder.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "Siuf":
        raise ValueError(f"attribute {name[:60]} is neither a number nor a text of fixed length")
    value = holder.attrs[name]
    return value.decode() if isinstance(value, bytes) else value.item()
