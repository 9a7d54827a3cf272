"""NumPy's NPY and NPZ files: headers are checked before anything is allocated, and rows are read in pieces.

Leaves the ZIP that an NPZ is to `archives`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa

from hornbeam.ingest.archives import Member, ZipArchive
from hornbeam.ingest.compression import Readable
from hornbeam.ingest.kinds import field
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import quoted, refused
from schemas.stored_datasets import ColumnKind

NPY_COLUMN = "array"
"""The column of an NPY file, which has no names."""
_BATCH_BYTES = 8 * 2**20
_BATCH_ROWS = 65_536
_LARGEST_TO_TURN = 256 * 2**20
"""Bytes of an array in Fortran order in an NPZ, which has to be in memory as a whole to be read by rows."""
_VERSIONS: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(slots=True)
class StoredArray:
    """One array, at the beginning of its values."""

    name: str
    stream: Readable
    rows: int
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def row_bytes(self) -> int:
        """Of one row."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def field(self) -> Any:
        """As a column."""
        if not self.shape:
            kind = ColumnKind.BOOLEAN if self.dtype.kind == "b" else ColumnKind.NUMBER
            return field(self.name, pa.from_numpy_dtype(self.dtype.newbyteorder("=")), kind)
        number = pa.uint8() if self.dtype.kind == "b" else pa.from_numpy_dtype(_narrow(self.dtype))
        return field(self.name, pa.list_(number, math.prod(self.shape)), ColumnKind.ARRAY, self.shape)


class NpyReader:
    """Reads an array while it arrives; one in Fortran order when it is whole."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self) -> Reading:
        """Begin at the beginning."""
        stream = self._task.arrival.open()
        array = array_in(NPY_COLUMN, stream, "The file")
        check_row(array, self._task.limits.cell_bytes)
        if array.fortran:
            needed = stream.tell() + array.rows * array.row_bytes
            if self._task.arrival.wait_until_whole() < needed:
                raise _cut_off(array, "The file")
            shape = (array.rows, *array.shape)
            whole = np.memmap(self._task.arrival.path, array.dtype, "r", stream.tell(), shape, order="F")
            array.stream = _Turned(whole)
        options = self._task.options.model_copy(update={"format": self._task.format})
        return Reading([array.field], _batches([array]), options)


class NpzReader:
    """Reads the arrays of an NPZ side by side; they have the same number of rows."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self) -> Reading:
        """Begin at the beginning."""
        archive = ZipArchive(self._task.arrival, self._task.limits)
        if not archive.members:
            raise refused("file.no_rows", "The NPZ holds no arrays.")
        if len(archive.members) > self._task.limits.columns:
            raise refused("file.too_many_columns", f"The NPZ holds {len(archive.members)} arrays.")
        arrays = [self._array(archive, member) for member in archive.members]
        lengths = {array.name: array.rows for array in arrays}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{quoted(name)} {rows}" for name, rows in list(lengths.items())[:8])
            raise refused(
                "npz.lengths_differ",
                f"The arrays have different numbers of rows: {told}.",
                "Bring arrays of one length; what is to be tested with is a dataset of its own.",
            )
        options = self._task.options.model_copy(update={"format": self._task.format})
        return Reading([array.field for array in arrays], _batches(arrays), options)

    def _array(self, archive: ZipArchive, member: Member) -> StoredArray:
        where = f"The array {quoted(member.name)}"
        if member.suffix != ".npy":
            raise refused("npz.member", f"The NPZ holds {quoted(member.name)}, which is no array.")
        array = array_in(member.name.removesuffix(".npy"), archive.open(member), where)
        check_row(array, self._task.limits.cell_bytes)
        size = array.rows * array.row_bytes
        if size > member.size:
            raise _cut_off(array, where)
        if array.fortran:
            if size > _LARGEST_TO_TURN:
                raise refused(
                    "npz.fortran_order",
                    f"{where} is stored by columns, and too large ({size} bytes) to be turned.",
                    "Store it with `numpy.ascontiguousarray`.",
                )
            flat = np.frombuffer(array.stream.read(size), array.dtype)
            if flat.nbytes < size:
                raise _cut_off(array, where)
            array.stream = _Turned(flat.reshape((array.rows, *array.shape), order="F"))
        return array


def array_in(name: str, stream: Readable, where: str) -> StoredArray:
    """An array by its header.

    Args:
        name: Of the column.
        stream: At its beginning; it is left after the header.
        where: Names it in findings.

    Raises:
        FileRefused: Unless it holds rows of numbers.
    """
    try:
        shape, fortran, dtype = _VERSIONS[np.lib.format.read_magic(stream)](stream)
    except (KeyError, ValueError, SyntaxError, TypeError, EOFError, RecursionError, TokenError) as error:
        raise refused("npy.header", f"{where} has no header of an NPY file that can be read.") from error
    check_dtype(dtype, where)
    if not shape:
        raise refused("npy.no_rows", f"{where} is a single number; the first axis has to be that of the rows.")
    if not all(size > 0 for size in shape):
        raise refused("file.no_rows", f"{where} holds nothing: its shape is {list(shape)}.")
    return StoredArray(name, stream, shape[0], tuple(shape[1:]), dtype, fortran and len(shape) > 1)


def check_dtype(dtype: np.dtype[Any], where: str) -> None:
    """Raise FileRefused for what is not numbers."""
    if dtype.hasobject:
        raise refused(
            "npz.object_array",
            f"{where} holds Python objects, which are never loaded.",
            "Store numbers: `array.astype('float32')`.",
        )
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or dtype.subdtype:
        raise refused(
            "npz.dtype",
            f"{where} holds {quoted(str(dtype))}; only booleans, integers and floats of up to 64 bits can be read.",
            "Store numbers: of classes, their numbers.",
        )


def check_row(array: StoredArray, most: int) -> None:
    """Raise FileRefused for rows that are too large."""
    if array.row_bytes > most:
        raise refused(
            "cell.too_large",
            f"Each row of {quoted(array.name)}, of shape {list(array.shape)}, needs {array.row_bytes} bytes; "
            f"{most} are allowed.",
            "The first axis has to be that of the rows.",
        )


def _cut_off(array: StoredArray, where: str) -> Exception:
    return refused(
        "npy.cut_off",
        f"{where} declares {array.rows} rows of shape {list(array.shape)} and {array.dtype}, and holds fewer.",
        "Store it again, and send it again.",
    )


class _Turned:
    """An array in Fortran order, as the bytes of its rows."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole
        self._row = 0

    def read(self, size: int = -1, /) -> bytes:
        """The bytes of the next rows: as many as are asked for."""
        rows = size * len(self._whole) // self._whole.nbytes
        piece = self._whole[self._row : self._row + rows]
        self._row += rows
        return bytes(np.ascontiguousarray(piece).tobytes())


def _narrow(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """In this machine's order of bytes, and halves as floats."""
    return np.dtype("float32") if dtype.itemsize == 2 and dtype.kind == "f" else dtype.newbyteorder("=")


def _batches(arrays: list[StoredArray]) -> Iterator[Any]:
    total = arrays[0].rows
    at_once = max(1, min(_BATCH_ROWS, _BATCH_BYTES // sum(array.row_bytes for array in arrays)))
    for first in range(0, total, at_once):
        rows = min(at_once, total - first)
        yield pa.record_batch([_read(array, rows) for array in arrays], names=[array.name for array in arrays])
    for array in arrays:
        if array.stream.read(array.dtype.itemsize):
            raise refused("npy.too_long", f"The array {quoted(array.name)} goes on behind its {total} rows.")


def _read(array: StoredArray, rows: int) -> Any:
    data = array.stream.read(rows * array.row_bytes)
    if len(data) < rows * array.row_bytes:
        raise _cut_off(array, f"The array {quoted(array.name)}")
    values = np.frombuffer(data, array.dtype)
    if array.dtype.kind == "b":
        values = values.view(np.uint8) if array.shape else values != 0
    else:
        values = values.astype(_narrow(array.dtype), copy=False)
    numbers = pa.array(values)
    return pa.FixedSizeListArray.from_arrays(numbers, math.prod(array.shape)) if array.shape else numbers
