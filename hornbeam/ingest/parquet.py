"""Parquet files: their metadata is checked first, and text is decoded only once its size is known.

A dictionary of a few large texts can stand for a table of any size; so texts are read as dictionaries, and batches are
cut until what they decode to is small. Leaves nested types, which are refused, to `kinds`.
"""

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from hornbeam.ingest.compression import GRACE
from hornbeam.ingest.csv_dialect import check_names
from hornbeam.ingest.kinds import Conversion
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import FileRefused, quoted, refused

_BATCH_ROWS = 65_536
_BATCH_BYTES = 8 * 2**20
_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas writes beside the columns."""
_DAMAGED = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowException, OSError, UnicodeDecodeError)


class ParquetReader:
    """Reads one Parquet file, once it is whole."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self) -> Reading:
        """Begin at the beginning."""
        size = self._task.arrival.wait_until_whole()
        file = self._opened(read_dictionary=None)
        check_metadata(file.metadata, self._task, size)
        fields = [field for field in self._schema(file) if not _INDEX.fullmatch(field.name)]
        check_names([field.name for field in fields])
        for field in fields:
            check_type(field)
        large = [field.name for field in fields if _of_any_size(field.type)]
        file = self._opened(read_dictionary=large)
        options = self._task.options.model_copy(update={"format": self._task.format})
        return Reading(fields, self._batches(file, fields), options)

    def _opened(self, read_dictionary: list[str] | None) -> Any:
        path = str(self._task.arrival.path)
        try:
            return parquet.ParquetFile(
                path,
                memory_map=True,
                pre_buffer=False,
                read_dictionary=read_dictionary,
                page_checksum_verification=True,
                thrift_string_size_limit=64 * 2**20,
                thrift_container_size_limit=10_000_000,
            )
        except _DAMAGED as error:
            raise _damaged(error) from error

    @staticmethod
    def _schema(file: Any) -> Any:
        try:
            return file.schema_arrow
        except _DAMAGED as error:
            raise _damaged(error) from error

    def _batches(self, file: Any, fields: list[Any]) -> Iterator[Any]:
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, sum(_width(field.type) for field in fields))))
        batches = file.iter_batches(rows, columns=[field.name for field in fields], use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except _DAMAGED as error:
                raise _damaged(error) from error
            if batch is None:
                return
            for piece in _cut(batch, self._task.limits.cell_bytes):
                # A dictionary is spelled out here, where it is known to be small enough.
                yield pa.record_batch([_spelled_out(column) for column in piece.columns], names=piece.schema.names)


def check_metadata(metadata: Any, task: Task, size: int) -> None:
    """Raise FileRefused for a file that says itself that it is too large."""
    limits = task.limits
    if metadata.num_columns > limits.columns:
        raise refused("file.too_many_columns", f"The file has {metadata.num_columns} columns.")
    if metadata.num_rows > limits.rows:
        raise refused("file.too_many_rows", f"The file has {metadata.num_rows} rows; {limits.rows} are allowed.")
    plain = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if plain > limits.expansion * size + GRACE:
        raise refused(
            "file.expansion", f"The file becomes more than {limits.expansion} times larger when it is decompressed."
        )
    if plain > limits.table_bytes:
        raise refused("table.too_large", f"The file needs {plain} bytes; {limits.table_bytes} are allowed.")


def check_type(field: Any) -> None:
    """Raise FileRefused for a column that cannot be one of a table."""
    if isinstance(field.type, pa.BaseExtensionType):
        raise refused(
            "parquet.extension_type",
            f"Column {quoted(field.name)} has the extension type {field.type}, which is not read.",
            "Write it as a primitive type.",
        )
    Conversion(field)


def _damaged(error: BaseException) -> FileRefused:
    return refused(
        "parquet.damaged", f"The file cannot be read as Parquet: {str(error).splitlines()[0]}.", "Write it again."
    )


def _of_any_size(type_: Any) -> bool:
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
    )


def _width(type_: Any) -> int:
    """About so many bytes a value takes."""
    if pa.types.is_fixed_size_list(type_):
        return int(type_.list_size) * _width(type_.value_type)
    return 8 if pa.types.is_primitive(type_) else 128


def _cut(batch: Any, cell_bytes: int) -> Iterator[Any]:
    """A batch in pieces whose texts are small when they are spelled out."""
    size = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and len(column.dictionary):
            lengths = pc.binary_length(column.dictionary)
            size += pc.sum(lengths.take(column.indices).cast(pa.int64())).as_py() or 0
    if size <= _BATCH_BYTES + cell_bytes or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _cut(batch.slice(0, half), cell_bytes)
    yield from _cut(batch.slice(half), cell_bytes)


def _spelled_out(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
