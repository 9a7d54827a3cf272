"""Fetches one object from a bucket, with the service's own credentials: what it may read is the operator's choice.

Leaves which buckets may be named to `places`.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from hornbeam.errors import SourceStatus, SourceUnreachable
from hornbeam.storage.files import CHUNK, READ_BLOCK, S3
from service.receiving import paced, too_large
from service.sources.places import BucketFile


class Buckets:
    """Fetches files from an S3-compatible store.

    Args:
        store: The store.
        seconds: What a fetch may take, all in all.
    """

    def __init__(self, store: S3, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    @asynccontextmanager
    async def open(self, file: BucketFile, *, limit: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an object. Raises SourceStatus, SourceUnreachable, DatasetTooLarge."""
        deadline = time.monotonic() + self._seconds
        opened, size = await run_in_threadpool(self._opened, file)
        if size > limit:
            raise too_large(limit)
        async with aclosing(self._pieces(opened, size, deadline)) as pieces:
            yield pieces

    def _opened(self, file: BucketFile) -> tuple[Any, int]:
        with self._told():
            path = f"{file.bucket}/{file.key}"
            opened = self._store.filesystem.open(path, "rb", block_size=READ_BLOCK, cache_type="readahead")
            if opened.details["type"] != "file":
                raise SourceStatus("There is no such object.")
            return opened, int(opened.size)

    async def _pieces(self, opened: Any, size: int, deadline: float) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in paced(iterate_in_threadpool(self._chunks(opened, size)), deadline):
                yield piece
        except TimeoutError:
            raise SourceUnreachable(f"The bucket did not give the object within {self._seconds:g} seconds.") from None

    def _chunks(self, opened: Any, size: int) -> Iterator[bytes]:
        with self._told(), opened:
            while size > 0:
                chunk = opened.read(min(CHUNK, size))
                if not chunk:
                    raise SourceUnreachable("The object ended before its end: it was replaced while it was read.")
                size -= len(chunk)
                yield chunk

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The store's errors in our words; theirs name addresses."""
        try:
            yield
        except (FileNotFoundError, IsADirectoryError):
            raise SourceStatus("There is no such object.") from None
        except PermissionError:
            raise SourceStatus("The service may not read this object.") from None
        except self._store.troubles:
            raise SourceUnreachable("The bucket cannot be read now.") from None
