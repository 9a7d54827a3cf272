"""Request bodies: of the right type, and counted while they stream in, whatever a header says of their length."""

from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect


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
