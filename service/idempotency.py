"""The Idempotency-Key of a request that records a job: what it may be, and how the document says so."""

import re
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from service.documentation import header

_KEY = r"[\x21-\x7e]{1,255}"

KEY_HEADER: dict[str, Any] = header(
    "Idempotency-Key",
    "A name of the client's for this request: sent again with the same body within 24 hours, it gets the first "
    "answer again.",
    {"type": "string", "pattern": f"^{_KEY}$", "example": "8e03978e-40d5-43e8-bc93-6894a57f9324"},
)


def key_of(request: Request) -> str | None:
    """The key, where the request has one. Raises RequestValidationError for one that is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(_KEY, key):
        message = "between 1 and 255 visible ASCII characters"
        raise RequestValidationError([{"loc": ("header", "Idempotency-Key"), "type": "value", "msg": message}])
    return key
