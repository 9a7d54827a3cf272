"""Changes of status: the one place where a job's `status` is written, with its transition, timings and event.

Who may ask for which change is decided by `hornbeam.jobs.lifecycle`; who asks, by the parts of the store. They
lock the job's row first (SQLite locks the database), so what they saw still holds here; the UPDATE compares
status and attempt once more, so that it would change nothing if it did not.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from hornbeam.errors import TransitionRefused
from hornbeam.jobs.lifecycle import ACTIVE, EVENT_OF, TERMINAL, is_allowed
from hornbeam.jobs.record import JobRecord
from hornbeam.storage.sql.part import AnyRow, columns_of
from hornbeam.storage.sql.tables import events, jobs
from schemas.events import EventType
from schemas.jobs import JobError, JobPhase, JobStatus, Transition

JOB_COLUMNS = columns_of(JobRecord, jobs)

STANDING = (
    jobs.c.id,
    jobs.c.status,
    jobs.c.attempt,
    jobs.c.version,
    jobs.c.queued_at,
    jobs.c.started_at,
    jobs.c.phase,
    jobs.c.phase_since,
    jobs.c.timings,
    jobs.c.transitions,
    jobs.c.last_event,
)
"""What a change of status starts from."""

LOCK = select(*STANDING).where(jobs.c.id == bindparam("b_id")).with_for_update()
"""The standing of one job, which nobody else changes until the transaction ends."""

_CHANGE = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("b_id"),
        jobs.c.status == bindparam("b_from", type_=jobs.c.status.type),
        jobs.c.attempt == bindparam("b_attempt"),
    )
    .returning(*JOB_COLUMNS)
)

LOST_EVENT = {JobStatus.QUEUED: EventType.JOB_RETRYING}
"""The event in place of the status's own where an attempt was given back or lost."""

ADD_EVENT = insert(events)


class Change:
    """One change of one job's status, about to be made."""

    def __init__(self, to: JobStatus, reason: str, now: datetime, *, error: JobError | None = None) -> None:
        self.to = to
        self.reason = reason
        self.now = now
        self.error = error

    def apply(self, connection: Connection, job: AnyRow, *, event: EventType | None = None, **also: Any) -> JobRecord:
        """Make the change, and write `also` to the same row. `event` stands in for the status's own.

        Raises TransitionRefused where the lifecycle does not allow it.
        """
        if not is_allowed(job.status, self.to):
            raise refused(job.status, self.to)
        kind = event or EVENT_OF[self.to]
        values = {**self._consequences(job), **also}
        row = connection.execute(
            _CHANGE,
            {
                "b_id": job.id,
                "b_from": job.status,
                "b_attempt": job.attempt,
                "version": job.version + 1,
                "last_event": job.last_event + (kind is not None),
                **values,
            },
        ).one()
        record = JobRecord(*row)
        if kind is not None:
            append_event(connection, job.id, job.last_event + 1, kind, self.now, self._told(record))
        return record

    def _consequences(self, job: AnyRow) -> dict[str, Any]:
        """The columns that follow from the new status."""
        changed: dict[str, Any] = {
            "status": self.to,
            "transitions": (*job.transitions, Transition(status=self.to, at=self.now, reason=self.reason)),
        }
        if job.status not in ACTIVE or self.to not in ACTIVE:
            changed["timings"] = timings_until(self.now, job)
        if self.to not in ACTIVE:
            changed |= {"phase": None, "phase_since": None, "heartbeat_at": None, "lease_until": None, "progress": None}
        if self.to is JobStatus.QUEUED:
            changed |= {"queued_at": self.now, "sent_at": None}
        if self.to is JobStatus.RUNNING:
            changed |= {"started_at": job.started_at or self.now, "heartbeat_at": self.now}
            changed |= {"phase": JobPhase.STARTING, "phase_since": self.now}
        if self.to in TERMINAL:
            changed |= {"finished_at": self.now, "error": self.error if self.to is JobStatus.FAILED else None}
        elif self.to not in ACTIVE:
            changed["worker_id"] = None
        return changed

    def _told(self, job: JobRecord) -> dict[str, Any]:
        """What the event says."""
        told: dict[str, Any] = {"status": job.status.value, "reason": self.reason, "attempt": job.attempt}
        if self.to is JobStatus.RUNNING:
            told["worker"] = job.worker_id
        if self.to is JobStatus.SUCCEEDED and job.summary.test is not None:
            told["test"] = job.summary.test
        if job.error is not None:
            told["error"] = job.error.model_dump(mode="json")
        return told


def append_event(
    connection: Connection, job_id: str, seq: int, kind: EventType, at: datetime, data: Mapping[str, Any]
) -> None:
    """Write an event. The caller raised the job's `last_event` to `seq` in this transaction."""
    connection.execute(ADD_EVENT, {"job_id": job_id, "seq": seq, "type": kind, "at": at, "data": dict(data)})


def timings_until(now: datetime, job: AnyRow) -> dict[str, float]:
    """The job's timings with the time since it was queued, or entered its phase, added to them."""
    if job.status is JobStatus.QUEUED:
        return _plus(job.timings, "queued", now - job.queued_at)
    if job.phase is not None:
        return _plus(job.timings, job.phase.value, now - job.phase_since)
    return dict(job.timings)


def _plus(timings: Mapping[str, float], key: str, spent: timedelta) -> dict[str, float]:
    # Two hosts' clocks may disagree about what came first.
    return {**timings, key: round(timings.get(key, 0.0) + max(spent.total_seconds(), 0.0), 6)}


def refused(current: JobStatus, to: JobStatus) -> TransitionRefused:
    """The refusal, in words."""
    return TransitionRefused(f"A job that is {current.value} cannot become {to.value}.")
