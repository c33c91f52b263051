"""Damage to the bytes of a file, whatever its format: what disks, networks and hostile hands do to it."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeVar

import numpy as np

T = TypeVar("T")
Mutation = Callable[[bytes, np.random.Generator], bytes]

MAX_BLOCK_BYTES: Final = 256
NUMBERS: Final = (0, 1, *(2**bits - off for bits in (7, 8, 15, 16, 31, 32, 40, 62, 63) for off in (0, 1)))
"""Numbers at which counters, sizes and offsets break."""
TOKENS: Final = (
    *(b"\0", b"\xff\xff\xff\xff", b"nan", b"inf", b"-1", b"1e999", b"../../../etc/passwd", b"%s%n", b"\r\n", b";"),
    *(b"[" * 5000, b"(" * 300, b"{" * 300, b'"', b"'", b"\\u0000", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"<script>"),
    *(b"\x89PNG\r\n\x1a\n", b"IHDR", b"IDAT", b"IEND", b"\x93NUMPY", b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF\r\n\x1a\n"),
    *(b"OHDR", b"TREE", b"GCOL", b"FRHP", b"cos\nsystem\n", b"!!python/object/apply:os.system [x]", b"&a [*a]"),
)
"""Words that parsers give a meaning to."""


def chosen(options: Sequence[T], generator: np.random.Generator) -> T:
    """One of the options."""
    return options[int(generator.integers(len(options)))]


def flip_bits(data: bytes, generator: np.random.Generator) -> bytes:
    """Turn round one to eight bits."""
    if not data:
        return data
    array = bytearray(data)
    for place in generator.integers(0, len(array), generator.integers(1, 9)):
        array[place] ^= 1 << int(generator.integers(8))
    return bytes(array)


def overwrite(data: bytes, generator: np.random.Generator) -> bytes:
    """Put random bytes in place of a block."""
    start, stop = _block(data, generator)
    return data[:start] + generator.bytes(stop - start) + data[stop:]


def blank(data: bytes, generator: np.random.Generator) -> bytes:
    """Put zeros in place of a block, as a file system does after a crash."""
    start, stop = _block(data, generator)
    return data[:start] + bytes(stop - start) + data[stop:]


def truncate(data: bytes, generator: np.random.Generator) -> bytes:
    """Cut the end off."""
    return data[: int(generator.integers(0, len(data) + 1))]


def extend(data: bytes, generator: np.random.Generator) -> bytes:
    """Add random bytes at the end."""
    return data + generator.bytes(int(generator.integers(1, MAX_BLOCK_BYTES)))


def remove(data: bytes, generator: np.random.Generator) -> bytes:
    """Leave a block out."""
    start, stop = _block(data, generator)
    return data[:start] + data[stop:]


def repeat(data: bytes, generator: np.random.Generator) -> bytes:
    """Have a block twice or more."""
    start, stop = _block(data, generator)
    return data[:start] + data[start:stop] * int(generator.integers(2, 6)) + data[stop:]


def insert_token(data: bytes, generator: np.random.Generator) -> bytes:
    """Insert a word that some parser gives a meaning to, or put it over what stands there."""
    token = chosen(TOKENS, generator)
    place = _place(data, generator)
    return data[:place] + token + data[place + (len(token) if generator.random() < 0.5 else 0) :]


def overwrite_number(data: bytes, generator: np.random.Generator) -> bytes:
    """Put a number at which counters, sizes and offsets break over what stands there: 1 to 8 bytes, either order."""
    width = chosen((1, 2, 4, 8), generator)
    number = chosen(NUMBERS, generator) % (1 << 8 * width)
    place = _place(data, generator)
    order: Literal["little", "big"] = "little" if generator.random() < 0.5 else "big"
    return data[:place] + number.to_bytes(width, order) + data[place + width :]


BYTE_MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(flip_bits, overwrite, blank, truncate, extend, remove, repeat, insert_token, overwrite_number),
)


def splice(data: bytes, other: bytes, generator: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: _place(data, generator)] + other[_place(other, generator) :]


def mutated(seeds: Sequence[bytes], lie: Mutation, generator: np.random.Generator) -> bytes:
    """One of the files with one to four pieces of damage; every other time the first is a lie in its own format."""
    data = chosen(seeds, generator)
    if generator.random() < 0.5:
        data = lie(data, generator)
        if generator.random() < 0.7:
            return data
    elif generator.random() < 0.05:
        return splice(data, chosen(seeds, generator), generator)
    for _ in range(generator.integers(1, 4)):
        data = chosen(BYTE_MUTATIONS, generator)(data, generator)
    return data


def _place(data: bytes, generator: np.random.Generator) -> int:
    """Any place, every other time near the beginning, where headers are."""
    length = len(data) + 1
    return int(generator.integers(0, min(length, 512) if generator.random() < 0.5 else length))


def _block(data: bytes, generator: np.random.Generator) -> tuple[int, int]:
    start = _place(data, generator)
    return start, min(len(data), start + int(generator.integers(1, MAX_BLOCK_BYTES)))
