"""The guard in front of every write of an attempt: the fencing token, checked by the write itself.

It is an UPDATE of the job's row, `WHERE id = … AND attempt = … AND status IN (active)`, and runs first in its
transaction: it finds no row when the lease is lost, and otherwise holds the row until the commit, so nothing
of a lost attempt gets in after it.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hornbeam.errors import LeaseLost
from hornbeam.jobs.lifecycle import ACTIVE
from hornbeam.jobs.record import Attempt
from hornbeam.storage.sql.changes import STANDING
from hornbeam.storage.sql.part import AnyRow
from hornbeam.storage.sql.tables import jobs

HELD = (
    jobs.c.id == bindparam("b_id"),
    jobs.c.attempt == bindparam("b_attempt"),
    jobs.c.status.in_(sorted(ACTIVE)),
)
"""An attempt holds the job's lease. `held_by` gives the parameters."""

SET = update(jobs).where(jobs.c.id == bindparam("b_id"))
"""Writes whatever columns it is given to a job that the transaction holds already."""

_HOLD = (
    update(jobs)
    .where(*HELD)
    .values(version=jobs.c.version + 1, last_event=jobs.c.last_event + bindparam("b_events"))
    .returning(
        jobs.c.id,
        jobs.c.status,
        jobs.c.queued_at,
        jobs.c.phase,
        jobs.c.phase_since,
        jobs.c.timings,
        jobs.c.findings,
        jobs.c.summary,
        jobs.c.last_event,
        jobs.c.last_log,
    )
)

_LOCK_HELD = select(*STANDING).where(*HELD).with_for_update()


def held_by(attempt: Attempt) -> dict[str, Any]:
    """The parameters of `HELD`."""
    return {"b_id": attempt.job_id, "b_attempt": attempt.number}


def hold(connection: Connection, attempt: Attempt, *, events: int = 0) -> AnyRow:
    """Begin a write of an attempt that adds `events` events. Raises LeaseLost."""
    return _found(connection.execute(_HOLD, {**held_by(attempt), "b_events": events}).one_or_none())


def lock_held(connection: Connection, attempt: Attempt) -> AnyRow:
    """Begin a change of status by an attempt: `changes.STANDING` of its job. Raises LeaseLost."""
    return _found(connection.execute(_LOCK_HELD, held_by(attempt)).one_or_none())


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise LeaseLost
    return row
