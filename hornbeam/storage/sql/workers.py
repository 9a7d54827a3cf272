"""The workers on record, and the catalogues that they announce."""

from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from hornbeam.jobs.record import CatalogueRecord, WorkerRecord
from hornbeam.storage.base import WorkerStore
from hornbeam.storage.sql.database import InEachDialect, upsert
from hornbeam.storage.sql.part import Part, columns_of, row_of
from hornbeam.storage.sql.tables import catalogues, workers

_PUT = upsert(workers)
_REMOVE = delete(workers).where(workers.c.id == bindparam("b_id"))
_LIST = select(*columns_of(WorkerRecord, workers)).order_by(workers.c.started_at, workers.c.id)

_RENEW = update(catalogues).where(catalogues.c.digest == bindparam("b_digest"))
_ADD = InEachDialect(lambda sql: sql.insert(catalogues).on_conflict_do_nothing())
_ANNOUNCED = (
    select(catalogues.c.digest)
    .where(catalogues.c.announced_at >= bindparam("b_since"))
    .order_by(catalogues.c.first_announced_at, catalogues.c.digest)
)
_CATALOGUE = select(*columns_of(CatalogueRecord, catalogues)).where(catalogues.c.digest == bindparam("b_digest"))


class SqlWorkers(Part, WorkerStore):
    """The part of the store that knows who is alive."""

    def report_worker(self, worker: WorkerRecord) -> None:
        """See WorkerStore."""
        with self._database.writing() as connection:
            connection.execute(self._spoken(_PUT), row_of(worker))

    def remove_worker(self, worker_id: str) -> None:
        """See WorkerStore."""
        with self._database.writing() as connection:
            connection.execute(_REMOVE, {"b_id": worker_id})

    def list_workers(self) -> list[WorkerRecord]:
        """See WorkerStore."""
        with self._database.reading() as connection:
            return [WorkerRecord(*row) for row in connection.execute(_LIST)]

    def announce_catalogue(self, catalogue: CatalogueRecord) -> None:
        """See WorkerStore. Its entries are written the first time only."""
        now = self._now()
        with self._database.writing() as connection:
            renewed = connection.execute(_RENEW, {"b_digest": catalogue.digest, "announced_at": now})
            if not renewed.rowcount:
                row = {**row_of(catalogue), "first_announced_at": now, "announced_at": now}
                connection.execute(self._spoken(_ADD), row)

    def announced_catalogues(self, since: datetime) -> list[str]:
        """See WorkerStore."""
        with self._database.reading() as connection:
            return list(connection.execute(_ANNOUNCED, {"b_since": since}).scalars())

    def get_catalogue(self, digest: str) -> CatalogueRecord | None:
        """See WorkerStore."""
        with self._database.reading() as connection:
            row = connection.execute(_CATALOGUE, {"b_digest": digest}).one_or_none()
        return None if row is None else CatalogueRecord(*row)
