"""Datasets: received, read by a process of their own, and recorded with their two files, or refused and gone.

Leaves HTTP to the routes, the process to `ingesting`, and uploads in parts to `uploads`, which come here once complete.
"""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException

from hornbeam.datasets.record import Completion, DatasetChanges, DatasetRecord, NewDataset, Reading, table_key
from hornbeam.datasets.record import file_key as key_of_file
from hornbeam.errors import ArtifactStoreUnavailable, Unavailable
from hornbeam.ingest.protocol import TABLE, IngestAnswer, IngestLimits, IngestRequest
from hornbeam.jobs.identifiers import new_dataset_id
from schemas.stored_datasets import DatasetChange, ReadingOptions
from schemas.strict import JsonObject
from service.digests import announced, compare, verified
from service.ingesting import Ingest, Ingests
from service.multipart import Form, read_form
from service.parts import Parts
from service.receiving import Intake, Received, disk_trouble, pieces_of
from service.sources.places import Place
from service.threads import Threads

_FILE = "file"
_TRIES = 10
"""Somebody may delete the last dataset with the same bytes just when they are to be named again."""

_log = logging.getLogger(__name__)

T = TypeVar("T")

Gone = Callable[[], Awaitable[None]]
"""Returns when nobody waits for the answer any more."""
Fill = Callable[[Ingest], Awaitable[Received | None]]
"""Brings the file, as the process that reads it looks on; None where the rest of it is not waited for."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """What is known of a file before it has come."""

    name: str
    options: ReadingOptions = field(default_factory=ReadingOptions)
    metadata: dict[str, str] = field(default_factory=dict)
    media_type: str | None = None
    sha256: str | None = None
    """Announced."""

    @property
    def asked(self) -> JsonObject:
        """The options as they are compared and remembered."""
        return _asked(self.options)


class Datasets:
    """Brings, changes and deletes datasets. For one event loop.

    Args:
        parts: Settings, store and artifacts.
        threads: For calls of the store.
        files: For files: hashed, written, moved.
        ingests: The processes that read.
    """

    def __init__(self, parts: Parts, threads: Threads, files: Threads, ingests: Ingests) -> None:
        self._store = parts.store
        self._artifacts = parts.artifacts
        self._sources = parts.sources
        self._threads = threads
        self._files = files
        self._ingests = ingests
        self.limit = parts.settings.max_dataset_bytes
        self._limits = IngestLimits(seconds=parts.settings.ingest_seconds)

    async def bring(self, request: Request, arriving: Arriving, *, once: bool = False) -> tuple[DatasetRecord, bool]:
        """The dataset in a request's body, and whether it is a new one.

        Args:
            request: Its body is the file.
            arriving: What is known of it.
            once: Where a dataset of this name, these bytes and options is there, it is the answer.

        Raises:
            InvalidDataset: With what is wrong with the file.
            DigestMismatch: It is not the file that was announced.
            DatasetTooLarge, StorageFull, IngestBusy, StoreUnavailable, ArtifactStoreUnavailable.
        """
        async with self._ingests.place(), self.workdir() as workdir:

            async def fill(ingest: Ingest) -> Received | None:
                return await self._filled(workdir, ingest, pieces_of(request))

            return await self._read_and_record(workdir, arriving, fill, once=once, gone=partial(until_gone, request))

    async def bring_form(
        self, request: Request, boundary: bytes, describe: Callable[[Form], Arriving]
    ) -> DatasetRecord:
        """The dataset in a form: read once all of it is there, for its fields may come after the file. See `bring`."""
        expected = announced(request.headers)  # of the form, not of the file in it
        async with self._ingests.place(), self.workdir() as workdir:
            async with self._intake(workdir) as intake:
                form = await read_form(verified(pieces_of(request), expected), boundary, intake)

            async def fill(ingest: Ingest) -> Received:
                await ingest.grown(form.file.size_bytes)
                return form.file

            arriving = describe(form)
            record, _ = await self._read_and_record(workdir, arriving, fill, gone=partial(until_gone, request))
            return record

    async def bring_parts(
        self, arriving: Arriving, pieces: Callable[[], AsyncIterator[bytes]], completes: Completion
    ) -> DatasetRecord:
        """The dataset of an upload whose parts are all there. See `bring`."""
        async with self._ingests.place(), self.workdir() as workdir:

            async def fill(ingest: Ingest) -> Received:
                async with self._intake(workdir, ingest) as intake:
                    return await intake.take(pieces())

            record, _ = await self._read_and_record(workdir, arriving, fill, completes=completes)
            return record

    async def bring_from(self, place: Place, arriving: Arriving, gone: Gone) -> DatasetRecord:
        """The dataset that lies at a place, fetched while somebody waits for it. See `bring` and `Sources`."""
        async with self._ingests.place(), self.workdir() as workdir, AsyncExitStack() as held:
            pieces = await unless(gone, held.enter_async_context(self._sources.open(place, limit=self.limit)))

            async def fill(ingest: Ingest) -> Received | None:
                return await unless(gone, self._filled(workdir, ingest, pieces))

            record, _ = await self._read_and_record(workdir, arriving, fill, gone=gone)
            return record

    async def change(self, dataset_id: str, change: DatasetChange, gone: Gone) -> DatasetRecord:
        """Change a dataset; with other options its file is read anew, and its table replaced.

        Raises DatasetNotFound, DatasetInUse, ArtifactNotFound, and what `bring` raises.
        """
        before = await self._threads.run(self._store.get_dataset, dataset_id)
        changes = DatasetChanges(change.name, change.metadata)
        if change.options is None or _asked(change.options) == before.asked:
            return await self._change(before, changes)
        arriving = Arriving(before.name, change.options, media_type=before.media_type)
        async with self._ingests.place(), self.workdir() as workdir:
            path = workdir / _FILE
            await self._files.run(self._artifacts.fetch, before.file_key, path, sha256=before.sha256)
            async with self._ingests.reading(self._question(workdir, arriving)) as ingest:
                await ingest.grown(before.size_bytes)
                answer = await unless(gone, ingest.answer())
            reading = _reading(answer, arriving)
            key = table_key(reading.table_sha256)
            try:
                await self._files.run(self._put, key, workdir / TABLE, reading.table_sha256)
                return await self._change(before, replace(changes, reading=reading))
            finally:
                await asyncio.shield(self._files.run(self.drop, {before.table_key, key}))

    async def _change(self, before: DatasetRecord, changes: DatasetChanges) -> DatasetRecord:
        is_stored = self._artifacts.has
        after = await self._threads.run(self._store.change_dataset, before.id, changes, is_stored=is_stored)
        if after is None:
            raise ArtifactStoreUnavailable("A table that was stored is gone again.")
        return after

    async def delete(self, dataset_id: str) -> None:
        """Forget a dataset, and its files where no other names them. Raises DatasetNotFound, DatasetInUse."""
        record = await self._threads.run(self._store.delete_dataset, dataset_id)
        await self._files.run(self.drop, [record.file_key, record.table_key])

    def drop(self, keys: Iterable[str]) -> None:
        """Delete the files that no dataset names. What can't be deleted now is found by `housekeeping`."""
        for key in keys:
            try:
                self._store.drop_file(key, self._artifacts.delete)
            except Unavailable:
                _log.warning("The file %s could not be deleted now.", key)

    @asynccontextmanager
    async def workdir(self) -> AsyncIterator[Path]:
        """A private directory for one file, where it can be moved from into the artifact store; gone in the end."""
        path = await self._files.run(self._make_workdir)
        try:
            yield path
        finally:
            await asyncio.shield(self._files.run(shutil.rmtree, path, ignore_errors=True))

    async def _filled(self, workdir: Path, ingest: Ingest, pieces: AsyncIterator[bytes]) -> Received | None:
        async with self._intake(workdir, ingest) as intake:
            async for piece in pieces:
                await intake.write(piece)
                if ingest.has_ended:
                    return None  # it refuses the file, and the rest of it would make no difference
            return await intake.finish()

    def _intake(self, workdir: Path, ingest: Ingest | None = None) -> Intake:
        on_growth = ingest.grown if ingest else None
        return Intake(workdir / _FILE, self._files, limit=self.limit, on_growth=on_growth)

    def _make_workdir(self) -> Path:
        with disk_trouble():
            return Path(tempfile.mkdtemp(prefix="dataset-", dir=self._artifacts.staging()))

    def _question(self, workdir: Path, arriving: Arriving) -> IngestRequest:
        return IngestRequest(
            path=str(workdir / _FILE),
            name=arriving.name,
            media_type=arriving.media_type,
            options=arriving.options,
            workdir=str(workdir),
            limits=self._limits,
        )

    async def _read_and_record(
        self,
        workdir: Path,
        arriving: Arriving,
        fill: Fill,
        *,
        once: bool = False,
        gone: Gone | None = None,
        completes: Completion | None = None,
    ) -> tuple[DatasetRecord, bool]:
        (workdir / _FILE).touch()
        async with self._ingests.reading(self._question(workdir, arriving)) as ingest:
            received = await fill(ingest)
            if received is not None:
                compare(arriving.sha256, received.sha256)
                if once and (twin := await self._twin(arriving, received)):
                    return twin, False
            answer = await (unless(gone, ingest.answer()) if gone else ingest.answer())
        if received is None:
            raise AssertionError("what is read before it is whole is refused")
        new = NewDataset(
            id=new_dataset_id(),
            name=arriving.name,
            created_at=datetime.now(UTC),
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            reading=_reading(answer, arriving),
            media_type=arriving.media_type,
            metadata=arriving.metadata,
        )
        record = await self._files.run(self._record, new, workdir, once=once, completes=completes)
        return record, record.id == new.id

    async def _twin(self, arriving: Arriving, received: Received) -> DatasetRecord | None:
        return await self._threads.run(self._store.find_dataset, arriving.name, received.sha256, arriving.asked)

    def _record(self, new: NewDataset, workdir: Path, *, once: bool, completes: Completion | None) -> DatasetRecord:
        """Both files in the artifact store, then the dataset on record. See the laws of `storage.datasets`."""
        files = {
            key_of_file(new.sha256): (workdir / _FILE, new.sha256),
            table_key(new.reading.table_sha256): (workdir / TABLE, new.reading.table_sha256),
        }
        try:
            return self._record_with(files, partial(self._store.create_dataset, new, once=once, completes=completes))
        except Exception:
            self.drop(files)
            raise

    def _record_with(
        self, files: Mapping[str, tuple[Path, str]], create: Callable[..., DatasetRecord | None]
    ) -> DatasetRecord:
        for _ in range(_TRIES):
            for key, (path, sha256) in files.items():
                self._put(key, path, sha256)
            record = create(is_stored=self._artifacts.has)
            if record is not None:
                return record
        raise ArtifactStoreUnavailable("Files that were stored are gone again.")

    def _put(self, key: str, path: Path, sha256: str) -> None:
        if not self._artifacts.has(key):
            with disk_trouble():
                self._artifacts.adopt_file(key, path, sha256=sha256)


async def until_gone(request: Request) -> None:
    """Return when the client of a request, whose body has been read, is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def unless(gone: Gone, work: Awaitable[T]) -> T:
    """What `work` gives; it is given up, with HTTP's 400, when nobody waits for it any more."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HTTPException(HTTPStatus.BAD_REQUEST, "The client has gone.")
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _asked(options: ReadingOptions) -> JsonObject:
    return options.model_dump(mode="json", exclude_defaults=True)


def _reading(answer: IngestAnswer, arriving: Arriving) -> Reading:
    profile = answer.profile
    if profile is None:
        raise AssertionError("an answer without a profile was refused")
    return Reading(
        format=profile.format,
        asked=arriving.asked,
        options=profile.options.model_dump(mode="json", exclude_defaults=True),
        rows=profile.rows,
        columns=tuple(profile.columns),
        target=profile.target,
        findings=tuple(answer.findings),
        preview=tuple(profile.preview),
        table_sha256=answer.table_sha256,
        table_bytes=answer.table_bytes,
    )
