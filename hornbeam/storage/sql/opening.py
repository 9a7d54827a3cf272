"""Opens the store: connects, and brings the tables up to date, by one process while the others wait."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sqlalchemy import Connection, inspect, text

from hornbeam.errors import SettingsInvalid
from hornbeam.settings import Settings
from hornbeam.storage.sql.database import Database, parse_url
from hornbeam.storage.sql.part import Clock, utc_now
from hornbeam.storage.sql.store import SqlStore

REVISIONS = ("0001", "0002", "0003")
"""Every revision under `storage/migrations`, oldest first, so that an open without work to do needs no Alembic."""

_ADVISORY_LOCK = 0x686F726E6265616D  # "hornbeam": one key among all that share the server


def open_store(settings: Settings, *, clock: Clock = utc_now) -> SqlStore:
    """The store that the settings name, with its tables up to date. Any number of processes may call at once.

    Raises SettingsInvalid, StoreUnavailable.
    """
    database = Database(parse_url(settings.database_url.get_secret_value()))
    try:
        _upgrade(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, clock)


def _upgrade(database: Database) -> None:
    if database.is_sqlite:
        with _lock_file(Path(database.url.database or "")):
            _use_write_ahead_log(database)
            _migrate(database)
    else:
        _migrate(database)


def _use_write_ahead_log(database: Database) -> None:
    # The file remembers it. Under the lock file, because the switch fails at once where another connection is open.
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL").close()


def _migrate(database: Database) -> None:
    with database.reading() as connection:
        if _is_current(connection):
            return
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if not _is_current(connection):
            # Alembic takes half a second to import, and most opens have nothing to upgrade.
            from hornbeam.storage.migrations.upgrade import upgrade  # noqa: PLC0415

            upgrade(connection)


def _is_current(connection: Connection) -> bool:
    """Whether the tables are as this version wants them. Raises SettingsInvalid when they are newer."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if revision is not None and revision not in REVISIONS:
        raise SettingsInvalid(
            f"The database is at revision {revision}, which this version of hornbeam does not know.",
            suggestion="Start the version that upgraded it, or a newer one.",
        )
    return cast("str | None", revision) == REVISIONS[-1]


@contextmanager
def _lock_file(database: Path) -> Iterator[IO[bytes]]:
    """Hold `<database>.lock`, made with its directory. The system lets go of it when the process dies."""
    try:
        database.absolute().parent.mkdir(parents=True, exist_ok=True)
        file = database.with_name(database.name + ".lock").open("ab")
    except OSError as error:
        raise SettingsInvalid(f"HORNBEAM_DATABASE_URL names a file that cannot be made: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
