"""The bytes of a CSV file on their way to Arrow: UTF-8 without NUL, or a finding that tells the place.

Leaves rows and cells to `csv_files`.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hornbeam.ingest.compression import Readable
from hornbeam.ingest.refusals import FileRefused, refused

_PIECE = 2**20
_TAIL = 2**16
_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text a byte stands, all from 1."""

    line: int
    row: int
    """Line breaks inside quotes do not begin a row, and empty lines are none."""
    column: int


class CheckedText:
    """A stream that raises FileRefused at the first byte that cannot be in a text."""

    closed = False

    def __init__(self, stream: Readable, where: Callable[[int], str], format_: str = "csv") -> None:
        """A stream of text.

        Args:
            stream: From its beginning.
            where: Names the place of a byte, by its offset.
            format_: Begins the codes of the findings.
        """
        self._format = format_
        self._stream = stream
        self._where = where
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = 0
        self._quotes = 0
        self.tail = b""
        """The last bytes so far: at least the last line, if it is not very long."""

    @property
    def odd_quotes(self) -> bool:
        """Whether the last of the quotes so far may have no partner."""
        return self._quotes % 2 == 1

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or as many as there are before the end."""
        data = self._stream.read(size)
        if self._offset == 0 and (encoding := _ENCODINGS.get(data[:2])):
            raise self._not_text("not_utf8", f"The file is {encoding}, not UTF-8")
        if b"\0" in data:
            place = self._where(self._offset + data.index(b"\0"))
            raise self._not_text("nul_byte", f"{place}: a NUL byte, which no text holds")
        self._check_encoding(data, last=len(data) < size)
        if b'"' in data:  # 30 times as fast as counting, and most files have none
            self._quotes += data.count(b'"')
        self._offset += len(data)
        self.tail = (self.tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        return data

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True

    def _check_encoding(self, data: bytes, *, last: bool) -> None:
        pending = self._decoder.getstate()[0]
        if not pending and data.isascii():
            return
        try:
            self._decoder.decode(data, final=last)
        except UnicodeDecodeError as error:
            place = self._where(self._offset - len(pending) + error.start)
            byte = error.object[error.start]
            raise self._not_text("not_utf8", f"{place}: byte 0x{byte:02x} is not UTF-8") from error

    def _not_text(self, code: str, message: str) -> FileRefused:
        return refused(f"{self._format}.{code}", f"{message}.", "Save the file as UTF-8, and send it again.")


def place_of(stream: Readable, offset: int, delimiter: str) -> Place:
    """Where the byte at an offset stands in a text.

    Args:
        stream: The text from its beginning.
        offset: Of the byte.
        delimiter: Between the columns.
    """
    lines = rows = 0
    in_quotes = False
    row = newline = b""
    while offset > 0 and (piece := stream.read(min(_PIECE, offset))):
        offset -= len(piece)
        newline = newline or (b"\n" if b"\n" in piece or b"\r" not in piece else b"\r")
        lines += piece.count(newline)
        for number, part in enumerate(piece.split(b'"')):
            in_quotes = in_quotes != (number > 0)
            if in_quotes:
                row += b'"'  # what stands in quotes ends no row, and no column
                continue
            *ended, rest = part.split(newline)
            if ended:
                rows += sum(1 for text in (row + ended[0], *ended[1:]) if text.strip(b"\r"))
                row = b""
            row += rest
    return Place(lines + 1, rows + 1, row.count(delimiter.encode()) + 1)


def text_lines(stream: Readable) -> Iterator[str]:
    """The lines of a text, with their ends, as the csv module wants them."""
    text = io.TextIOWrapper(io.BufferedReader(_Raw(stream), _PIECE), encoding="utf-8-sig", errors="replace", newline="")
    yield from text


class _Raw(io.RawIOBase):
    """A stream for the standard library."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
