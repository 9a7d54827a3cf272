"""Jobs as they are answered: JSON, rendered once for as long as nothing about the job changes, and its ETag.

A poll costs one look at the version in the database; only when that, the place in the queue or the live progress has
changed is the job read and written out anew.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

from hornbeam.jobs.lifecycle import ACTIVE, is_terminal
from hornbeam.jobs.record import JobRecord
from hornbeam.queue.base import Watch
from hornbeam.storage.base import Store
from schemas.jobs import JobStatus, Progress, Queue
from service.fleet import Fleet
from service.jobs import to_job
from service.threads import Threads

_KEPT = 512
_LARGE = 65_536
"""Jobs whose JSON is larger are written out anew for each poll: together they could fill the memory."""
_POSITION_SECONDS = 0.5
"""How long a place in the queue is believed: counting a queue of 100,000 takes milliseconds."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it was answered."""

    record: JobRecord
    queue: Queue | None
    progress: Progress | None
    body: bytes
    etag: str
    placed_at: float
    """When its place in the queue was looked up."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over."""
        return is_terminal(self.record.status)


class JobViews:
    """Every poll of every job goes through here. For one event loop."""

    def __init__(self, store: Store, watch: Watch, fleet: Fleet, threads: Threads) -> None:
        self._store = store
        self._watch = watch
        self._fleet = fleet
        self._threads = threads
        self._views: OrderedDict[str, JobView] = OrderedDict()

    async def get(self, job_id: str) -> JobView:
        """The job as it stands. Raises JobNotFound, StoreUnavailable."""
        known = self._views.get(job_id)
        record, queue, placed_at = await self._threads.run(self._look, job_id, known)
        progress = await self._watch.progress(job_id) if record.status in ACTIVE else None
        if known and (known.record, known.queue, known.progress) == (record, queue, progress):
            view = known if known.placed_at == placed_at else replace(known, placed_at=placed_at)
        else:
            body = to_job(record, queue=queue, progress=progress).model_dump_json().encode()
            view = JobView(record, queue, progress, body, etag_of(body), placed_at)
        self._keep(view)
        return view

    async def created(self, record: JobRecord) -> JobView:
        """The view of a job that was recorded just now."""
        queue = await self._threads.run(self._place, record)
        body = to_job(record, queue=queue).model_dump_json().encode()
        return JobView(record, queue, None, body, etag_of(body), time.monotonic())

    def _look(self, job_id: str, known: JobView | None) -> tuple[JobRecord, Queue | None, float]:
        """The record, the same object when it has not changed, and its place in the queue."""
        now = time.monotonic()
        if known is None or self._store.get_version(job_id) != known.record.version:
            record = self._store.get_job(job_id)
            return record, self._place(record), now
        if known.queue is None or now - known.placed_at < _POSITION_SECONDS:
            return known.record, known.queue, known.placed_at
        return known.record, self._place(known.record), now

    def _place(self, record: JobRecord) -> Queue | None:
        if record.status is not JobStatus.QUEUED:
            return None
        position = self._store.queue_position(record.id)
        return None if position is None else self._fleet.picture().describe(position, needs_gpu=record.needs_gpu)

    def _keep(self, view: JobView) -> None:
        if len(view.body) > _LARGE:
            return
        self._views[view.record.id] = view
        self._views.move_to_end(view.record.id)
        if len(self._views) > _KEPT:
            self._views.popitem(last=False)


def etag_of(body: bytes) -> str:
    """A strong ETag: another body has another one, in whichever process it was written."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
