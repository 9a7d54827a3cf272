"""What a CSV file's first lines tell: its delimiter, and whether it begins with the names of its columns.

Leaves the types of the columns to Arrow, and reading to `csv_files`.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hornbeam.ingest.refusals import listed, quoted, refused
from schemas.stored_datasets import DatasetFormat, ReadingOptions

HEAD_BYTES = 2**16
DELIMITERS = ",;\t|"
_LINES = 100
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written."""

    delimiter: str
    header: bool
    names: tuple[str, ...]
    """Of the columns: `column_1` and so on where the file does not tell them."""
    raw: tuple[str, ...]
    """As Arrow has them: with the space around them."""


def dialect_of(head: bytes, format_: DatasetFormat, options: ReadingOptions, most_columns: int) -> Dialect:
    """How a file that begins with these bytes is written.

    The names are not checked yet.

    Raises:
        FileRefused: If there are too many columns, or nothing at all.
    """
    text = _text(head)
    delimiter = options.delimiter or ("\t" if format_ is DatasetFormat.TSV else _likely_delimiter(text))
    rows = _rows(text, delimiter)
    if not rows:
        raise refused("file.no_rows", "The file holds no rows.", "Bring a file with at least one row of data.")
    first = rows[0]
    if len(first) > most_columns:
        raise refused("file.too_many_columns", f"The file has {len(first)} columns; {most_columns} are allowed.")
    header = _is_header(rows) if options.header is None else options.header
    if not header:
        numbered = tuple(f"column_{number + 1}" for number in range(len(first)))
        return Dialect(delimiter, header=False, names=numbered, raw=numbered)
    names = [name.strip() for name in first]
    return Dialect(delimiter, header=True, names=tuple(names), raw=tuple(first))


def check_names(names: Sequence[str]) -> None:
    """Raise FileRefused unless each column has a name of its own that a spec can use."""
    empty = [str(number + 1) for number, name in enumerate(names) if not name.strip()]
    if empty:
        raise refused(
            "column.no_name",
            f"Column {', '.join(empty[:5])} has no name in the first line.",
            "Name it, or remove it; where the first line holds values, say `header: false`.",
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise refused(
            "column.duplicate_name",
            f"More than one column is called {listed(twice)}.",
            "Give each column a name of its own; where the first line holds values, say `header: false`.",
        )
    for number, name in enumerate(names):
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise refused(
                "column.bad_name",
                f"The name of column {number + 1}, {quoted(name)}, is longer than {_LONGEST_NAME} characters, "
                "or holds some that cannot be printed.",
            )


def _text(head: bytes) -> str:
    text = head.decode("utf-8-sig", errors="replace")
    if len(head) >= HEAD_BYTES and (end := max(text.rfind("\n"), text.rfind("\r"))) > 0:
        text = text[:end]  # the last line may be cut
    return text


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    lines = text.replace("\0", "").splitlines(keepends=True)
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) >= _LINES:
                break
    except csv.Error:  # a cell longer than csv allows: Arrow tells about it
        pass
    return rows


def _likely_delimiter(text: str) -> str:
    """The one that cuts most of the first lines into the same number of columns, and into most of them."""
    scores = {}
    for delimiter in DELIMITERS:
        lengths = Counter(len(row) for row in _rows(text, delimiter))
        if lengths:
            length, lines = lengths.most_common(1)[0]
            even = lines / lengths.total()
            scores[delimiter] = (length > 1 and even > 0.8, even if length > 1 else 0, length)
    return max(scores, key=lambda delimiter: scores[delimiter]) if scores else ","


def _is_header(rows: list[list[str]]) -> bool:
    """Names are no numbers; above text alone, they are all different too."""
    first, others = rows[0], rows[1:]
    if any(_is_number(cell) for cell in first):
        return False
    return any(_is_number(cell) for row in others for cell in row) or len(set(first)) == len(first)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return any(map(str.isdigit, cell))  # a column may be called "inf" or "nan"
