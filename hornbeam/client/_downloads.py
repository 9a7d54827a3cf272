"""Files from the service: streamed, taken up again where they broke off, checked, moved into place."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import httpx

from hornbeam.client._transport import Call, Transport
from hornbeam.errors import DownloadDamaged, ServiceUnreachable, UnexpectedAnswer

TRIES = 5
"""Connections in a row that may bring nothing before a download is given up."""
_AS_IT_IS = {"Accept-Encoding": "identity"}
_SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]{44}):")
_HEX_ETAG = re.compile(r'"(?:sha256[-:])?([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class _Remote:
    """What the service says about the file."""

    path: str
    etag: str
    sha256: str
    size_bytes: int


def download(transport: Transport, path: str, destination: Path) -> Path:
    """Save what is at `path`, and return where. Raises DownloadDamaged, ServiceUnreachable, or the service's error."""
    remote = _look(transport, path)
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.{remote.sha256[:16]}.part")
    failures = 0
    while (before := _size(part)) != remote.size_bytes:
        try:
            _fetch_the_rest(transport, remote, part)
        except ServiceUnreachable:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= TRIES:
                raise
    _check(remote, part)
    part.replace(destination)
    return destination


def _look(transport: Transport, path: str) -> _Remote:
    """Ask for the headers alone: only they say which unfinished download, if any, belongs to this file."""
    with transport.stream(Call("GET", path, headers=_AS_IT_IS)) as response:
        headers = response.headers
    if not headers.get("content-length", "").isdecimal():
        raise UnexpectedAnswer(f"{path} came without a length.")
    return _Remote(path, headers.get("etag", ""), _digest_in(headers, path), int(headers["content-length"]))


def _digest_in(headers: httpx.Headers, path: str) -> str:
    if found := _SHA256.search(headers.get("repr-digest", "")):
        try:
            return base64.b64decode(found[1], validate=True).hex()
        except binascii.Error as error:
            raise UnexpectedAnswer(f"{path} came with a malformed Repr-Digest.") from error
    if found := _HEX_ETAG.fullmatch(headers.get("etag", "")):
        return found[1]
    raise UnexpectedAnswer(f"{path} came without a SHA-256 to check it by.")


def _fetch_the_rest(transport: Transport, remote: _Remote, part: Path) -> None:
    have = _size(part)
    wanted = {"Range": f"bytes={have}-", "If-Range": remote.etag} if 0 < have < remote.size_bytes else {}
    with transport.stream(Call("GET", remote.path, headers=_AS_IT_IS | wanted)) as response:
        # 200 where we asked for a part: the file is another one by now, or cannot be resumed. Begin anew.
        with part.open("ab" if response.status_code == 206 else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
        if _size(part) != remote.size_bytes:
            part.unlink()
            raise DownloadDamaged(f"{remote.path} changed while it was downloaded.", suggestion="Download it again.")


def _check(remote: _Remote, part: Path) -> None:
    with part.open("rb") as file:
        arrived = hashlib.file_digest(file, "sha256").hexdigest()
    if arrived != remote.sha256:
        part.unlink()
        raise DownloadDamaged(
            f"{remote.path} should have the SHA-256 {remote.sha256} and has {arrived}.",
            suggestion="Download it again.",
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
