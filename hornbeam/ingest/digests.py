"""One digest for the values of a column, however they were cut into batches on their way.

Leaves the digest of the table's file to `tables`.
"""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa


class ColumnDigest:
    """SHA-256 over a column's values.

    What is hashed: the UTF-8 text of `dtype` and shape, then the SHA-256 of each of three sequences of bytes:

    1. the values that are there, one after the other: numbers, booleans (a byte each) and moments little-endian and
       as wide as they are stored, texts and images as their bytes, arrays as all their numbers in row-major order;
    2. for texts and images, the length of each in bytes, as little-endian int32; else nothing;
    3. the number of each row that has no value, from 0, as little-endian int64.

    So the same values in the same order give the same digest, in whatever batches they come, and it does not depend
    on the bytes that Arrow keeps where nothing is.
    """

    def __init__(self, dtype: str, shape: list[int | None]) -> None:
        self._what = f"{dtype} {shape}".encode()
        self._values = hashlib.sha256()
        self._lengths = hashlib.sha256()
        self._missing = hashlib.sha256()
        self._rows = 0

    def update(self, array: Any) -> None:
        """Take the next values, of a type that `kinds` stores."""
        rows = len(array)
        if array.null_count:
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            self._missing.update((np.flatnonzero(~valid) + self._rows).astype("<i8").data)
            array = array.drop_null()
        self._rows += rows
        if len(array):
            self._take(array)

    def hexdigest(self) -> str:
        """The digest of the values so far."""
        whole = hashlib.sha256(self._what)
        for part in (self._values, self._lengths, self._missing):
            whole.update(part.digest())
        return whole.hexdigest()

    def _take(self, array: Any) -> None:
        if pa.types.is_fixed_size_list(array.type):
            array = array.flatten()
        if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
            offsets = offsets_of(array)
            self._lengths.update(np.diff(offsets).astype("<i4").data)
            self._values.update(
                array.buffers()[2][int(offsets[0]) : int(offsets[-1])] if offsets[-1] > offsets[0] else b""
            )
        else:
            self._values.update(values_of(array).view(np.uint8).data)


def offsets_of(array: Any) -> Any:
    """Where the texts or bytes of an array begin and end in its data."""
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)
    return offsets[array.offset : array.offset + len(array) + 1]


def values_of(array: Any) -> Any:
    """The numbers, moments (as int64) or booleans (as uint8) of an array without missing values; without a copy."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    return array.to_numpy()
