"""Columns that are not in memory as a whole: rows are gathered as they are asked for.

Each behaves as far like an array as a feed needs: a shape, a dtype, and rows by their numbers. Leaves where the values
come from to `workers.training.tables`.
"""

import mmap
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Numbers = NDArray[np.int64]
Shape = tuple[int | None, ...]

_HELD_BYTES = 64 * 2**20
"""What was read of a mapped file is let go of after so much: it would count as memory of this process."""


class Column(ABC):
    """Rows that can be gathered by their numbers. Any thread may ask."""

    shape: Shape
    """(rows, ...); None where values differ in size."""
    dtype: np.dtype[Any]

    @property
    def is_piped(self) -> bool:
        """Whether TensorFlow makes the rows, where it is the backend; see `workers.training.row_pipelines`."""
        return False

    @abstractmethod
    def __getitem__(self, numbers: Numbers) -> Array:
        """These rows, in this order."""

    def __len__(self) -> int:
        rows = self.shape[0]
        return 0 if rows is None else rows


AnyColumn = Array | Column
Columns = AnyColumn | Mapping[str, AnyColumn]
"""One, or one for each input or output of a model that has several."""


class OnDisk(Column):
    """A matrix in a file of our own, which may be larger than memory."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        """Make room for float32 numbers of this shape."""
        self._values = np.memmap(path, np.float32, "w+", shape=shape)
        self.shape, self.dtype = shape, self._values.dtype
        self._touched = 0

    def write(self, first: int, rows: Array) -> None:
        """Put rows at a place."""
        self._values[first : first + len(rows)] = rows
        self._let_go(rows.nbytes)

    def __getitem__(self, numbers: Numbers) -> Array:
        gathered = np.asarray(self._values[numbers])
        self._let_go(gathered.nbytes)
        return gathered

    def _let_go(self, touched: int) -> None:
        self._touched += touched
        if self._touched > _HELD_BYTES:
            self._touched = 0
            self._values.flush()
            mapped: mmap.mmap = self._values._mmap  # type: ignore[attr-defined]  # noqa: SLF001 - NumPy's documented way to the map
            mapped.madvise(mmap.MADV_DONTNEED)


class Chosen(Column):
    """Some rows of another column."""

    def __init__(self, column: Column, numbers: Numbers) -> None:
        self.column, self.numbers = column, numbers
        self.shape, self.dtype = (len(numbers), *column.shape[1:]), column.dtype

    @property
    def is_piped(self) -> bool:
        """As the other column."""
        return self.column.is_piped

    def __getitem__(self, numbers: Numbers) -> Array:
        return self.column[self.numbers[numbers]]


class Made(Column):
    """Rows that are made anew each time that they are asked for: they would not even fit on disk.

    Args:
        make: Makes the rows of these numbers.
        shape: Of all of them.
        dtype: Of each number.
    """

    def __init__(self, make: Callable[[Numbers], Array], shape: Shape, dtype: str) -> None:
        self._make, self.shape, self.dtype = make, shape, np.dtype(dtype)

    def __getitem__(self, numbers: Numbers) -> Array:
        return self._make(numbers)


class Windows(Column):
    """Rows that follow each other, taken together.

    Args:
        column: The rows.
        firsts: The number of each window's first row.
        length: Rows in a window.
    """

    def __init__(self, column: AnyColumn, firsts: Numbers, length: int) -> None:
        self._column, self._firsts, self._offsets = column, firsts, np.arange(length)
        self.shape, self.dtype = (len(firsts), length, *column.shape[1:]), column.dtype

    def __getitem__(self, numbers: Numbers) -> Array:
        rows = self._firsts[numbers][:, None] + self._offsets
        gathered = self._column[rows.reshape(-1)]
        return gathered.reshape(*rows.shape, *gathered.shape[1:])


def taken(column: AnyColumn, numbers: Numbers) -> AnyColumn:
    """Some rows of a column."""
    return Chosen(column, numbers) if isinstance(column, Column) else column[numbers]


def in_memory(column: AnyColumn) -> Array:
    """All rows of a column."""
    return column[np.arange(len(column))] if isinstance(column, Column) else column
