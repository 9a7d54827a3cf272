"""The store, put together from its parts."""

from hornbeam.storage.base import Store
from hornbeam.storage.sql.attempts import SqlAttempts
from hornbeam.storage.sql.datasets import SqlDatasets
from hornbeam.storage.sql.idempotency import SqlIdempotency
from hornbeam.storage.sql.jobs import SqlJobs
from hornbeam.storage.sql.listing import SqlListing
from hornbeam.storage.sql.reading import SqlReading
from hornbeam.storage.sql.results import SqlResults
from hornbeam.storage.sql.upkeep import SqlUpkeep
from hornbeam.storage.sql.uploads import SqlUploads
from hornbeam.storage.sql.workers import SqlWorkers


class SqlStore(
    SqlJobs,
    SqlListing,
    SqlReading,
    SqlAttempts,
    SqlResults,
    SqlUpkeep,
    SqlWorkers,
    SqlIdempotency,
    SqlDatasets,
    SqlUploads,
    Store,
):
    """The record of everything, in SQLite or PostgreSQL. `open_store` makes one."""

    @property
    def is_local(self) -> bool:
        """See Store. SQLite's readers wait for no writer: the log is written ahead."""
        return self._database.is_sqlite

    def ping(self) -> None:
        """See Store."""
        with self._database.reading() as connection:
            connection.exec_driver_sql("SELECT 1").close()

    def close(self) -> None:
        """See Store."""
        self._database.close()
