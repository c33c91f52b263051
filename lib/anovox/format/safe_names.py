"""Names that come with the data and end in file names, tables, web pages and pictures: none of them may do anything."""

import re
from typing import Final

MAX_CHARACTERS: Final = 120
_STRANGE: Final = re.compile(r"[^\w .,:()\[\]#/-]|^[-=+@]")


def is_plain(name: str) -> bool:
    """Say whether a name is letters, digits and marks that mean nothing to HTML, spreadsheets, shells and TeX."""
    return len(name) <= MAX_CHARACTERS and name.isprintable() and not _STRANGE.search(name)


def plain(text: str) -> str:
    """A text that `is_plain`: other characters become `_`, and what is too long is cut."""
    return _STRANGE.sub("_", text[:MAX_CHARACTERS])
