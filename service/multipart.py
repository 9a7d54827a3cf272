"""Forms with one file (`multipart/form-data`), as browsers and `curl -F` send them: the file goes on as it comes.

Only small fields are kept in memory, and they are bounded. Leaves writing the file to `receiving`, and what the fields
mean to `datasets`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from hornbeam.components.catalog import closest
from hornbeam.errors import InvalidDataset
from schemas.problems import Finding
from service.receiving import Intake, Received

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MEDIA_TYPE = "multipart/form-data"
FILE = "file"
FIELDS = ("name", "options", "metadata")

_LONGEST_FIELD = 64 * 2**10
_LONGEST_HEADERS = 8 * 2**10
_MOST_PARTS = 8


@dataclass(slots=True)
class Form:
    """A form that has arrived."""

    file: Received
    file_name: str | None = None
    media_type: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Part:
    """A part that is arriving."""

    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    file_name: str | None = None
    text: bytearray = field(default_factory=bytearray)

    @property
    def is_file(self) -> bool:
        return self.name == FILE


class _Reader:
    """What python-multipart's parser calls back, for as long as one piece of the body lasts."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.file: _Part | None = None
        self.ended = False
        self.arrived: list[bytes] = []
        """Of the file, out of the last piece."""
        self._part = _Part()
        self._parts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._header_bytes = 0

    def callbacks(self) -> "MultipartCallbacks":
        """By the parser's names."""
        return {
            "on_part_begin": self.on_part_begin,
            "on_part_data": self.on_part_data,
            "on_part_end": self.on_part_end,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _refused("", "form.too_many_parts", f"A form may have {_MOST_PARTS} parts.")
        self._part, self._header_bytes = _Part(), 0

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._part.headers[self._header.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", "").encode())
        part = self._part
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        part.file_name = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        if part.is_file:
            if self.file is not None:
                raise _refused("/file", "form.two_files", "A form has one file.")
            self.file = part
        elif part.name not in FIELDS:
            meant = closest(part.name, [FILE, *FIELDS])
            hint = f"Did you mean {meant!r}?" if meant else f"There are: {', '.join((FILE, *FIELDS))}."
            raise _refused("", "field.unknown", "The form has a part that is not known here.", hint)
        elif part.name in self.fields:
            raise _refused(f"/{part.name}", "form.field_twice", "The form has this field twice.")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self.arrived.append(data[start:end])
            return
        self._part.text += data[start:end]
        if len(self._part.text) > _LONGEST_FIELD:
            raise _refused(f"/{self._part.name}", "form.field_too_long", f"A field may have {_LONGEST_FIELD} bytes.")

    def on_part_end(self) -> None:
        if not self._part.is_file:
            try:
                self.fields[self._part.name] = self._part.text.decode()
            except UnicodeDecodeError:
                raise _refused(f"/{self._part.name}", "form.not_utf8", "The field is not UTF-8.") from None

    def on_end(self) -> None:
        self.ended = True

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _LONGEST_HEADERS:
            raise _refused("", "form.headers_too_long", "The headers of a part are too long.")


def boundary_of(content_type: str) -> bytes | None:
    """What stands between the parts, where this is the content type of a form. Raises InvalidDataset."""
    media_type, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if media_type.decode("latin-1").lower() != MEDIA_TYPE:
        return None
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise _refused("", "form.malformed", "A form's content type names a boundary of 1 to 70 characters.")
    return boundary


async def read_form(pieces: AsyncIterator[bytes], boundary: bytes, intake: Intake) -> Form:
    """The form, whose file went into `intake`. Raises InvalidDataset, and what the intake raises."""
    reader = _Reader()
    parser = MultipartParser(boundary, reader.callbacks())
    try:
        async for piece in pieces:
            parser.write(piece)
            arrived, reader.arrived = reader.arrived, []
            for data in arrived:
                await intake.write(data)
    except MultipartParseError:
        raise _refused("", "form.malformed", "The body is not a form as its content type says.") from None
    if not reader.ended:
        raise _refused("", "form.malformed", "The form ended before its end.")
    if reader.file is None:
        raise _refused("", "form.no_file", f"The form has no file: a part named {FILE!r}.")
    media_type = reader.file.headers.get("content-type")
    return Form(await intake.finish(), reader.file.file_name, media_type, reader.fields)


def _refused(where: str, code: str, message: str, suggestion: str | None = None) -> InvalidDataset:
    return InvalidDataset([Finding(pointer=where, code=code, message=message, suggestion=suggestion)], message)
