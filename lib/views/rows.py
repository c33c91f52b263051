"""Dataclasses of tensors that hold a row per frame."""

from typing import Self


class Rows:
    """A dataclass of tensors (B, ...), or of such dataclasses, whose rows can be taken by a slice."""

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(*(value[rows] for value in vars(self).values()))
