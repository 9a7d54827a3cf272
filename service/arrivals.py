"""What a request says about the file that it brings, or names: in the query, in headers, in a form's fields, in JSON.

Leaves receiving the file to `datasets`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request as HttpRequest
from pydantic import TypeAdapter, ValidationError

from hornbeam.errors import InvalidDataset
from hornbeam.settings import Settings
from schemas.problems import Finding
from schemas.stored_datasets import DatasetFormat, DatasetName, ReadingOptions, SourceRequest
from schemas.strict import Request
from schemas.training import Metadata
from service.bodies import parse_model, read_model
from service.datasets import Arriving
from service.digests import announced
from service.multipart import Form
from service.sources.places import Place

_NAME: TypeAdapter[str] = TypeAdapter(DatasetName)


class _WithMetadata(Request):
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class FromQuery:
    """What the query, and a path, say."""

    name: str | None = None
    options: str | None = None
    """JSON."""
    format: DatasetFormat | None = None
    header: bool | None = None
    delimiter: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def reading_options(self, settings: Settings, form: str | None = None) -> ReadingOptions:
        """The options: single parameters stand before `options`, and these before a form's. Raises InvalidDataset."""
        given: dict[str, Any] = {}
        for text in (form, self.options):
            if text is not None:
                parsed = _options(text, settings)
                given |= {name: getattr(parsed, name) for name in parsed.model_fields_set}
        single = {"format": self.format, "header": self.header, "delimiter": self.delimiter}
        given |= {name: value for name, value in single.items() if value is not None}
        return ReadingOptions(**given)


def arriving_of(given: FromQuery, headers: Mapping[str, str], settings: Settings) -> Arriving:
    """What is known of a body that is the file itself. Raises InvalidDataset, RequestValidationError."""
    return Arriving(
        name=_name(given.name),
        options=given.reading_options(settings),
        metadata=_metadata(given.metadata),
        media_type=_media_type(headers.get("content-type")),
        sha256=announced(headers),
    )


def arriving_of_form(given: FromQuery, settings: Settings) -> Callable[[Form], Arriving]:
    """What is known of a file in a form, once that is there: the query stands before the fields."""

    def describe(form: Form) -> Arriving:
        fields = form.fields
        metadata = given.metadata
        if "metadata" in fields:
            parsed = parse_model(b'{"metadata": %b}' % fields["metadata"].encode(), _WithMetadata, settings)
            metadata = {**parsed.metadata, **metadata}
        own_name = (form.file_name or "").replace("\\", "/").rpartition("/")[2]
        return Arriving(
            name=_name(given.name or fields.get("name") or own_name or None),
            options=given.reading_options(settings, fields.get("options")),
            metadata=_metadata(metadata),
            media_type=_media_type(form.media_type),
        )

    return describe


def names_a_source(given: FromQuery, headers: Mapping[str, str]) -> bool:
    """Whether a body tells where the file lies, as JSON: one that is the file itself has its name in the query."""
    return given.name is None and _media_type(headers.get("content-type")) == "application/json"


async def source_of(request: HttpRequest, settings: Settings) -> SourceRequest:
    """What a body says about a file that lies elsewhere. Raises InvalidDataset, and HTTP's 413."""
    try:
        return await read_model(request, SourceRequest, settings)
    except InvalidDataset as error:
        hint = "Without `?name=`, JSON tells where a file lies, and is not the file itself."
        raise InvalidDataset(error.findings, f"{error.message} {hint}") from None


def arriving_of_source(given: FromQuery, source: SourceRequest, place: Place, settings: Settings) -> Arriving:
    """What is known of a file that lies elsewhere: the query stands before the body."""
    own_options = source.options.model_dump_json(exclude_unset=True)
    return Arriving(
        name=_name(source.name or place.file_name or None),
        options=given.reading_options(settings, own_options),
        metadata=_metadata({**source.metadata, **given.metadata}),
        sha256=source.sha256,
    )


def _options(text: str, settings: Settings) -> ReadingOptions:
    """Options as JSON; what is found has its place below `/options`."""
    try:
        return parse_model(text.encode(), ReadingOptions, settings)
    except InvalidDataset as error:
        found = [one.model_copy(update={"pointer": f"/options{one.pointer}"}) for one in error.findings]
        raise InvalidDataset(found, error.message) from None


def _name(name: str | None) -> str:
    if name is None:
        raise _refused(
            "/name", "field.missing", "The file needs a name: its ending tells the format.", "Add ?name=iris.csv."
        )
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        message = "A name has 1 to 128 characters, without `/` and control characters."
        raise _refused("/name", "field.value", message) from None


def _metadata(pairs: dict[str, str]) -> dict[str, str]:
    try:
        return _WithMetadata(metadata=pairs).metadata
    except ValidationError:
        message = "Metadata has 16 pairs at most, keys of 1 to 64 and values of at most 512 characters."
        raise _refused("/metadata", "field.value", message) from None


def _media_type(content_type: str | None) -> str | None:
    return content_type.partition(";")[0].strip().lower()[:255] if content_type else None


def _refused(where: str, code: str, message: str, suggestion: str | None = None) -> InvalidDataset:
    finding = Finding(pointer=where, code=code, message=message, suggestion=suggestion)
    return InvalidDataset([finding], "What is said about the file is not valid.")
