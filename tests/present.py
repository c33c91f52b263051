"""What a test knows of a value, for the type checker too."""

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """A value that is None elsewhere, and must not be here."""
    assert value is not None
    return value
