"""Takes in bodies that are too large for memory: counted and hashed while they are written, beside the event loop.

Leaves what a body is to `multipart` and `datasets`.
"""

import asyncio
import contextlib
import errno
import hashlib
import math
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hornbeam.errors import ArtifactStoreUnavailable, DatasetTooLarge, StorageFull
from service.threads import Threads

CHUNK = 2**20
"""What is handed to a thread at once: enough that the hand-over costs nothing."""
SYNC_BYTES = 2**26
"""So many bytes may be written and not on disk: the artifact store waits for them when the file is whole."""
SILENT_SECONDS = 60.0
"""A client that sends nothing for so long is given up: it holds a place that others wait for."""
SLOWEST = 1024
"""Bytes a second that it must send on average, for the same reason."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived."""

    path: Path
    size_bytes: int
    sha256: str


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises HTTP's 400 when it breaks off, 408 when nothing comes, 415 when it is encoded."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        detail = "A Content-Encoding is not undone here: send a compressed file as what it is."
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    try:
        async for piece in paced(request.stream()):
            yield piece
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body ended before its end.") from None
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT,
            f"Nothing more of the body came within {SILENT_SECONDS:g} seconds, or less than {SLOWEST} bytes a second.",
        ) from None


async def paced(stream: AsyncIterator[bytes], until: float = math.inf) -> AsyncIterator[bytes]:
    """The same pieces. Raises TimeoutError when none comes for SILENT_SECONDS, or too little, or when it is `until`.

    Args:
        stream: Where they come from.
        until: By the monotonic clock.
    """
    deadline = time.monotonic() + SILENT_SECONDS
    while True:
        async with asyncio.timeout(min(SILENT_SECONDS, min(deadline, until) - time.monotonic())):
            piece = await anext(stream, None)
        if piece is None:
            return
        yield piece
        deadline += len(piece) / SLOWEST


def check_length(request: Request, limit: int) -> None:
    """Raise DatasetTooLarge for a body that says itself that it is too large; what really comes is counted besides."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)


def too_large(limit: int) -> DatasetTooLarge:
    """The refusal, in words."""
    return DatasetTooLarge(f"The file may have {limit} bytes.", suggestion="HORNBEAM_MAX_DATASET_BYTES sets the limit.")


class Intake:
    """A file that is being received. Within its `async with`; a thread writes the last chunk while the next one comes.

    Args:
        path: Where to write.
        threads: Who writes and hashes.
        limit: How many bytes it may have.
        on_growth: Is told how many bytes are in the file, whenever there are more.
    """

    def __init__(
        self, path: Path, threads: Threads, *, limit: int, on_growth: Callable[[int], Awaitable[None]] | None = None
    ) -> None:
        self._path = path
        self._threads = threads
        self._limit = limit
        self._on_growth = on_growth
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._size = 0
        self._synced = 0
        self._writing: asyncio.Future[int] | None = None

    async def __aenter__(self) -> Self:
        self._file = await self._threads.run(self._path.open, "wb", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writing is not None:
            # Whoever waits may have been cancelled; the thread writes on, and must not find the file closed.
            await asyncio.wait({self._writing})
        self._file.close()

    async def take(self, pieces: AsyncIterable[bytes]) -> Received:
        """All of it. Raises DatasetTooLarge, StorageFull, and what `pieces` raises."""
        async for piece in pieces:
            await self.write(piece)
        return await self.finish()

    async def write(self, piece: bytes) -> None:
        """Add a piece. Raises DatasetTooLarge, StorageFull."""
        self._size += len(piece)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held >= CHUNK:
            await self._hand_over()

    async def finish(self) -> Received:
        """What has arrived. Raises StorageFull."""
        await self._hand_over()
        await self._settle()
        return Received(self._path, self._size, self._digest.hexdigest())

    async def _hand_over(self) -> None:
        await self._settle()
        pieces, self._pieces, self._held = self._pieces, [], 0
        self._writing = asyncio.ensure_future(self._threads.run(self._append, pieces))

    async def _settle(self) -> None:
        """Wait for the thread that writes, and tell how far it has come."""
        if self._writing is not None:
            size = await asyncio.shield(self._writing)
            self._writing = None
            if self._on_growth is not None:
                await self._on_growth(size)

    def _append(self, pieces: list[bytes]) -> int:
        chunk = memoryview(b"".join(pieces))
        self._digest.update(chunk)
        with disk_trouble():
            while chunk:
                chunk = chunk[self._file.write(chunk) :]
            size = self._file.tell()
            if size - self._synced >= SYNC_BYTES:
                os.fdatasync(self._file.fileno())
                self._synced = size
            return size


@contextlib.contextmanager
def disk_trouble() -> Iterator[None]:
    """Local files' errors in our words. Raises StorageFull, ArtifactStoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from None
        kind = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise ArtifactStoreUnavailable(f"A file cannot be written ({kind}).") from None
