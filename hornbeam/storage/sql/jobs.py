"""Jobs as clients see them: create, read, cancel, pause, resume, delete.

Leaves lists to `listing`, and what hangs on a job to `reading`.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select, tuple_, update

from hornbeam.errors import DatasetNotFound, JobNotFound, JobNotOver, KeyInFlight
from hornbeam.jobs.lifecycle import ACTIVE, is_terminal
from hornbeam.jobs.record import JobRecord, NewJob, Outcome
from hornbeam.storage.base import JobStore
from hornbeam.storage.sql.changes import ADD_EVENT, JOB_COLUMNS, LOCK, Change, refused
from hornbeam.storage.sql.columns import plain
from hornbeam.storage.sql.cursors import pair_digest
from hornbeam.storage.sql.part import AnyRow, Part, row_of
from hornbeam.storage.sql.tables import datasets, job_datasets, jobs, keys, tags
from schemas.events import EventType
from schemas.jobs import JobStatus, Summary, Transition

_ADD = insert(jobs)
_ADD_TAGS = insert(tags)
_ADD_DATASETS = insert(job_datasets)
# A shared lock that a deletion waits for, or has waited for: then the dataset is gone. SQLite knows no such locks.
_HOLD_DATASETS = (
    select(datasets.c.id)
    .where(datasets.c.id.in_(bindparam("b_ids", expanding=True)))
    .order_by(datasets.c.id)
    .with_for_update(read=True, key_share=True)
)
_TIE_KEY = update(keys).where(keys.c.key == bindparam("b_key"), keys.c.job_id.is_(None))
_GET = select(*JOB_COLUMNS).where(jobs.c.id == bindparam("b_id"))
_GET_VERSION = select(jobs.c.version).where(jobs.c.id == bindparam("b_id"))
_GLANCE_VERSION = "SELECT version FROM jobs WHERE id = ?"
_COUNT = select(jobs.c.status, func.count().label("jobs")).group_by(jobs.c.status)
_DELETE = delete(jobs).where(jobs.c.id == bindparam("b_id"))

_me = jobs.alias("me")
_QUEUED = select(func.count()).where(jobs.c.status == JobStatus.QUEUED)
_MORE_URGENT = _QUEUED.where(jobs.c.priority > _me.c.priority)
_QUEUED_EARLIER = _QUEUED.where(
    jobs.c.priority == _me.c.priority,
    tuple_(jobs.c.queued_at, jobs.c.id) < tuple_(_me.c.queued_at, _me.c.id),
)
_POSITION = select(
    _MORE_URGENT.correlate(_me).scalar_subquery() + _QUEUED_EARLIER.correlate(_me).scalar_subquery() + 1
).where(_me.c.id == bindparam("b_id"), _me.c.status == JobStatus.QUEUED)


class SqlJobs(Part, JobStore):
    """The part of the store that the API writes to."""

    def create_job(self, job: NewJob, *, idempotency_key: str | None = None) -> JobRecord:
        """See JobStore. Raises KeyInFlight when the key is no longer this request's to use."""
        record = self._queued(job)
        with self._database.writing() as connection:
            _hold_datasets(connection, [job])
            _add(connection, [record])
            _add_datasets(connection, [job])
            if idempotency_key is not None:
                _tie_key(connection, idempotency_key, job.id)
        return record

    def create_jobs(self, jobs: Sequence[NewJob]) -> list[JobRecord]:
        """See JobStore."""
        records = [self._queued(job) for job in jobs]
        if records:
            with self._database.writing() as connection:
                _hold_datasets(connection, jobs)
                _add(connection, records)
                _add_datasets(connection, jobs)
        return records

    def _queued(self, job: NewJob) -> JobRecord:
        now = self._now()
        given = row_of(job)
        del given["datasets"]  # they have a table of their own
        return JobRecord(
            **given,
            status=JobStatus.QUEUED,
            phase=None,
            attempt=0,
            version=1,
            worker_id=None,
            queued_at=now,
            started_at=None,
            finished_at=None,
            heartbeat_at=None,
            progress=None,
            summary=Summary(),
            timings={},
            error=None,
            transitions=(Transition(status=JobStatus.QUEUED, at=now, reason="submitted"),),
        )

    def get_job(self, job_id: str) -> JobRecord:
        """See JobStore."""
        with self._database.reading() as connection:
            return _read(connection, job_id)

    def get_version(self, job_id: str) -> int:
        """See JobStore."""
        version: int | None
        if self._database.is_sqlite:  # each poll asks, on the event loop
            version = self._database.glance(_GLANCE_VERSION, plain(job_id))
        else:
            with self._database.reading() as connection:
                version = connection.execute(_GET_VERSION, {"b_id": job_id}).scalar()
        if version is None:
            raise JobNotFound
        return version

    def request_cancel(self, job_id: str, reason: str) -> JobRecord:
        """See JobStore."""
        with self._database.writing() as connection:
            job = _lock(connection, job_id)
            if job.status in {JobStatus.CANCELLING, JobStatus.CANCELLED}:
                return _read(connection, job_id)
            to = JobStatus.CANCELLING if job.status in ACTIVE else JobStatus.CANCELLED
            return Change(to, reason, self._now()).apply(connection, job)

    def request_pause(self, job_id: str, reason: str) -> JobRecord:
        """See JobStore."""
        with self._database.writing() as connection:
            job = _lock(connection, job_id)
            if job.status in {JobStatus.PAUSING, JobStatus.PAUSED}:
                return _read(connection, job_id)
            return Change(JobStatus.PAUSING, reason, self._now()).apply(connection, job)

    def resume_job(self, job_id: str, reason: str) -> JobRecord:
        """See JobStore."""
        with self._database.writing() as connection:
            job = _lock(connection, job_id)
            if job.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
                return _read(connection, job_id)
            return Change(JobStatus.QUEUED, reason, self._now()).apply(connection, job)

    def fail_job(self, job_id: str, outcome: Outcome) -> JobRecord:
        """See JobStore."""
        with self._database.writing() as connection:
            job = _lock(connection, job_id)
            if job.status is not JobStatus.QUEUED:
                raise refused(job.status, JobStatus.FAILED)
            change = Change(JobStatus.FAILED, outcome.reason, self._now(), error=outcome.error)
            return change.apply(connection, job)

    def delete_job(self, job_id: str) -> None:
        """See JobStore. A replay of its Idempotency-Key is forgotten too."""
        with self._database.writing() as connection:
            job = _lock(connection, job_id)
            if not is_terminal(job.status):
                raise JobNotOver
            connection.execute(_DELETE, {"b_id": job_id})

    def queue_position(self, job_id: str) -> int | None:
        """See JobStore."""
        with self._database.reading() as connection:
            position: int | None = connection.execute(_POSITION, {"b_id": job_id}).scalar()
        return position

    def count_jobs(self) -> dict[JobStatus, int]:
        """See JobStore."""
        with self._database.reading() as connection:
            counted = {row.status: row.jobs for row in connection.execute(_COUNT)}
        return {status: counted.get(status, 0) for status in JobStatus}


def _add(connection: Connection, records: Sequence[JobRecord]) -> None:
    """Write new jobs with their tags and their first events."""
    connection.execute(_ADD, [{**row_of(record), "last_event": 1, "last_log": 0} for record in records])
    said = {"status": JobStatus.QUEUED.value, "reason": "submitted", "attempt": 0}
    queued = {"seq": 1, "type": EventType.JOB_QUEUED, "data": said}
    connection.execute(ADD_EVENT, [{"job_id": record.id, "at": record.queued_at, **queued} for record in records])
    rows = [
        {"pair": pair, "created_at": record.created_at, "job_id": record.id}
        for record in records
        for pair in sorted({pair_digest(key, value) for key, value in record.metadata.items()})
    ]
    if rows:
        connection.execute(_ADD_TAGS, rows)


def _hold_datasets(connection: Connection, new: Sequence[NewJob]) -> None:
    """Keep the datasets that jobs name from being deleted or changed until the end. Raises DatasetNotFound."""
    named = sorted({dataset_id for job in new for dataset_id in job.datasets})
    if named:
        there = set(connection.execute(_HOLD_DATASETS, {"b_ids": named}).scalars())
        gone = [dataset_id for dataset_id in named if dataset_id not in there]
        if gone:
            raise DatasetNotFound(f"There is no dataset with the id {gone[0]}.")


def _add_datasets(connection: Connection, new: Sequence[NewJob]) -> None:
    rows = [{"job_id": job.id, "dataset_id": dataset_id} for job in new for dataset_id in sorted(set(job.datasets))]
    if rows:
        connection.execute(_ADD_DATASETS, rows)


def _read(connection: Connection, job_id: str) -> JobRecord:
    row = connection.execute(_GET, {"b_id": job_id}).one_or_none()
    if row is None:
        raise JobNotFound
    return JobRecord(*row)


def _lock(connection: Connection, job_id: str) -> AnyRow:
    row = connection.execute(LOCK, {"b_id": job_id}).one_or_none()
    if row is None:
        raise JobNotFound
    return row


def _tie_key(connection: Connection, key: str, job_id: str) -> None:
    tied = connection.execute(_TIE_KEY, {"b_key": key, "job_id": job_id})
    if tied.rowcount != 1:
        # The reservation was taken for abandoned, and another request has led to a job meanwhile.
        raise KeyInFlight
