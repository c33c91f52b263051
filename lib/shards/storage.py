"""Named arrays in an HDF5 file: checksummed, whole or not there, byte-identical for the same content."""

import hashlib
import json
import math
import os
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import h5py
import numpy as np
import numpy.typing as npt

from lib.common.errors import DataError, refused
from lib.common.outputs import temporary_file
from lib.shards.hdf5_files import BytesReader, DeferredErrors, map_file
from lib.shards.rows import Rows

Compression = Literal["none", "gzip", "lz4"]
Attributes = dict[str, str | int | float]

ALIGNMENT_BYTES: Final = 64
LZ4_FILTER: Final = 32004
_FILTERS: Final[dict[Compression, dict[str, Any]]] = {
    "none": {},
    "gzip": {"shuffle": True, "compression": "gzip", "compression_opts": 1},
    "lz4": {"shuffle": True, "compression": LZ4_FILTER},
}
_END_OF_FILE: Final = slice(28, 36)
"""Where an HDF5 file holds its length, in the layout that is written here (superblock 3)."""
# Whatever h5py and NumPy raise over a damaged file.
_DAMAGE: Final = (
    *(OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError),
)


@dataclass(frozen=True)
class FileKind:
    """What a file holds and how to make it anew: `name` and `version` stand in it, `remedy` in the errors."""

    name: str
    version: int
    remedy: str


@dataclass(frozen=True)
class ArraySpec:
    """An array of rows of `row_shape`, where -1 stands for any length, used as `dtype`.

    `by_row`: each row is a chunk of the file, compressed and read by itself (`Rows`), and may be stored as narrower
    floats than `dtype`; else the array is read as a whole, as a memory map.
    """

    name: str
    dtype: str
    row_shape: tuple[int, ...] = ()
    by_row: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, before compression."""
        return np.dtype(self.dtype).itemsize * math.prod(self.row_shape)


class ArrayFileWriter:
    """Write arrays whose number of rows nobody knows beforehand; the file appears whole or not at all.

    Used as a context manager: `append` rows, then `finish`; leaving without `finish` leaves nothing behind. Arrays
    `by_row` are written, and compressed, at once; the others stay in memory until the end.
    """

    def __init__(
        self, path: Path, kind: FileKind, specs: tuple[ArraySpec, ...], compression: Compression = "none"
    ) -> None:
        """Start a file; raises DataError when its folder cannot be written."""
        self._path, self._kind, self._specs = path, kind, {spec.name: spec for spec in specs}
        self._compression, self._filters = compression, _FILTERS[compression]
        if compression == "lz4":
            bring_lz4()
        self._parts: dict[str, list[npt.NDArray[Any]]] = {spec.name: [] for spec in specs if not spec.by_row}
        self._checksums = dict.fromkeys(self._specs, 0)
        with ExitStack() as stack:
            self._partial = stack.enter_context(temporary_file(path))
            try:
                self._target = stack.enter_context(DeferredErrors(self._partial, "w+b"))
            except OSError as error:
                raise self._not_written(error) from None
            # Without a cache of chunks, each is written when it is appended.
            layout = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": ALIGNMENT_BYTES}
            self._file = stack.enter_context(h5py.File(self._target, "w", rdcc_nbytes=0, **layout))
            self._rows = {spec.name: self._add_rows(spec) for spec in specs if spec.by_row}
            self._work = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._work.close()

    def append(self, name: str, rows: npt.ArrayLike) -> None:
        """Append rows (n, *row_shape) to an array."""
        spec = self._specs[name]
        array = np.ascontiguousarray(rows, dtype=spec.dtype)
        assert array.shape[1:] == spec.row_shape, (name, array.shape, spec.row_shape)
        self._checksums[name] = zlib.crc32(_bytes_of(array), self._checksums[name])
        if not spec.by_row:
            self._parts[name].append(array)
            return
        dataset = self._rows[name]
        first = len(dataset)
        dataset.resize(first + len(array), axis=0)
        for number, row in enumerate(array, first):
            if self._compression == "none":  # as the next line does, in a fraction of the time
                dataset.id.write_direct_chunk((number, *[0] * row.ndim), row)
            else:
                dataset[number] = row
        self._check_written()

    def finish(self, attributes: Attributes) -> None:
        """Complete the file with these attributes, and a fingerprint of all in it, and put it in its place."""
        shapes = {name: spec.row_shape for name, spec in self._specs.items()}
        mark = _fingerprint(self._kind, attributes, self._checksums, shapes)
        own: Attributes = {"kind": self._kind.name, "schema_version": self._kind.version, "fingerprint": mark}
        for name, parts in self._parts.items():
            spec = self._specs[name]
            whole = np.concatenate([np.empty((0, *spec.row_shape), spec.dtype), *parts])
            self._file.create_dataset(name, data=whole)
        for name, checksum in self._checksums.items():
            self._file[name].attrs["crc32"] = np.uint32(checksum)
        for name, value in (own | attributes).items():
            _set_attribute(self._file, name, value)
        self._file.close()
        self._check_written()
        try:
            self._target.close()
            self._partial.replace(self._path)
        except OSError as error:
            raise self._not_written(error) from None

    def _add_rows(self, spec: ArraySpec) -> h5py.Dataset:
        shape, unlimited, chunk = ((rows, *spec.row_shape) for rows in (0, None, 1))
        return self._file.create_dataset(
            spec.name, shape, spec.dtype, maxshape=unlimited, chunks=chunk, fill_time="never", **self._filters
        )

    def _check_written(self) -> None:
        if self._target.error is not None:
            raise self._not_written(self._target.error) from None

    def _not_written(self, error: OSError) -> DataError:
        other = DataError(f"{self._path}: cannot be written ({error}); check disk space and permissions")
        return refused(self._path, error, "written") or other


def write_arrays(path: Path, kind: FileKind, specs: tuple[ArraySpec, ...], source: object, own: Attributes) -> None:
    """Write a file of the arrays that an object has by their names, and of attributes."""
    with ArrayFileWriter(path, kind, specs) as file:
        for spec in specs:
            file.append(spec.name, getattr(source, spec.name))
        file.finish(own)


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
    """Open a file's arrays, read-only: memory maps, or `Rows`; and read its attributes.

    HDF5 reads from the map, too: no file stays open, as there may be more shards than a process may have open files,
    and none is locked, as not every file system has locks. `verify` compares all with checksums and fingerprint.
    Raises DataError when the file is missing, damaged, of another kind or version, or refused by the system.
    """
    if not path.is_file():
        problem = "in its place lies no file" if os.path.lexists(path) else f"there is no such {kind.name}"
        raise DataError(f"{path}: {problem}; {kind.remedy}")
    try:
        buffer = map_file(path)
        file = h5py.File(BytesReader(buffer), "r", rdcc_nbytes=0)
        _check_kind(path, kind, file)
        if int.from_bytes(buffer[_END_OF_FILE], "little") != len(buffer):
            raise ValueError("it is not as long as it says")
        attributes = {key: _attribute(file, key) for key in file.attrs}
        arrays = {spec.name: _opened(file, buffer, spec) for spec in specs}
        if verify:
            _verify(kind, file, arrays, attributes)
    except DataError:
        raise
    except _DAMAGE as error:
        raise _unreadable(path, kind, error) from None
    return arrays, attributes


def _check_kind(path: Path, kind: FileKind, file: h5py.File) -> None:
    foreign = DataError(f"{path}: not a {kind.name} of this pipeline, or one of an older version; {kind.remedy}")
    try:
        found, version = _attribute(file, "kind"), _attribute(file, "schema_version")
    except (KeyError, ValueError):
        raise foreign from None
    if found != kind.name:
        raise foreign
    if version != kind.version:
        raise DataError(f"{path}: was written with schema {version}, this version reads {kind.version}; {kind.remedy}")


def _opened(file: h5py.File, buffer: memoryview, spec: ArraySpec) -> npt.NDArray[Any] | Rows:
    """A dataset as an array of the mapped file's own bytes, or by row; raises ValueError unless it is as written."""
    dataset, wanted = file[spec.name], np.dtype(spec.dtype)
    rows, *row_shape = dataset.shape
    sizes_fit = len(row_shape) == len(spec.row_shape) and all(
        want in (-1, found) for want, found in zip(spec.row_shape, row_shape, strict=True)
    )
    narrower = spec.by_row and dataset.dtype.kind == wanted.kind == "f" and np.can_cast(dataset.dtype, wanted)
    if not sizes_fit or not (dataset.dtype == wanted or narrower):
        raise ValueError(f"{spec.name} is {str(dataset.dtype)[:60]} {dataset.shape}, not as written")
    row_bytes = dataset.dtype.itemsize * math.prod(row_shape)
    misplaced = ValueError(f"{spec.name} does not lie in the file as written")
    if not spec.by_row:
        place = dataset.id.get_offset() if rows * row_bytes else 0
        if place is None or place + rows * row_bytes > len(buffer):
            raise misplaced
        return np.ndarray(dataset.shape, wanted, buffer, place)
    if dataset.chunks != (1, *row_shape) or dataset.id.get_num_chunks() != rows:
        raise misplaced
    settings = dataset.id.get_create_plist()
    if settings.get_nfilters():
        if settings.get_filter_by_id(LZ4_FILTER):
            bring_lz4()
        return Rows(dataset, wanted, buffer, None)
    chunks: list[Any] = []
    dataset.id.chunk_iter(chunks.append)
    places = [place for _, place in sorted((chunk.chunk_offset[0], chunk.byte_offset) for chunk in chunks)]
    if max(places, default=0) + row_bytes > len(buffer):
        raise misplaced
    return Rows(dataset, wanted, buffer, places)


def _verify(kind: FileKind, file: h5py.File, arrays: Mapping[str, Any], attributes: Attributes) -> None:
    """Raise ValueError unless all arrays and attributes are as written."""
    checksums = {name: int(_attribute(file[name], "crc32")) for name in arrays}
    for name, array in arrays.items():
        found = 0
        for part in map(array.stored, range(len(array))) if isinstance(array, Rows) else [array]:
            found = zlib.crc32(_bytes_of(part), found)
        if found != checksums[name]:
            raise ValueError(f"{name} does not match its checksum")
    own = {key: value for key, value in attributes.items() if key not in ("kind", "schema_version", "fingerprint")}
    shapes = {name: array.shape[1:] for name, array in arrays.items()}
    if attributes.get("fingerprint") != _fingerprint(kind, own, checksums, shapes):
        raise ValueError("its attributes do not match its fingerprint")


def _fingerprint(kind: FileKind, *content: Mapping[str, Any]) -> str:
    """A hash of all that a file holds: its kind, attributes, and the checksums and row shapes of its arrays."""
    text = json.dumps([kind.name, kind.version, *content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _unreadable(path: Path, kind: FileKind, error: Exception) -> DataError:
    problem = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError):
        return DataError(
            f"{path}: needs more memory than there is ({problem}); free some, or if that is damage {kind.remedy}"
        )
    return refused(path, error) or DataError(f"{path}: damaged or truncated ({problem}); {kind.remedy}")


def _set_attribute(file: h5py.File, name: str, value: str | int | float) -> None:
    """Text gets a field of its own length: HDF5 keeps others in a heap without checksum, where damage makes it hang."""
    if isinstance(value, str):
        data = value.encode()
        file.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(1, len(data))))
    else:
        file.attrs[name] = value


def _attribute(holder: h5py.File | h5py.Dataset, name: str) -> str | int | float:
    """A number or a text; raises ValueError for anything else, of which nothing is read."""
    attribute = holder.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind not in "Siuf":
        raise ValueError(f"attribute {name[:60]} is neither a number nor a text of fixed length")
    value = holder.attrs[name]
    return value.decode() if isinstance(value, bytes) else value.item()
