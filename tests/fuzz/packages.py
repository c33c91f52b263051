"""Damage that knows the format: HDF5 files and archives whose structure lies."""

import gzip
import io
import tarfile
import zipfile
import zlib
from functools import cache
from typing import Any, Final, Literal

import h5py
import numpy as np

from tests.fuzz.lies import VALUES
from tests.fuzz.mutations import BYTE_MUTATIONS, chosen

_NAMES: Final = (
    *("../evil", "/evil", "a/../../evil", "..", ".", "", "C:\\evil", "a\\..\\evil", "a\0b", "a\nb", "\x1b[2J", "a/"),
    *("x" * 300, "a/" * 200 + "b", "Scenario_x", ".x.partial", "\udcff", "CON", "~/evil", "$HOME/evil", "-rf"),
)
_SIZES: Final = (0, 1, 511, 2**31, 2**40, 2**62)
_SHAPES: Final = ((), (0,), (1,), (2**40,), (2, 2**40), (1, 1, 1, 1), (3, 4), (2, 3))
_TYPES: Final = ("<f4", "<f8", "|u1", "<i8", ">i4", "<u2", "S5", "<c8")
HUGE: Final = 12_000_000


def lying_hdf5(data: bytes, generator: np.random.Generator) -> bytes:
    """A sound HDF5 file in which an attribute or a dataset is missing, or of another type, shape or storage."""
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        if generator.random() < 0.5:
            _change_attribute(file, generator)
        else:
            _change_dataset(file, generator)
    return stream.getvalue()


def _change_attribute(file: h5py.File, generator: np.random.Generator) -> None:
    holder = file if generator.random() < 0.8 else file[chosen(list(file), generator)]
    name = chosen(list(holder.attrs), generator)
    old = holder.attrs[name]
    del holder.attrs[name]
    values: tuple[Any, ...] = (None, np.zeros(3), np.array([b"x"]), b"bytes", "text", np.nan, -1, 0, 2**40, 1e308, True)
    value = chosen(
        (*values, *[v for v in VALUES if isinstance(v, str) and v.isprintable()], h5py.Empty("f")), generator
    )
    if isinstance(old, float | int | np.number) and generator.random() < 0.3:
        value = float(old) * chosen((-1, 0, 2, 1e30), generator)
    if value is not None:
        holder.attrs[name] = value


def _change_dataset(file: h5py.File, generator: np.random.Generator) -> None:
    name = chosen(list(file), generator)
    array = file[name][()]
    del file[name]
    kind = int(generator.integers(9))
    if kind == 0:
        file.create_group(name)
    elif kind == 1:
        file[name] = h5py.SoftLink(chosen(("/", "/image", f"/{name}"), generator))
    elif kind == 2:
        file[name] = h5py.ExternalLink("/etc/passwd", "/x")
    elif kind == 3:
        places = [("/etc/passwd", 0, max(1, array.nbytes))]
        file.create_dataset(name, array.shape, array.dtype, external=places)
    elif kind == 4:
        file.create_dataset(name, data=array, chunks=True, compression="gzip")
    elif kind == 5:  # promised, never written
        file.create_dataset(name, chosen(_SHAPES, generator), chosen(_TYPES, generator))
    elif kind == 6:
        file.create_dataset(name, data=_other_numbers(array, generator))
    else:
        file.create_dataset(name, data=_other_numbers(array, generator)).attrs["crc32"] = np.uint32(0)
        if kind == 8:
            file[name].attrs["crc32"] = np.uint32(zlib.crc32(np.ascontiguousarray(file[name][()]).tobytes()))


def _other_numbers(array: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """The array with a part cut off, or with numbers that its readers do not expect."""
    changed = array.copy()
    if array.size == 0 or generator.random() < 0.2:
        return changed[: max(0, len(changed) - 1)]
    limits = np.finfo(array.dtype) if array.dtype.kind == "f" else np.iinfo(array.dtype)
    numbers = [limits.min, limits.max, 0, 1, *([np.nan, np.inf] if array.dtype.kind == "f" else [])]
    changed.reshape(-1)[int(generator.integers(array.size))] = chosen(numbers, generator)
    return changed


def lying_tar(data: bytes, generator: np.random.Generator) -> bytes:
    """A .tar.gz with damage below the compression, or with a member whose name, kind or size is not to be trusted."""
    inner = gzip.decompress(data)
    if generator.random() < 0.4:
        return _packed(chosen(BYTE_MUTATIONS, generator)(inner, generator))
    member = tarfile.TarInfo(chosen(_NAMES, generator))
    kinds = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    member.type = chosen((*kinds, tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, b"Z"), generator)
    member.linkname = chosen(_NAMES, generator) if member.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    member.size = chosen(_SIZES, generator)
    form: Literal[1, 2] = tarfile.PAX_FORMAT if generator.random() < 0.5 else tarfile.GNU_FORMAT
    if form == tarfile.PAX_FORMAT and generator.random() < 0.5:
        member.pax_headers = {
            chosen(("size", "path", "GNU.sparse.size", "mtime", "x"), generator): chosen(_PAX, generator)
        }
    try:
        header = member.tobuf(form, "utf-8", "surrogateescape")
    except ValueError:  # a number that this form of header cannot hold
        header = generator.bytes(512)
    if generator.random() < 0.05:
        return gzip.compress(header, 1) + _bomb()
    return _packed(header + inner if generator.random() < 0.7 else inner[:-1024] + header + bytes(1024))


_PAX: Final = ("", "-1", "99999999999999999999", "../x", "x" * 2_000, "nan", "0")


def lying_zip(data: bytes, generator: np.random.Generator) -> bytes:
    """A .zip with a member whose name, kind, size or compression is not to be trusted."""
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a") as file:
        member = zipfile.ZipInfo("placeholder")
        member.filename = chosen(_NAMES, generator).replace("\udcff", "\xff") or "x"
        member.external_attr = chosen((0, 0o120777 << 16, 0o100644 << 16, 0o20666 << 16, 0o40755 << 16), generator)
        member.compress_type = chosen((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), generator)
        file.writestr(member, b"content" * int(generator.integers(1, 20)))
        if generator.random() < 0.03:
            file.writestr("bomb", _zeros(), zipfile.ZIP_DEFLATED)
        for found in file.infolist():
            if generator.random() < 0.2:
                field = chosen(("CRC", "compress_size", "file_size", "header_offset", "flag_bits"), generator)
                setattr(
                    found,
                    field,
                    chosen((*_SIZES[:3], 2**31, 2**40), generator) % (2**16 if field == "flag_bits" else 2**63),
                )
                if field == "CRC":
                    found.CRC %= 2**32
        file.NameToInfo["placeholder"] = member
    return stream.getvalue()


def _packed(inner: bytes) -> bytes:
    return gzip.compress(inner, 1)


@cache
def _zeros() -> bytes:
    return bytes(HUGE)


@cache
def _bomb() -> bytes:
    return gzip.compress(_zeros(), 9)
