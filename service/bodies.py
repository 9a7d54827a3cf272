"""Request bodies: of the right type, and counted while they stream in, whatever a header says of their length.

Leaves files to `receiving`, and job specs to `hornbeam.specs`.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hornbeam.components.catalog import closest
from hornbeam.errors import InvalidDataset, InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.findings import pointer
from hornbeam.specs.strict_json import parse_json
from schemas.problems import Finding
from schemas.strict import Request as Body

B = TypeVar("B", bound=Body)

_REFUSED = "The body is not valid."


def require_json(request: Request) -> None:
    """Refuse every content type but JSON; a form that another site's page sends is none. Raises HTTP's 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON, with `Content-Type: application/json`.",
            {"Accept-Post": "application/json"},
        )


async def read_body(request: Request, limit: int) -> bytes:
    """The body, of `limit` bytes at most. Raises HTTP's 413, before the rest of the body has come."""
    too_large = HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {limit} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body ended before its end.") from None
    return bytes(body)


async def read_model(request: Request, model: type[B], settings: Settings) -> B:
    """The JSON body as a model. Raises InvalidDataset with all that is wrong with it, and HTTP's 413 and 415."""
    require_json(request)
    return parse_model(await read_body(request, settings.max_body_bytes), model, settings)


def parse_model(body: bytes, model: type[B], settings: Settings) -> B:
    """JSON as a model. Raises InvalidDataset with all that is wrong with it."""
    try:
        document, blemishes = parse_json(body, settings)
    except InvalidSpec as error:
        raise InvalidDataset(error.findings, _REFUSED) from None
    if blemishes:
        raise InvalidDataset(blemishes, _REFUSED)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidDataset(list(_told(error, model)), _REFUSED) from None


def _told(error: ValidationError, model: type[Body]) -> Iterator[Finding]:
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        kind, place = details["type"], details["loc"]
        if kind == "missing":
            yield Finding(
                pointer=pointer(*place[:-1]), code="field.missing", message=f"A field {place[-1]!r} is needed."
            )
        elif kind == "extra_forbidden":
            yield Finding(
                pointer=pointer(*place),
                code="field.unknown",
                message="There is no such field.",
                suggestion=_meant(place, model),
            )
        else:
            yield Finding(pointer=pointer(*place), code="field.value", message=f"{details['msg']}.")


def _meant(place: tuple[str | int, ...], model: Any) -> str | None:
    """The field that somebody meant who wrote another."""
    for part in place[:-1]:
        field = model.model_fields.get(part)
        inner = getattr(field, "annotation", None)
        models = [one for one in (inner, *getattr(inner, "__args__", ())) if hasattr(one, "model_fields")]
        if not models:
            return None
        model = models[0]
    meant = closest(str(place[-1]), list(model.model_fields))
    return f"Did you mean {meant!r}?" if meant else f"There is: {', '.join(model.model_fields)}."
