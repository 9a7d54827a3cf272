"""The connection to the database: pools, transactions, and what a failure of the database is called.

Everything that differs between SQLite and PostgreSQL stands here and in `columns`. Leaves what is read and
written to the modules beside it.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hornbeam.errors import SettingsInvalid, StoreUnavailable

BUSY_SECONDS = 10.0
"""How long a writer waits for another, be it a process on SQLite or a row's lock on PostgreSQL."""

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
    "PRAGMA foreign_keys=ON",
    # An answer 202 is a promise: FULL waits for the disk at each commit, so that a power cut takes nothing back. With
    # NORMAL the last moments could be missing. It costs half of the submissions per second: 1,800 instead of 3,300.
    "PRAGMA synchronous=FULL",
)


class Database:
    """An engine with two ways in: `reading`, for single statements, and `writing`, a transaction."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        # Single statements need no transaction around them, which on PostgreSQL saves a round trip.
        self._reader = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite has one writer at a time. Threads that queue here are woken one by one; in SQLite's own busy handler
        # they would sleep, up to a tenth of a second each time.
        self._turn: AbstractContextManager[Any] = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which each statement stands alone. Raises StoreUnavailable."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back by an exception. Raises StoreUnavailable."""
        with _translated(), self._turn, self.engine.connect() as connection:
            if self.is_sqlite:
                # At once, not at the first write: a transaction that begins by reading could not become a writer
                # when another has written in between.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def glance(self, sql: str, *values: Any) -> Any:
        """The first value that SQLite itself answers, or None; SQLAlchemy takes four times as long to ask for one.

        Raises StoreUnavailable.
        """
        with _translated(), closing(self.engine.raw_connection()) as connection:
            row = connection.cursor().execute(sql, values).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()


def parse_url(text: str) -> URL:
    """The database's URL, with the driver that we use. Raises SettingsInvalid, without repeating the URL."""
    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise SettingsInvalid("HORNBEAM_DATABASE_URL is not a database URL") from None
    match url.get_backend_name():
        case "sqlite" if url.database in {None, "", ":memory:"}:
            raise SettingsInvalid("HORNBEAM_DATABASE_URL must name a file: several processes share the database")
        case "sqlite":
            return url.set(drivername="sqlite+pysqlite")
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
    raise SettingsInvalid("HORNBEAM_DATABASE_URL must begin with sqlite:// or postgresql+psycopg://")


class InEachDialect(dict[str, Any]):
    """A statement by the name of the dialect, written when it is first asked for.

    SQLAlchemy's PostgreSQL takes a twentieth of the API's start, and a process speaks one dialect.

    Args:
        write: Makes the statement with the dialect's own module, such as `sqlalchemy.dialects.sqlite`.
    """

    def __init__(self, write: Callable[[Any], Any]) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, dialect: str) -> Any:
        statement = self[dialect] = self._write(import_module(f"sqlalchemy.dialects.{dialect}"))
        return statement


def upsert(table: Table) -> InEachDialect:
    """INSERT or replace: the primary key decides which row is meant."""

    def write(sql: Any) -> Any:
        statement = sql.insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={c.name: statement.excluded[c.name] for c in table.c if not c.primary_key},
        )

    return InEachDialect(write)


def _sqlite_engine(url: URL) -> Engine:
    if sqlite3.sqlite_version_info < (3, 35):
        raise SettingsInvalid(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is the first with RETURNING")
    engine = create_engine(url, pool_size=16, max_overflow=48, pool_use_lifo=True, pool_timeout=BUSY_SECONDS)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `writing` does
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma).close()


def _postgresql_engine(url: URL) -> Engine:
    options = f"-c timezone=UTC -c statement_timeout=30s -c lock_timeout={int(BUSY_SECONDS)}s"
    try:
        return create_engine(
            url,
            pool_size=8,
            max_overflow=24,
            pool_use_lifo=True,
            pool_timeout=BUSY_SECONDS,
            pool_pre_ping=True,  # a round trip, so that a restarted server costs no request
            connect_args={"connect_timeout": 5, "application_name": "hornbeam", "options": options},
        )
    except ModuleNotFoundError:
        raise SettingsInvalid("PostgreSQL needs the extra: pip install 'hornbeam[postgres]'") from None


@contextmanager
def _translated() -> Iterator[None]:
    """Law 6 of the store: the driver's words name hosts and statements, so none of them gets out."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
        kind = type(error).__name__ + (f", {state}" if state else "")
        raise StoreUnavailable(f"The database cannot be reached ({kind}).") from None
    except PoolTimeout:
        raise StoreUnavailable("The database cannot be reached (every connection is in use).") from None
