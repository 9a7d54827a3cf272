"""Cursors: after which (created_at, id) of a list to go on, sealed with the order and the filters they belong to.

Also what stands for a pair of metadata in an index. Leaves the lists themselves to `listing` and `datasets`.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hornbeam.errors import InvalidCursor

Place = tuple[datetime, str]
"""Where a row stands in every list: when it was created, and its id among those of the same moment."""


def encode(place: Place, bound: Sequence[Any]) -> str:
    """The cursor for what follows `place` in the list that `bound` tells from all others."""
    named = [place[0].isoformat(), place[1]]
    sealed = json.dumps([*named, _fingerprint([*named, *bound])], separators=(",", ":"))
    return base64.urlsafe_b64encode(sealed.encode()).decode().rstrip("=")


def decode(cursor: str, bound: Sequence[Any]) -> Place:
    """The place in a cursor that `encode` made for such a list. Raises InvalidCursor for any other."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, row_id, _ = json.loads(base64.b64decode(padded, b"-_", validate=True))
        moment = datetime.fromisoformat(at).astimezone(UTC)
        handed_out = isinstance(row_id, str) and encode((moment, row_id), bound) == cursor
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidCursor from None
    if not handed_out:
        raise InvalidCursor(
            "The cursor in `after` is not one that this list, with these filters and this order, handed out."
        )
    return moment, row_id


def pair_digest(key: str, value: str) -> str:
    """What stands for a pair of metadata in a table of tags."""
    return hashlib.sha256(json.dumps([key, value]).encode()).hexdigest()[:40]


def _fingerprint(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
