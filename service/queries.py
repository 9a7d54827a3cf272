"""Query parameters that several lists share: pairs of metadata, and moments.

Leaves what FastAPI reads by itself to the routes.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError

from service.routing import DEEP

_METADATA = re.compile(r"metadata\[(.{1,64})\]", re.DOTALL)
_MOST_PAIRS = 16
"""As many as a resource may carry, so that more of them match none."""

After = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before.")]
CreatedAfter = Annotated[
    datetime | None,
    Query(description="Only what was created after this moment (RFC 3339).", examples=["2030-01-01T00:00:00Z"]),
]
Order = Annotated[Literal["desc", "asc"], Query(description="`desc`: the newest first.")]


def in_utc(moment: datetime) -> datetime:
    """The moment of `created_after`. Raises RequestValidationError."""
    if moment.tzinfo is None:
        raise refused("created_after", "a time needs an offset from UTC, such as Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise refused("created_after", "in UTC this is before the year 1, or after the year 9999") from None


def metadata_of(request: Request) -> dict[str, str]:
    """The pairs of `metadata[key]=value`. Raises RequestValidationError."""
    pairs: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(DEEP):
            match = _METADATA.fullmatch(name)
            if match is None or match[1] in pairs:
                raise refused(name, "write metadata[key]=value, each key once, of at most 64 characters")
            pairs[match[1]] = value
    if len(pairs) > _MOST_PAIRS:
        raise refused(DEEP.rstrip("["), f"{_MOST_PAIRS} pairs at most are carried")
    return pairs


def refused(name: str, message: str, place: str = "query") -> RequestValidationError:
    """What is wrong with a parameter."""
    return RequestValidationError([{"loc": (place, name), "type": "value", "msg": message}])
