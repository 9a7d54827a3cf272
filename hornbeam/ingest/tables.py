"""The table of a dataset: batches as they come from a reader, converted, cut anew, profiled and written.

One Arrow IPC file, uncompressed, so that training can map it. Leaves reading to the readers, and what the values mean
to `kinds`.
"""

import errno
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from hornbeam.ingest.kinds import Conversion
from hornbeam.ingest.kinds import field as arrow_field
from hornbeam.ingest.profiling import ColumnForm, ColumnProfile, TableProfile
from hornbeam.ingest.protocol import IngestLimits
from hornbeam.ingest.refusals import FileRefused, refused
from schemas.stored_datasets import ColumnKind

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 2**20
"""A batch of the table is written when it has so many rows, or bytes."""
_SYNC_BYTES = 64 * 2**20
"""So many bytes may be written and not on disk: the artifact store waits for them before the dataset is on record."""


@dataclass(frozen=True, slots=True)
class Written:
    """A table that is whole."""

    profile: TableProfile
    size: int
    sha256: str


def write_table(path: Path, conversions: Sequence[Conversion], batches: Iterable[Any], limits: IngestLimits) -> Written:
    """Write a table.

    Args:
        path: Where it is to be; what is there is replaced.
        conversions: One for each column.
        batches: Of the columns as the reader has them.
        limits: What a table may hold.

    Raises:
        FileRefused: For values that cannot be in the table, for one that is too large, and where there are no rows.
    """
    with path.open("wb", buffering=0) as file:
        growing = _GrowingTable(file, limits)
        pieces = _gathered(_converted(batches, conversions, limits.rows))
        if first := next(pieces, None):
            _write_beside(growing, [_form(conversion) for conversion in conversions], itertools.chain([first], pieces))
        profile = growing.finish()
    hashing = growing.hashing
    if not growing.schema.equals(_schema(profile), check_metadata=True):
        hashing = _written_with(path, _schema(profile), limits.table_bytes)
    return Written(profile, hashing.size, hashing.hexdigest())


def _write_beside(growing: "_GrowingTable", forms: Sequence[ColumnForm], batches: Iterable[list[list[Any]]]) -> None:
    """Write in a thread of its own while the next batch is read: half of the work is the reader's.

    What is wrong with rows is told before what is wrong with later ones, as if one were done after the other.
    """
    with ThreadPoolExecutor(1, "table") as beside:
        writing = None
        try:
            for pieces in batches:
                if writing is not None:
                    writing.result()
                writing = beside.submit(growing.add, pieces, forms)
        finally:
            if writing is not None:
                writing.result()


class _GrowingTable:
    """A table that is being written: profiled, hashed, and the schema of its first batch.

    Args:
        file: Empty.
        limits: What a table may hold.
    """

    def __init__(self, file: BinaryIO, limits: IngestLimits) -> None:
        self.hashing = _HashingFile(file, limits.table_bytes)
        self.schema: Any = None
        self._cell_bytes = limits.cell_bytes
        self._profile: TableProfile | None = None
        self._writer: Any = None

    def add(self, pieces: list[list[Any]], forms: Sequence[ColumnForm]) -> None:
        """One batch, in the pieces that it was read in. Raises FileRefused."""
        batch = _joined(pieces)
        if self._profile is None:
            self._profile = TableProfile(forms, self._cell_bytes)
        self._profile.update(batch)
        if self._writer is None:
            self.schema = _schema(self._profile)
            self._writer = pa.ipc.new_file(pa.PythonFile(self.hashing, mode="w"), self.schema)
        self._writer.write_batch(pa.record_batch(batch.columns, schema=self.schema))

    def finish(self) -> TableProfile:
        """What the table holds, now that all of it is there. Raises FileRefused where that is nothing."""
        if self._profile is None:
            raise refused("file.no_rows", "The file holds no rows.", "Bring a file with at least one row of data.")
        self._writer.close()
        return self._profile


def _written_with(path: Path, schema: Any, limit: int) -> "_HashingFile":
    """Write a table again because the kind of a column was not what its first batch let it seem: text, categories."""
    again = path.with_suffix(".again")
    with pa.memory_map(str(path)) as source, again.open("wb", buffering=0) as file:
        hashing = _HashingFile(file, limit)
        reader = pa.ipc.open_file(source)
        with pa.ipc.new_file(pa.PythonFile(hashing, mode="w"), schema) as writer:
            for number in range(reader.num_record_batches):
                writer.write_batch(pa.record_batch(reader.get_batch(number).columns, schema=schema))
    again.replace(path)
    return hashing


def _form(conversion: Conversion) -> ColumnForm:
    return ColumnForm(conversion.name, conversion.kind, conversion.type, conversion.shape)


def _schema(profile: TableProfile) -> Any:
    return pa.schema(
        [arrow_field(column.form.name, column.form.type, column.kind, _shape(column)) for column in profile.columns]
    )


def _shape(column: ColumnProfile) -> list[int | None]:
    """The shape that the schema tells: that of images is known only at the end, so the table does not tell it."""
    return [None, None, None] if column.kind is ColumnKind.IMAGE else column.form.shape


def _converted(batches: Iterable[Any], conversions: Sequence[Conversion], most_rows: int) -> Iterator[list[Any]]:
    rows = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        yield [convert(array, rows + 1) for convert, array in zip(conversions, batch.columns, strict=True)]
        rows += batch.num_rows
        if rows > most_rows:
            raise refused("file.too_many_rows", f"The file holds more than the {most_rows} rows that are allowed.")


def _gathered(batches: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    """Batches that are to be joined to a larger one: where they are cut depends on the reader's batches only."""
    pending: list[list[Any]] = []
    rows = size = 0
    for arrays in batches:
        pending.append(arrays)
        rows += len(arrays[0])
        size += sum(array.nbytes for array in arrays)
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            yield pending
            pending, rows, size = [], 0, 0
    if pending:
        yield pending


def _joined(pending: list[list[Any]]) -> Any:
    columns = [_joined_column(arrays) for arrays in zip(*pending, strict=True)]
    return pa.record_batch(columns, names=[str(number) for number in range(len(columns))])


def _joined_column(arrays: Sequence[Any]) -> Any:
    type_ = arrays[-1].type
    if pa.types.is_null(type_):
        raise refused(
            "column.array_shape",
            "A column of arrays has none in its first rows, so that their shape is not known.",
            "Begin with rows that have one.",
        )
    return pa.concat_arrays([array if array.type == type_ else pa.nulls(len(array), type_) for array in arrays])


class _HashingFile:
    """A file that is written once, from its beginning, and hashed as it is written."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._hash = hashlib.sha256()
        self._synced = 0
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Append; raises FileRefused beyond the limit."""
        data = memoryview(data)
        self.size += data.nbytes
        if self.size > self._limit:
            raise _too_large(self._limit)
        self._hash.update(data)
        while data.nbytes:
            data = data[self._written(data) :]
        if self.size - self._synced >= _SYNC_BYTES:
            os.fdatasync(self._file.fileno())
            self._synced = self.size
        return 0

    def tell(self) -> int:
        """The position."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """The file itself is closed by who opened it."""
        self.closed = True

    def hexdigest(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()

    def _written(self, data: memoryview) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise _too_large(self._limit) from error
            raise


def _too_large(limit: int) -> FileRefused:
    return refused("table.too_large", f"The table needs more than the {limit} bytes that are allowed for one.")
