"""Safe names: names from the data end up in file names, tables, web pages and figures, where they must do no harm."""

import re
import zlib
from collections.abc import Sequence
from typing import Final

MAX_CHARACTERS: Final = 120
_FORBIDDEN: Final = re.compile(r"[^\w .,:()\[\]#/-]|^[-=+@]")


def is_plain(name: str) -> bool:
    """Return whether a name has only letters, digits and marks without a meaning in HTML, spreadsheets, shells, TeX."""
    return len(name) <= MAX_CHARACTERS and name.isprintable() and not _FORBIDDEN.search(name)


def plain(text: str) -> str:
    """Make a text `is_plain`: replace other characters by `_` and truncate it."""
    return _FORBIDDEN.sub("_", text[:MAX_CHARACTERS])


def file_name(parts: Sequence[str]) -> str:
    """A name for a file from the names of nested folders: letters, digits, `.`, `-` and `_` remain.

    Where other characters are replaced, a checksum at the end tells names apart.
    """
    whole = "_".join(parts)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", whole).lstrip(".-_")
    if name == whole and len(name) <= MAX_CHARACTERS:
        return name
    checksum = f"{zlib.crc32(whole.encode(errors='surrogateescape')):08x}"
    return f"{name[: MAX_CHARACTERS - 9]}_{checksum}".lstrip("_")
