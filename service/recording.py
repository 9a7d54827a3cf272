"""Records submitted jobs: those that arrive while a commit is under way share the next one.

A commit waits for the disk, so one for each job would bound submissions by that. A job with an Idempotency-Key needs
a transaction of its own. Once a job is on record, a worker is woken up for it, where that can help.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from hornbeam.errors import DatasetNotFound, StoreUnavailable
from hornbeam.jobs.record import JobRecord, NewJob
from hornbeam.storage.base import JobStore
from schemas.jobs import Queue
from service.fleet import Fleet
from service.threads import Threads
from service.wakeups import WakeUps

_BATCH = 64

_SPARE_WAKE_UPS = 16
"""Jobs so far behind what all slots can take need no wake-up: a worker that has finished a job takes the next one."""

Recorded = tuple[JobRecord, Queue | None]
"""A job, and its place in the queue where that could be told."""


class Recorder:
    """Collects what is submitted. For one event loop."""

    def __init__(self, store: JobStore, fleet: Fleet, wake_ups: WakeUps, threads: Threads) -> None:
        self._store = store
        self._fleet = fleet
        self._wake_ups = wake_ups
        self._threads = threads
        self._waiting: list[tuple[NewJob, asyncio.Future[Recorded]]] = []
        self._task: asyncio.Task[None] | None = None

    async def record(self, job: NewJob) -> Recorded:
        """The job, once it is on disk. Raises StoreUnavailable, DatasetNotFound."""
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if self._task is None:
            self._task = asyncio.create_task(self._record_waiting())
        return await future

    async def record_with_key(self, job: NewJob, key: str) -> Recorded:
        """The job, tied to its reserved key. Raises StoreUnavailable, KeyInFlight, DatasetNotFound."""

        def create() -> Recorded:
            return self._announced([self._store.create_job(job, idempotency_key=key)])[0]

        return await self._threads.run(create)

    async def _record_waiting(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._record(batch)
        finally:
            self._task = None

    async def _record(self, batch: Sequence[tuple[NewJob, asyncio.Future[Recorded]]]) -> None:
        try:
            recorded = await self._threads.run(self._create, [job for job, _ in batch])
        except DatasetNotFound as error:
            if len(batch) > 1:  # only one of them may name it, and the others have nothing to do with it
                for one in batch:
                    await self._record([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, those who submitted are to see it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, recorded, strict=True):
            if not future.done():
                future.set_result(result)

    def _create(self, jobs: Sequence[NewJob]) -> list[Recorded]:
        return self._announced(self._store.create_jobs(jobs))

    def _announced(self, records: Sequence[JobRecord]) -> list[Recorded]:
        """The jobs with their places, workers woken up for those that one may take soon."""
        try:
            picture = self._fleet.picture()
            positions = self._positions(records)
        except StoreUnavailable:
            # On record they are, and what could not be told now a poll will tell.
            for record in records:
                self._wake_ups.send(record.id)
            return [(record, None) for record in records]
        placed: list[Recorded] = []
        for record in records:
            position = positions.get(record.id)
            if position is None or position <= picture.slots + _SPARE_WAKE_UPS:
                self._wake_ups.send(record.id)
            queue = picture.describe(position, record) if position else None
            placed.append((record, queue))
        return placed

    def _positions(self, records: Sequence[JobRecord]) -> dict[str, int]:
        """Positions of jobs queued at the same moment: the first of those equally urgent leads the others, by id."""
        found: dict[str, int] = {}
        by_urgency = sorted(records, key=lambda record: (record.priority, record.id))
        for _, group in groupby(by_urgency, key=lambda record: record.priority):
            ids = [record.id for record in group]
            first = self._store.queue_position(ids[0])
            if first is not None:
                found.update((job_id, first + rank) for rank, job_id in enumerate(ids))
        return found
