"""`Content-Digest` and `Repr-Digest` (RFC 9530) of what a client sends: announced, and compared.

Only SHA-256 is looked at; other algorithms are passed over, as the RFC has it. Leaves counting to `receiving`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping

from fastapi.exceptions import RequestValidationError

from hornbeam.errors import DigestMismatch
from service.queries import refused

_SHA256 = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/=]*):[ \t]*(?=$|,|;)")
_HEADERS = ("Content-Digest", "Repr-Digest")


def announced(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 in hexadecimal that the headers announce for the body. Raises RequestValidationError."""
    found = {name: _sha256_in(name, headers[name]) for name in _HEADERS if name in headers}
    digests = {digest for digest in found.values() if digest is not None}
    if len(digests) > 1:
        raise refused("Repr-Digest", "it differs from Content-Digest, and the body is not encoded", "header")
    return next(iter(digests), None)


def compare(expected: str | None, arrived: str) -> None:
    """Raise DigestMismatch where another digest was announced than what arrived has."""
    if expected is not None and expected != arrived:
        raise DigestMismatch(f"The SHA-256 of what arrived is {arrived}, and {expected} was announced.")


async def verified(pieces: AsyncIterable[bytes], expected: str | None) -> AsyncIterator[bytes]:
    """The pieces of a body whose own digest was announced. Raises DigestMismatch after the last one."""
    digest = hashlib.sha256()
    async for piece in pieces:
        if expected is not None:
            digest.update(piece)
        yield piece
    if expected is not None:
        compare(expected, digest.hexdigest())


def _sha256_in(name: str, header: str) -> str | None:
    match = _SHA256.search(header)
    if match is None:
        if "sha-256" in header.lower():
            raise _malformed(name)
        return None
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        raise _malformed(name) from None
    if len(digest) != 32:
        raise _malformed(name)
    return digest.hex()


def _malformed(name: str) -> RequestValidationError:
    return refused(name, "write sha-256=:…: with the digest in Base64 between the colons", "header")
