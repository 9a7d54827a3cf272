"""JSON Lines: an object a line, read by Arrow a block of lines at a time.

What one block suggests about the columns is widened by the later ones; when that changes what was already written, the
rest of the file is looked through, and the reading begins again. Leaves what the bytes are to `csv_bytes`, and telling
which line is wrong to `json_faults`.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import json

from hornbeam.ingest.compression import open_plain
from hornbeam.ingest.csv_bytes import CheckedText, place_of
from hornbeam.ingest.csv_dialect import check_names
from hornbeam.ingest.json_faults import explained
from hornbeam.ingest.kinds import MOMENT
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import ReadAgain, refused
from schemas.stored_datasets import ColumnKind

BLOCK = 2**20
_LONGEST_LINE = 2**25
_AS_TEXT = frozenset({ColumnKind.TEXT, ColumnKind.CATEGORY})


class JsonLinesReader:
    """Reads one file of JSON Lines."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._types: dict[str, Any] = {}
        """Of the columns, in the order in which they came up."""

    def open(self) -> Reading:
        """Begin at the beginning."""
        blocks = self._blocks()
        first = next(blocks, b"")
        table = self._parsed(first, 0)
        self._widen(table.schema)
        if not self._types:
            raise refused("file.no_rows", "The file holds no rows.", "Bring a file with an object on each line.")
        check_names(list(self._types))
        options = self._task.options.model_copy(update={"format": self._task.format})
        fields = [pa.field(name, type_) for name, type_ in self._types.items()]
        return Reading(fields, self._batches(first, blocks), options)

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines, about a megabyte at a time."""
        task = self._task
        text = CheckedText(open_plain(task.arrival, task.compression, task.limits.expansion), self._where, "jsonl")
        rest = b""
        while piece := text.read(BLOCK):
            lines, end, begun = piece.rpartition(b"\n")
            if end:
                yield rest + lines + end
                rest = begun
            else:
                rest += piece
            if len(rest) > _LONGEST_LINE:
                raise refused("jsonl.long_line", f"A line is longer than {_LONGEST_LINE} bytes.")
        if rest.strip():
            yield rest

    def _where(self, offset: int) -> str:
        task = self._task
        place = place_of(open_plain(task.arrival, task.compression, task.limits.expansion), offset, ",")
        return f"Line {place.line}"

    def _batches(self, first: bytes, blocks: Iterator[bytes]) -> Iterator[Any]:
        lines = 0
        block: bytes | None = first
        while block is not None:
            if block.strip():
                table = self._as_expected(block, lines, blocks)
                if table.num_rows:
                    yield from table.combine_chunks().to_batches()
            lines += block.count(b"\n")
            block = next(blocks, None)

    def _as_expected(self, block: bytes, lines: int, blocks: Iterator[bytes]) -> Any:
        """A block with the columns as they are; where they turn out to be others, ReadAgain follows."""
        schema = pa.schema([pa.field(name, type_) for name, type_ in self._types.items()])
        try:
            return _parse(block, schema, "error")
        except pa.ArrowInvalid as error:
            before = dict(self._types)
            while True:
                self._widen(self._parsed(block, lines).schema)
                lines += block.count(b"\n")
                block = next(blocks, b"")
                if not block:
                    break
            if self._types == before:
                raise refused("jsonl.damaged", f"The file cannot be read as JSON Lines: {error}.") from error
            raise ReadAgain from None

    def _parsed(self, block: bytes, lines: int) -> Any:
        """A block with the columns that it suggests itself, by what is known of them."""
        try:
            # Whether text is a time is told by all of it, so what was found to be text has to stay that.
            texts = [pa.field(name, type_) for name, type_ in self._types.items() if pa.types.is_string(type_)]
            table = _parse(block, pa.schema(texts), "infer")
        except pa.ArrowInvalid as error:
            raise explained(block, lines, self._types, str(error)) from error
        for column in table.schema:
            if pa.types.is_struct(column.type):
                raise explained(block, lines, self._types, f"column {column.name} holds objects")
        return table

    def _widen(self, schema: Any) -> None:
        for column in schema:
            type_ = _wider(self._types.get(column.name, pa.null()), column.type)
            if pa.types.is_timestamp(type_) and self._task.options.kinds.get(column.name) in _AS_TEXT:
                type_ = pa.string()
            self._types[column.name] = type_


def _parse(block: bytes, schema: Any, unexpected: str) -> Any:
    return json.read_json(
        pa.BufferReader(block),
        read_options=json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def _wider(one: Any, other: Any) -> Any:
    """The type that holds the values of both; where there is none, the second, whose block Arrow will then refuse."""
    if pa.types.is_null(other) or one.equals(other):
        return one
    if pa.types.is_null(one):
        return MOMENT if pa.types.is_timestamp(other) else other
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(_wider(one.value_type, other.value_type))
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(other):
        return MOMENT
    kinds = {str(one), str(other)}
    if kinds == {"int64", "double"}:
        return pa.float64()
    return pa.string() if "string" in kinds and any(map(pa.types.is_timestamp, (one, other))) else other
