"""The workers on record."""

from sqlalchemy import bindparam, delete, select

from hornbeam.jobs.record import WorkerRecord
from hornbeam.storage.base import WorkerStore
from hornbeam.storage.sql.database import upsert
from hornbeam.storage.sql.part import Part, columns_of, row_of
from hornbeam.storage.sql.tables import workers

_PUT = upsert(workers)
_REMOVE = delete(workers).where(workers.c.id == bindparam("b_id"))
_LIST = select(*columns_of(WorkerRecord, workers)).order_by(workers.c.started_at, workers.c.id)


class SqlWorkers(Part, WorkerStore):
    """The part of the store that knows who is alive."""

    def report_worker(self, worker: WorkerRecord) -> None:
        """See WorkerStore."""
        with self._database.writing() as connection:
            connection.execute(self._upsert(_PUT), row_of(worker))

    def remove_worker(self, worker_id: str) -> None:
        """See WorkerStore."""
        with self._database.writing() as connection:
            connection.execute(_REMOVE, {"b_id": worker_id})

    def list_workers(self) -> list[WorkerRecord]:
        """See WorkerStore."""
        with self._database.reading() as connection:
            return [WorkerRecord(*row) for row in connection.execute(_LIST)]
