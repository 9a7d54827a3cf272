"""What training produces, written by the attempt: epochs, checkpoints, artifacts, and the summary of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, select, true, update

from hornbeam.jobs.record import ArtifactRecord, Attempt, CheckpointRecord, EpochRecord
from hornbeam.storage.base import AttemptStore
from hornbeam.storage.sql.changes import append_event
from hornbeam.storage.sql.database import upsert
from hornbeam.storage.sql.guard import SET, hold
from hornbeam.storage.sql.part import Part, row_of
from hornbeam.storage.sql.tables import artifacts, checkpoints, epochs
from schemas.events import EventType
from schemas.jobs import EpochSummary, Summary

_JOB: BindParameter[str] = bindparam("b_id")

_PUT_EPOCH = upsert(epochs)
_PUT_CHECKPOINT = upsert(checkpoints)
_PUT_ARTIFACT = upsert(artifacts)

_FORGET_LATER = delete(epochs).where(epochs.c.job_id == _JOB, epochs.c.epoch > bindparam("b_epoch"))
_UNMARK = update(checkpoints).where(checkpoints.c.job_id == _JOB, checkpoints.c.is_best == true()).values(is_best=False)
_DROP = delete(checkpoints).where(checkpoints.c.job_id == _JOB, checkpoints.c.id == bindparam("b_checkpoint"))

_OF_EPOCH = (
    select(epochs.c.epoch, checkpoints.c.id, epochs.c.metrics)
    .outerjoin_from(
        epochs, checkpoints, (checkpoints.c.job_id == epochs.c.job_id) & (checkpoints.c.epoch == epochs.c.epoch)
    )
    .where(epochs.c.job_id == _JOB)
    .order_by(epochs.c.epoch.desc(), checkpoints.c.created_at.desc(), checkpoints.c.id.desc())
    .limit(1)
)
_BEST = _OF_EPOCH.where(epochs.c.is_best == true())


class SqlResults(Part, AttemptStore):
    """The part of the store that takes in what training produces."""

    def record_epoch(self, attempt: Attempt, epoch: EpochRecord) -> None:
        """See AttemptStore. Later epochs are forgotten: an attempt that was lost wrote them."""
        with self._database.writing() as connection:
            job = hold(connection, attempt, events=1)
            connection.execute(_FORGET_LATER, {"b_id": job.id, "b_epoch": epoch.epoch})
            connection.execute(self._spoken(_PUT_EPOCH), {"job_id": job.id, **row_of(epoch)})
            _summarise(connection, job.id, test=None)
            data = {"epoch": epoch.epoch, "metrics": epoch.metrics, "seconds": epoch.seconds, "best": epoch.is_best}
            append_event(connection, job.id, job.last_event, EventType.EPOCH_COMPLETED, self._now(), data)

    def record_test(self, attempt: Attempt, metrics: Mapping[str, float]) -> None:
        """See AttemptStore."""
        with self._database.writing() as connection:
            job = hold(connection, attempt)
            summary = job.summary.model_copy(update={"test": dict(metrics)})
            connection.execute(SET, {"b_id": job.id, "summary": summary})

    def add_checkpoint(self, attempt: Attempt, checkpoint: CheckpointRecord) -> None:
        """See AttemptStore."""
        with self._database.writing() as connection:
            job = hold(connection, attempt, events=1)
            if checkpoint.is_best:
                connection.execute(_UNMARK, {"b_id": job.id})
            connection.execute(self._spoken(_PUT_CHECKPOINT), row_of(checkpoint))
            _summarise(connection, job.id, test=job.summary.test)
            data = _told(checkpoint)
            append_event(connection, job.id, job.last_event, EventType.CHECKPOINT_CREATED, self._now(), data)

    def drop_checkpoints(self, attempt: Attempt, ids: Sequence[str]) -> None:
        """See AttemptStore."""
        with self._database.writing() as connection:
            job = hold(connection, attempt)
            for checkpoint_id in ids:
                connection.execute(_DROP, {"b_id": job.id, "b_checkpoint": checkpoint_id})
            _summarise(connection, job.id, test=job.summary.test)

    def add_artifact(self, attempt: Attempt, artifact: ArtifactRecord) -> None:
        """See AttemptStore."""
        with self._database.writing() as connection:
            hold(connection, attempt)
            connection.execute(self._spoken(_PUT_ARTIFACT), row_of(artifact))


def _summarise(connection: Connection, job_id: str, *, test: dict[str, float] | None) -> None:
    """Write the summary anew from what is on record, whatever came, came again or went; what stays is given."""
    best, last = (connection.execute(statement, {"b_id": job_id}).one_or_none() for statement in (_BEST, _OF_EPOCH))
    summary = Summary(best=_epoch_summary(best), last=_epoch_summary(last), test=test)
    connection.execute(SET, {"b_id": job_id, "summary": summary})


def _epoch_summary(row: Any) -> EpochSummary | None:
    return None if row is None else EpochSummary(epoch=row.epoch, checkpoint=row.id, metrics=row.metrics)


def _told(checkpoint: CheckpointRecord) -> dict[str, Any]:
    return {
        "id": checkpoint.id,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "metrics": checkpoint.metrics,
        "best": checkpoint.is_best,
        "size_bytes": checkpoint.size_bytes,
        "sha256": checkpoint.sha256,
    }
