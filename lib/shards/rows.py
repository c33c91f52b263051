"""Arrays that stay in their file until a row is asked for."""

from collections.abc import Iterator, Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt


class Rows:
    """Rows of an HDF5 dataset of one chunk per row, as `dtype`; read-only.

    Indexed like an array of `shape`. A row is a view of the mapped file where it lies there as it is used, and else
    decompressed or widened; `np.asarray`, and keys that begin with anything but a number, copy all rows. Safe to read
    from several threads, and in processes forked from this one.
    """

    def __init__(self, dataset: Any, dtype: npt.DTypeLike, buffer: memoryview, places: Sequence[int] | None) -> None:
        """`places`: where each row begins in the bytes of the file; None where HDF5 is to read them."""
        self.dtype = np.dtype(dtype)
        self.shape: tuple[int, ...] = dataset.shape
        self._stored_dtype: np.dtype[Any] = dataset.dtype
        self._buffer, self._places = buffer, places
        self._dataset: Any = None if places is not None else dataset  # which keeps the file open in HDF5

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) and key else (key, ())
        try:
            number = index(first)
        except TypeError:
            return np.asarray(self)[key]
        row = self.stored(number).astype(self.dtype, copy=False)
        return row[rest] if rest else row

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        everything = np.empty(self.shape, dtype or self.dtype)
        for number, row in enumerate(self):
            everything[number] = row
        return everything

    def stored(self, number: int) -> npt.NDArray[Any]:
        """A row in the type and the bytes it has in the file."""
        if self._places is not None:
            return np.ndarray(self.shape[1:], self._stored_dtype, self._buffer, self._places[number])
        row: npt.NDArray[Any] = self._dataset[number]
        return row
