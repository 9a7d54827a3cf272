"""The job store in SQL: SQLite by default, PostgreSQL at scale, one implementation through SQLAlchemy Core."""

from hornbeam.storage.sql.opening import open_store
from hornbeam.storage.sql.store import SqlStore

__all__ = ["SqlStore", "open_store"]
