"""Uploads in parts: received one by one, in whatever order, then put together, read and recorded.

Parts are in the artifact store, so that any API process takes the next one, or completes. Leaves reading the whole
to `datasets`, and what nobody completes to `housekeeping`.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.concurrency import iterate_in_threadpool

from hornbeam.datasets.record import UPLOADS, Completion, DatasetRecord, NewUpload, PartRecord, UploadRecord
from hornbeam.errors import Unavailable, UploadIncomplete
from hornbeam.jobs.identifiers import new_upload_id
from schemas.stored_datasets import ReadingOptions, UploadRequest
from service.datasets import Arriving, Datasets
from service.digests import compare
from service.parts import Parts
from service.receiving import Intake, pieces_of, too_large
from service.threads import Threads

MOST_PARTS = 10_000
ABANDONED_SECONDS = 30.0
"""Who completes an upload and is not heard of for so long has died with its process."""
_RENEW_SECONDS = 5.0
_MISSING_TOLD = 20

_log = logging.getLogger(__name__)


def abandoned_before() -> datetime:
    """Completions that were not heard of since then are abandoned."""
    return datetime.now(UTC) - timedelta(seconds=ABANDONED_SECONDS)


def folder_of(upload_id: str) -> str:
    """Below which key the parts of an upload are."""
    return f"{UPLOADS}/{upload_id}"


class Uploads:
    """Begins, fills, completes and drops uploads. For one event loop.

    Args:
        parts: Store and artifacts.
        threads: For calls of the store.
        files: For files.
        datasets: Who reads the whole.
    """

    def __init__(self, parts: Parts, threads: Threads, files: Threads, datasets: Datasets) -> None:
        self._store = parts.store
        self._artifacts = parts.artifacts
        self._threads = threads
        self._files = files
        self._datasets = datasets
        self._completing: dict[str, asyncio.Task[DatasetRecord]] = {}

    async def begin(self, wanted: UploadRequest) -> UploadRecord:
        """An upload without parts. Raises DatasetTooLarge, StoreUnavailable."""
        if wanted.size_bytes is not None and wanted.size_bytes > self._datasets.limit:
            raise too_large(self._datasets.limit)
        new = NewUpload(
            id=new_upload_id(),
            name=wanted.name,
            created_at=datetime.now(UTC),
            options=wanted.options.model_dump(mode="json", exclude_defaults=True),
            metadata=wanted.metadata,
            size_bytes=wanted.size_bytes,
            sha256=wanted.sha256,
        )
        return await self._threads.run(self._store.create_upload, new)

    async def put_part(self, request: Request, upload_id: str, number: int, expected: str | None) -> PartRecord:
        """Take a part in; one of the same number is replaced. Raises UploadNotFound, UploadBusy, DigestMismatch."""
        await self._threads.run(self._store.get_upload, upload_id)
        async with self._datasets.workdir() as workdir:
            async with Intake(workdir / "part", self._files, limit=self._datasets.limit) as intake:
                received = await intake.take(pieces_of(request))
            compare(expected, received.sha256)
            key = f"{folder_of(upload_id)}/{number}-{secrets.token_hex(8)}"
            part = PartRecord(upload_id, number, received.size_bytes, received.sha256, key)
            await self._files.run(self._artifacts.adopt_file, key, received.path, sha256=received.sha256)
            try:
                replaced = await self._threads.run(self._store.put_part, part)
            except BaseException:
                await asyncio.shield(self._files.run(self._drop, key))
                raise
        if replaced is not None:
            await self._files.run(self._drop, replaced.key)
        return part

    async def complete(self, upload_id: str) -> DatasetRecord:
        """The dataset of the parts. It is made even when the client does not wait: asked again, it is the answer.

        Raises UploadNotFound, UploadBusy, UploadIncomplete, DigestMismatch, and what `Datasets.bring` raises.
        """
        upload = await self._threads.run(self._store.begin_completion, upload_id, abandoned_before=abandoned_before())
        if upload.dataset_id is not None:
            return await self._threads.run(self._store.get_dataset, upload.dataset_id)
        task = asyncio.create_task(self._complete(upload))
        self._completing[upload_id] = task
        task.add_done_callback(lambda _: self._completing.pop(upload_id, None))
        return await asyncio.shield(task)

    async def delete(self, upload_id: str) -> None:
        """Forget an upload with its parts. Raises UploadNotFound, UploadBusy."""
        await self._threads.run(self._store.delete_upload, upload_id, abandoned_before=abandoned_before())
        await self._files.run(self._drop_all, upload_id)

    async def aclose(self) -> None:
        """Give up what is being completed: parts stay, and the next process may begin anew."""
        tasks = list(self._completing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _complete(self, upload: UploadRecord) -> DatasetRecord:
        held = Completion(upload.id, upload.completion)
        try:
            async with self._kept(held):
                parts = await self._threads.run(self._store.upload_parts, upload.id)
                self._check(upload, parts)
                arriving = Arriving(
                    upload.name, ReadingOptions.model_validate(upload.options), upload.metadata, sha256=upload.sha256
                )
                dataset = await self._datasets.bring_parts(arriving, lambda: self._pieces(parts), held)
        except BaseException:
            await asyncio.shield(self._threads.run(self._let_go, held))
            raise
        await self._files.run(self._drop_all, upload.id)
        return dataset

    @asynccontextmanager
    async def _kept(self, held: Completion) -> AsyncIterator[None]:
        """Within it, the database knows that somebody is at it."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(_RENEW_SECONDS)
                try:
                    await self._threads.run(self._store.renew_completion, held)
                except Unavailable:
                    _log.warning("The database can't be told that %s is being completed.", held.upload_id)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    def _check(self, upload: UploadRecord, parts: Sequence[PartRecord]) -> None:
        """Raises UploadIncomplete, DatasetTooLarge."""
        numbers = [part.number for part in parts]
        missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))
        if missing:
            told = ", ".join(map(str, missing[:_MISSING_TOLD])) + (", …" if len(missing) > _MISSING_TOLD else "")
            raise UploadIncomplete(f"Parts are missing: {told}.")
        size = sum(part.size_bytes for part in parts)
        if size > self._datasets.limit:
            raise too_large(self._datasets.limit)
        if upload.size_bytes is not None and size != upload.size_bytes:
            raise UploadIncomplete(f"The parts have {size} bytes together, and {upload.size_bytes} were announced.")

    async def _pieces(self, parts: Sequence[PartRecord]) -> AsyncIterator[bytes]:
        for part in parts:
            async for piece in iterate_in_threadpool(await self._files.run(self._artifacts.read, part.key)):
                yield piece

    def _let_go(self, held: Completion) -> None:
        try:
            self._store.end_completion(held)
        except Unavailable:
            _log.warning("%s can be completed again in half a minute.", held.upload_id)

    def _drop(self, key: str) -> None:
        try:
            self._artifacts.delete(key)
        except Unavailable:
            _log.warning("The file %s could not be deleted now.", key)

    def _drop_all(self, upload_id: str) -> None:
        try:
            self._artifacts.delete_tree(folder_of(upload_id))
        except Unavailable:
            _log.warning("The parts of %s could not be deleted now.", upload_id)
