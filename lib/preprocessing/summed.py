"""Counts that add up."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True)
class Summed:
    """Base of dataclasses whose sum has the sum of each field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))
