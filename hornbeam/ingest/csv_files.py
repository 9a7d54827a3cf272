"""CSV and TSV files, read in one pass while they arrive; in a second one where their first megabyte misled.

Arrow parses and converts. A column's type is what its first block suggests; when a later block does not fit, all
columns are read as text once, each gets the narrowest type that fits all of its values, and the reading begins again.
Leaves delimiter and header to `csv_dialect`, and the bytes to `csv_bytes`.
"""

import csv as python_csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import csv

from hornbeam.ingest.compression import Readable, open_plain
from hornbeam.ingest.csv_bytes import CheckedText, place_of, text_lines
from hornbeam.ingest.csv_dialect import HEAD_BYTES, Dialect, check_names, dialect_of
from hornbeam.ingest.kinds import MOMENT
from hornbeam.ingest.narrowing import NarrowestTypes, odd_one_out
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import FileRefused, ReadAgain, quoted, refused, warning
from schemas.problems import Finding
from schemas.stored_datasets import ColumnKind

MISSING = ("", "NA", "NaN", "null")
BLOCK = 2**20
_BLOCK_PER_COLUMN = 2**12
_LARGEST_BLOCK = 2**24
"""Wide tables are read in larger blocks, so that each column of a block has some rows."""
_LONGEST_ROW = 2**25
"""Bytes of the largest block, and so of a row."""
_READINGS = 5
"""A file is begun so many times at most: for longer rows, after the types were widened, and once more for good."""
_ROWS_TO_LOOK_THROUGH = 1_000_000
"""To find the line of a row; rows further on are told without it."""
_AS_TEXT = frozenset({ColumnKind.TEXT, ColumnKind.CATEGORY})
_CONVERSION = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to .*?: (.*)", re.DOTALL)


class CsvReader:
    """Reads one CSV file."""

    def __init__(self, task: Task) -> None:
        self._task = task
        options = task.options
        self._dialect = Dialect(",", header=False, names=(), raw=())
        self._missing = list(MISSING if options.missing is None else options.missing)
        self._dialect = dialect_of(self._plain().read(HEAD_BYTES), task.format, options, task.limits.columns)
        CheckedText(self._plain(), self._where).read(
            HEAD_BYTES
        )  # a file that is no text has no names to complain about
        check_names(self._dialect.names)
        self._types = {
            raw: pa.string()
            for name, raw in zip(self._dialect.names, self._dialect.raw, strict=True)
            if options.kinds.get(name) in _AS_TEXT
        }
        """Of the columns for which the first block's suggestion is not taken."""
        self._block = min(max(BLOCK, len(self._dialect.names) * _BLOCK_PER_COLUMN), _LARGEST_BLOCK)
        self._times = 0
        self._narrowed = False
        self._ragged: Any = None
        self._mixed: dict[str, Finding] = {}

    def open(self) -> Reading:
        """Begin at the beginning."""
        self._times += 1
        dialect = self._dialect
        text = self._text()
        opened = self._opened(text, self._sniffed() | self._types)
        found = self._task.options.model_copy(
            update={
                "format": self._task.format,
                "header": dialect.header,
                "delimiter": dialect.delimiter,
                "missing": self._missing,
            }
        )
        fields = [pa.field(name, type_) for name, type_ in zip(dialect.names, opened.schema.types, strict=True)]
        reading = Reading(fields, iter(()), found)
        reading.batches = self._noting(self._batches(opened, text), reading)
        return reading

    def _plain(self) -> Readable:
        task = self._task
        return open_plain(task.arrival, task.compression, task.limits.expansion)

    def _text(self) -> CheckedText:
        return CheckedText(self._plain(), self._where)

    def _sniffed(self) -> dict[str, Any]:
        """The types that the first block suggests.

        Arrow goes on inferring in a reader that is not told all types, which makes it half as fast again. Moments are
        read as they are stored; times of day are text, which keeps the form in which they were written. Ragged rows are
        skipped here: the last one of the block may be cut, and others are found when it is read.
        """
        if len(self._types) == len(self._dialect.raw):
            return {}
        head = self._text().read(self._block)
        schema = self._opened(io.BytesIO(head), self._types, lambda _row: "skip").schema
        return {
            raw: pa.string() if pa.types.is_time(type_) else _moment(type_) or type_
            for raw, type_ in zip(self._dialect.raw, schema.types, strict=True)
        }

    def _opened(
        self, text: CheckedText | io.BytesIO, types: dict[str, Any], ragged: Callable[[Any], str] | None = None
    ) -> Any:
        """Arrow's reader, after its first block."""
        dialect = self._dialect
        self._ragged = None
        try:
            return csv.open_csv(
                pa.PythonFile(text, mode="r"),
                read_options=csv.ReadOptions(
                    block_size=self._block,
                    use_threads=False,
                    column_names=None if dialect.header else list(dialect.raw),
                ),
                parse_options=csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    newlines_in_values=True,
                    invalid_row_handler=ragged or self._note_ragged,
                ),
                convert_options=csv.ConvertOptions(
                    check_utf8=False,  # CheckedText has
                    column_types=types,
                    null_values=self._missing,
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._explained(error) from error

    def _noting(self, batches: Iterator[Any], reading: Reading) -> Iterator[Any]:
        """The batches; a few values that keep a column from being numbers are noted by the first of them."""
        for number, batch in enumerate(batches):
            if number == 0:
                for field, array in zip(reading.fields, batch.columns, strict=True):
                    if pa.types.is_string(array.type) and field.name not in self._task.options.kinds | self._mixed:
                        place = odd_one_out(array)
                        if place is not None:
                            said = f"the value {quoted(array[place].as_py())}"
                            self._mixed[field.name] = _mixed(field.name, place + 1, said)
                reading.findings += self._mixed.values()
            yield batch

    def _batches(self, opened: Any, text: CheckedText) -> Iterator[Any]:
        last = None
        rows = 0
        while True:
            try:
                batch = opened.read_next_batch()
            except StopIteration:
                break
            except pa.ArrowInvalid as error:
                raise self._explained(error) from error
            if batch.num_rows:
                last = batch
                rows += batch.num_rows
                yield batch
        if text.odd_quotes and last is not None and self._breaks_off(last, text.tail):
            raise refused(
                "csv.open_quote",
                f"Row {rows}: the file ends inside a quoted value.",
                "Close the quote; where it is part of a text, write it twice. The file may also be cut off.",
            )

    def _breaks_off(self, batch: Any, tail: bytes) -> bool:
        """Whether the last value of a file with an odd number of quotes is one whose closing quote is missing."""
        row = batch.slice(batch.num_rows - 1).to_pylist()[0]
        if any(isinstance(value, str) and "\n" in value for value in row.values()):
            return True
        last_line = tail.rstrip(b"\r\n").replace(b"\r", b"\n").rpartition(b"\n")[2].decode(errors="replace")
        try:
            list(python_csv.reader([last_line], delimiter=self._dialect.delimiter, strict=True))
        except python_csv.Error as error:
            return "unexpected end" in str(error)
        return False

    def _where(self, offset: int) -> str:
        """The place of a byte, for a message."""
        dialect = self._dialect
        place = place_of(self._plain(), offset, dialect.delimiter)
        if place.column > len(dialect.names):
            return f"Line {place.line}"
        return f"Line {place.line}, row {place.row - dialect.header}, column {quoted(dialect.names[place.column - 1])}"

    def _note_ragged(self, row: Any) -> str:
        self._ragged = row
        return "error"

    def _explained(self, error: Exception) -> Exception:
        """What is to be raised for what Arrow says."""
        said = str(error)
        if self._ragged is not None:
            return self._ragged_row(self._ragged)
        if found := _CONVERSION.search(said):
            return self._widened(int(found[1]), int(found[2]) - self._dialect.header, found[3])
        if "straddl" in said or "block size" in said:
            return self._larger_blocks()
        if "Empty CSV" in said or "cannot infer" in said:
            return refused("file.no_rows", "The file holds no rows.", "Bring a file with at least one row of data.")
        return refused("csv.damaged", f"The file cannot be read as CSV: {said}.")

    def _ragged_row(self, row: Any) -> FileRefused:
        names, number = self._dialect.names, row.number - self._dialect.header
        where = f"from column {quoted(names[row.actual_columns])} on" if row.actual_columns < len(names) else "too many"
        text = quoted(row.text) if isinstance(row.text, str) else ""
        values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
        return refused(
            "csv.ragged_row",
            f"Row {number}{self._line_of_row(row.number)} has {values}, "
            f"{where if where == 'too many' else 'none ' + where}: there are {len(names)} columns. It reads {text}.",
            f"Put values in which {quoted(self._dialect.delimiter)} stands between quotes, "
            "or name the `delimiter`, where it is another.",
        )

    def _widened(self, column: int, row: int, said: str) -> Exception:
        """Find types that fit all values, and begin again."""
        name, raw = self._dialect.names[column], self._dialect.raw[column]
        if self._times >= _READINGS:
            return refused(
                "csv.bad_cell", f"Row {row}, column {quoted(name)}: {said}.", "Say which `kind` the column has."
            )
        if self._narrowed:
            self._types[raw] = pa.string()
            return ReadAgain()
        self._narrowed = True
        narrowest = NarrowestTypes(len(self._dialect.raw))
        text = self._text()
        for batch in self._batches(self._opened(text, dict.fromkeys(self._dialect.raw, pa.string())), text):
            narrowest.look_at(batch)
        for raw_name, type_ in zip(self._dialect.raw, narrowest.types(), strict=True):
            self._types.setdefault(raw_name, type_)
        if pa.types.is_string(self._types[raw]) and name not in self._task.options.kinds:
            self._mixed[name] = _mixed(name, row, said)
        return ReadAgain()

    def _larger_blocks(self) -> Exception:
        if self._block < _LONGEST_ROW:
            self._block = _LONGEST_ROW
            return ReadAgain()
        return refused(
            "csv.long_row",
            f"A row is longer than {_LONGEST_ROW} bytes.",
            "Look for a quote that is not closed.",
        )

    def _line_of_row(self, number: int) -> str:
        """The line in which a row stands, where it is cheap to find out: rows that span lines have to be read."""
        reader = python_csv.reader(text_lines(self._plain()), delimiter=self._dialect.delimiter)
        before = 0
        try:
            for seen, _row in enumerate((row for row in reader if row), start=1):
                if seen >= min(number, _ROWS_TO_LOOK_THROUGH):
                    break
                before = reader.line_num
        except python_csv.Error:
            return ""
        return f" (line {before + 1})" if number <= _ROWS_TO_LOOK_THROUGH else ""


def _moment(type_: Any) -> Any:
    """How a date or a moment is read; None for other types."""
    if pa.types.is_date(type_):
        return MOMENT
    return pa.timestamp("us", type_.tz) if pa.types.is_timestamp(type_) else None


def _mixed(name: str, row: int, said: str) -> Finding:
    return warning(
        "column.mixed",
        f"Column {quoted(name)} is read as text, although most of its values are others: row {row} has {said}.",
        "Correct the value, or list it in `missing` where it means that there is none.",
    )
