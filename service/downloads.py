"""Files over HTTP: whole or in part, with what a client needs to resume and to check them.

`ETag` and `Repr-Digest` come from the SHA-256 that was recorded when the file was stored. Leaves which file, and who
may see it, to the routes.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException

from hornbeam.storage.artifacts import ArtifactStore
from service.conditions import RangeNotSatisfiable, byte_range, matches
from service.documentation import headers
from service.threads import Threads

_ABOUT = headers("ETag", "Repr-Digest", "Content-Disposition", "Accept-Ranges")
_CONTENT = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "headers": _ABOUT, "content": _CONTENT},
    206: {"description": "A part of it.", "headers": _ABOUT | headers("Content-Range"), "content": _CONTENT},
    304: {"description": "The client has it already."},
}
"""The good answers of a download, for its documentation."""

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Awaitable[Response]])
_PLAIN_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file as the database knows it."""

    key: str
    name: str
    """What a browser saves it as."""
    media_type: str
    size_bytes: int
    sha256: str

    @property
    def etag(self) -> str:
        """A strong ETag: the content's own digest."""
        return f'"{self.sha256}"'

    def headers(self) -> dict[str, str]:
        """What is true of it whether the whole of it, a part, or nothing is sent."""
        digest = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        return {
            "ETag": self.etag,
            "Accept-Ranges": "bytes",
            "Repr-Digest": f"sha-256=:{digest}:",
            "Content-Disposition": disposition(self.name),
            # The file behind an address may change (a job is resumed), so it is asked about each time.
            "Cache-Control": "no-cache",
        }


def offer(
    routes: APIRouter, path: str, *, what: str, problems: Mapping[int | str, dict[str, Any]]
) -> Callable[[_Endpoint], _Endpoint]:
    """Have an endpoint named `download_…` that ends in `send` answer GET and HEAD.

    Args:
        routes: The resource's router.
        path: The path below it.
        what: The file in words, with its article, for the documentation.
        problems: The bad answers, for the documentation.
    """
    about: dict[str, Any] = {"response_class": Response, "responses": {**DOWNLOAD, **problems}}

    def register(endpoint: _Endpoint) -> _Endpoint:
        routes.get(path, summary=f"Download {what}", **about)(endpoint)
        routes.head(
            path,
            name=endpoint.__name__.replace("download_", "head_"),
            summary=f"Look at {what}'s file",
            description="The headers of the download.",
            **about,
        )(endpoint)
        return endpoint

    return register


def disposition(name: str) -> str:
    """A `Content-Disposition` that has the file saved, not shown; in ASCII, and exactly where that is not enough."""
    plain = _PLAIN_NAME.sub("-", name).strip("-.") or "download"
    return f'attachment; filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}")


async def send(file: File, request: Request, artifacts: ArtifactStore, threads: Threads) -> Response:
    """The answer to GET or HEAD. Raises ArtifactNotFound, ArtifactStoreUnavailable, and HTTP's 416."""
    about = file.headers()
    if matches(request.headers.get("if-none-match"), file.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=about)
    part = None if request.method == "HEAD" else _part(file, request)
    start, end = part or (0, file.size_bytes)
    about["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(headers=about, media_type=file.media_type)
    status = HTTPStatus.OK
    if part:
        about["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
        status = HTTPStatus.PARTIAL_CONTENT
    # A missing file is noticed here, while a problem can still be the answer.
    chunks = iterate_in_threadpool(await threads.run(artifacts.read, file.key, start=start, end=end))
    return StreamingResponse(chunks, status, about, file.media_type)


def _part(file: File, request: Request) -> tuple[int, int] | None:
    wanted = request.headers
    try:
        return byte_range(wanted.get("range"), wanted.get("if-range"), file.etag, file.size_bytes)
    except RangeNotSatisfiable:
        raise HTTPException(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"The file has {file.size_bytes} bytes; the range must lie within, as in `bytes=0-99`.",
            {"Content-Range": f"bytes */{file.size_bytes}"},
        ) from None
