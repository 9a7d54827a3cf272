"""Arrays in lists that may be of any length, brought to one shape: that of the first.

Leaves single values to `kinds`.
"""

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hornbeam.ingest.refusals import FileRefused, quoted, refused


class NestedLists:
    """Turns lists of lists of numbers into fixed-size lists of all the numbers of an array, row by row."""

    def __init__(self, name: str, shape: list[int | None] | None = None) -> None:
        self._name = name
        self.shape = [size for size in shape if size is not None] if shape else None
        """Of one array; None until one was seen."""

    def __call__(self, array: Any, first_row: int) -> Any:
        """The arrays of some rows; raises FileRefused for one of another shape.

        While there was none at all, the rows are of Arrow's type `null`.
        """
        if pa.types.is_fixed_size_list(array.type) and self.shape and array.type.list_size == math.prod(self.shape):
            return array
        present = array.drop_null()
        if not len(present):
            if self.shape is None:
                return pa.nulls(len(array))
            return pa.nulls(len(array), pa.list_(_number(array.type), math.prod(self.shape)))
        numbers, shape = self._flattened(present, array, first_row)
        if self.shape is None:
            self.shape = shape
        if shape != self.shape:
            raise self._other_shape(shape, first_row)
        size = math.prod(self.shape)
        if not array.null_count:
            return pa.FixedSizeListArray.from_arrays(numbers, size)
        valid = array.is_valid()
        places = pc.if_else(valid, pc.subtract(pc.cumulative_sum(valid.cast(pa.int64())), 1), None)
        return pa.FixedSizeListArray.from_arrays(numbers, size).take(places)

    def _flattened(self, present: Any, array: Any, first_row: int) -> tuple[Any, list[int]]:
        """All numbers, and the one shape of the arrays; `present` are those of `array` that are not null."""
        shape: list[int] = []
        inner, rows = present, len(present)
        while _is_list(inner.type):
            size = self._one_length(inner, len(inner) // rows, array, first_row)
            shape.append(size)
            inner = inner.flatten()
        if inner.null_count:
            raise self._refused("has arrays in which numbers are missing")
        if pa.types.is_boolean(inner.type):
            inner = inner.cast(pa.uint8())
        if pa.types.is_float16(inner.type):
            inner = inner.cast(pa.float32())
        return inner, shape

    def _one_length(self, lists: Any, to_a_row: int, array: Any, first_row: int) -> int:
        """The length of all the lists."""
        if lists.null_count:
            raise self._refused("has arrays in which lists are missing")
        lengths = pc.list_value_length(lists)
        usual = lengths[0].as_py()
        others = pc.indices_nonzero(pc.not_equal(lengths, usual))
        if len(others):
            place = pc.indices_nonzero(pc.is_valid(array))[others[0].as_py() // to_a_row].as_py()
            raise self._refused(
                f"has arrays of different shapes: {usual} and {lengths[others[0].as_py()].as_py()} long",
                row=first_row + place,
            )
        if not usual:
            raise self._refused("has empty arrays", row=first_row)
        return int(usual)

    def _other_shape(self, shape: list[int], row: int) -> FileRefused:
        return self._refused(f"has arrays of different shapes: {self.shape} and {shape}", row=row)

    def _refused(self, what: str, row: int | None = None) -> FileRefused:
        where = "" if row is None else f"Row {row}: "
        return refused(
            "column.array_shape",
            f"{where}Column {quoted(self._name)} {what}.",
            "Give all arrays one shape, by padding or cutting them.",
        )


def _is_list(type_: Any) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _number(type_: Any) -> Any:
    while _is_list(type_):
        type_ = type_.value_type
    if pa.types.is_boolean(type_):
        return pa.uint8()
    return pa.float32() if pa.types.is_float16(type_) else type_
