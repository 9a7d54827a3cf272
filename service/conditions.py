"""The headers with which a client says what it has, what it wants of it, and in which form (RFC 9110).

Pure functions over header values; no request, no response.
"""

import re
from collections.abc import Iterator, Sequence

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_BYTES = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))\s*", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """There are no such bytes, or no sense in the header."""


def matches(header: str | None, etag: str) -> bool:
    """Whether an `If-None-Match` names this tag: then the client has it already."""
    return header is not None and (header.strip() == "*" or etag in _TAG.findall(header))


def byte_range(header: str | None, if_range: str | None, etag: str, size: int) -> tuple[int, int] | None:
    """The part [start, end) that a client wants, or None for the whole.

    The whole it is without a `Range`, for several ranges at once, for another unit, and when `If-Range` names another
    file than this one. Raises RangeNotSatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    unit, _, ranges = header.partition("=")
    if unit.strip().lower() != "bytes" or "," in ranges:
        return None
    match = _BYTES.fullmatch(header.strip())
    if match is None:
        raise RangeNotSatisfiable
    first, last, suffix = match.groups()
    start = max(0, size - int(suffix)) if suffix else int(first)
    end = min(size, int(last) + 1) if last else size
    if start >= end:
        raise RangeNotSatisfiable
    return start, end


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """The one of `offers` that an `Accept` header likes best, the first among equals; None if it wants none."""
    if accept is None or not accept.strip():
        return offers[0]
    wishes = list(_wishes(accept))
    quality, _, best = max((_quality(offer, wishes), -place, offer) for place, offer in enumerate(offers))
    return best if quality > 0 else None


def _wishes(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            yield media_type, min(1.0, max(0.0, float(quality)))
        except ValueError:
            yield media_type, 1.0


def _quality(offer: str, wishes: Sequence[tuple[str, float]]) -> float:
    """How much an offer is liked: the most specific wish that covers it decides."""
    main = offer.partition("/")[0]
    for pattern in (offer, f"{main}/*", "*/*"):
        found = [quality for media_type, quality in wishes if media_type == pattern]
        if found:
            return max(found)
    return 0.0
