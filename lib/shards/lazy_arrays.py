"""Arrays that are not simply mapped: rows decompressed, or widened to the type they are used in, when asked for."""

from collections.abc import Iterator
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt


class StoredRows:
    """Rows of `source`, an HDF5 dataset or a memory map, as `dtype`; read-only.

    Indexed like an array of `shape`; one row, which is how frames are read, takes one chunk of the file.
    `np.asarray` reads everything. Safe to read from several threads.
    """

    def __init__(self, source: Any, dtype: npt.DTypeLike) -> None:
        self._source = source
        self.dtype = np.dtype(dtype)
        self.shape: tuple[int, ...] = source.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The type in the file."""
        stored: np.dtype[Any] = self._source.dtype
        return stored

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) and key else (key,)
        if first is None or first is Ellipsis:
            return np.asarray(self)[key]
        try:
            row = self._row(range(len(self))[index(first)])
        except TypeError:
            numbers = np.arange(len(self))[first]
            rows = np.empty((numbers.size, *self.shape[1:]), self.dtype)
            for place, number in enumerate(numbers.flat):
                rows[place] = self._row(int(number))
            rows = rows.reshape(*numbers.shape, *self.shape[1:])
            return rows[(*(slice(None),) * numbers.ndim, *rest)]
        return row[tuple(rest)] if rest else row

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (self._row(number) for number in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        everything: npt.NDArray[Any] = self._source[...].astype(dtype or self.dtype)
        return everything

    def stored(self, number: int) -> npt.NDArray[Any]:
        """A row in the type and the bytes it has in the file."""
        row: npt.NDArray[Any] = self._source[number]
        return row

    def _row(self, number: int) -> npt.NDArray[Any]:
        return self.stored(number).astype(self.dtype, copy=False)
