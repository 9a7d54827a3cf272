"""Files to the service: small ones in one request, large ones in parts that are compared, and sent again when lost.

Leaves HTTP to `_transport`, and what comes of a file to `_datasets`.
"""

import base64
import hashlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from hornbeam.client._transport import Call, Transport, pause_after
from hornbeam.errors import ServiceUnreachable, StorageFull, Unavailable, UploadBusy
from schemas.stored_datasets import Dataset, ReadingOptions, Upload, UploadRequest

WHOLE = 64 * 2**20
"""Up to this size a file goes in one request."""
PART = 32 * 2**20
MOST_PARTS = 10_000
TRIES = 8
"""Failed tries in a row before a part, or the completion, is given up."""
READ_SECONDS = 3600
"""What the service may take to read a file once it is there."""
_CHUNK = 2**18
_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file to send."""

    file: BinaryIO
    name: str
    options: ReadingOptions
    metadata: dict[str, str]


def send_file(transport: Transport, outgoing: Outgoing, upload_id: str | None = None) -> Dataset:
    """The dataset that the service makes of a file. Raises the service's errors."""
    size = _size_left(outgoing.file)
    if upload_id is None and size is not None and size <= WHOLE:
        return _send_whole(transport, outgoing, size)
    return _send_in_parts(transport, outgoing, size, upload_id)


def _send_whole(transport: Transport, outgoing: Outgoing, size: int) -> Dataset:
    start = outgoing.file.tell()
    digest = hashlib.sha256()
    for chunk in _chunks(outgoing.file, size):
        digest.update(chunk)

    def body() -> Iterator[bytes]:
        outgoing.file.seek(start)
        return _chunks(outgoing.file, size)

    query = {
        "name": outgoing.name,
        "options": outgoing.options.model_dump_json(exclude_defaults=True),
        **{f"metadata[{key}]": value for key, value in outgoing.metadata.items()},
    }
    headers = {"Content-Type": _BYTES, "Content-Length": str(size), "Content-Digest": _told(digest.digest())}
    call = Call("POST", "/v1/datasets", query, headers, body=body, repeatable=False, read_seconds=READ_SECONDS)
    return when_there_is_room(transport, call)


def when_there_is_room(transport: Transport, call: Call) -> Dataset:
    """The dataset that a request brings, made again where the service asks for it. Raises the service's errors."""
    failures = 0
    while True:
        try:
            return Dataset.model_validate_json(transport.send(call).content)
        except Unavailable as error:  # it said so itself: nothing has come of the request
            failures += 1
            if failures >= TRIES or error.retry_after is None:
                raise
            time.sleep(pause_after(error, failures))


def _send_in_parts(transport: Transport, outgoing: Outgoing, size: int | None, upload_id: str | None) -> Dataset:
    upload = _upload(transport, outgoing, size, upload_id)
    part_size = PART if size is None else max(PART, -(-size // MOST_PARTS))
    there = {part.number: part.sha256 for part in upload.parts}
    try:
        number = 0
        while (content := outgoing.file.read(part_size)) or number == 0:
            number += 1
            digest = hashlib.sha256(content)
            if there.get(number) != digest.hexdigest():
                _send_part(transport, upload, number, content, digest.digest())
        return _complete(transport, upload)
    except (ServiceUnreachable, Unavailable) as error:
        error.suggestion = f"Go on where it stopped with upload={upload.id!r}."
        raise


def _upload(transport: Transport, outgoing: Outgoing, size: int | None, upload_id: str | None) -> Upload:
    """What has arrived of an upload, or a new one. Raises UploadNotFound."""
    if upload_id is not None:
        return Upload.model_validate_json(transport.get(f"/v1/uploads/{quote(upload_id, safe='')}").content)
    wanted = UploadRequest(
        name=outgoing.name, options=outgoing.options, metadata=outgoing.metadata, size_bytes=size or None
    )
    body = wanted.model_dump_json(exclude_defaults=True).encode()
    return Upload.model_validate_json(transport.send(Call("POST", "/v1/uploads", content=body)).content)


def _send_part(transport: Transport, upload: Upload, number: int, content: bytes, digest: bytes) -> None:
    headers = {"Content-Type": _BYTES, "Content-Digest": _told(digest)}
    call = Call("PUT", f"{upload.links['self']}/parts/{number}", headers=headers, content=content)
    _patiently(transport, call)


def _complete(transport: Transport, upload: Upload) -> Dataset:
    """The dataset, however often the connection breaks: asked again, the service gives the same one."""
    call = Call("POST", upload.links["complete"], read_seconds=READ_SECONDS)
    return Dataset.model_validate_json(_patiently(transport, call))


def _patiently(transport: Transport, call: Call) -> bytes:
    failures = 0
    while True:
        try:
            return transport.send(call).content
        except StorageFull:
            raise  # room does not come by waiting
        except UploadBusy as error:  # a try of ours whose answer was lost is still under way
            time.sleep(pause_after(error, 0))
        except (ServiceUnreachable, Unavailable) as error:
            failures += 1
            if failures >= TRIES:
                raise
            time.sleep(pause_after(error, failures))


def _size_left(file: BinaryIO) -> int | None:
    """How many bytes there are from here to the end; None where nobody knows, as of a pipe."""
    if not file.seekable():
        return None
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    return end - here


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := file.read(min(_CHUNK, size))):
        size -= len(chunk)
        yield chunk


def _told(digest: bytes) -> str:
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
