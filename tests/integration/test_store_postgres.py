"""The laws of the store, on PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from hornbeam.settings import Settings
from hornbeam.storage.base import Store
from hornbeam.storage.sql import open_store as open_sql_store
from hornbeam.storage.sql.database import Database, parse_url
from hornbeam.storage.sql.store import SqlStore
from hornbeam.testing.stores import Clock, StoreSuite
from hornbeam.testing.stores.suite import OpenStore, new_job


class TestPostgresStore(StoreSuite):
    @pytest.fixture
    def open_store(self, postgres_url: str, tmp_path: Path, clock: Clock) -> Iterator[OpenStore]:
        settings = Settings(data_dir=tmp_path, database_url=postgres_url)
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(open_sql_store(settings, clock=clock)))

    @pytest.fixture
    def lost_store(self, tmp_path: Path) -> Iterator[Store]:
        """A store whose server does not listen."""
        url = parse_url(f"postgresql://someone:password@/hornbeam?host={tmp_path}")
        with closing(SqlStore(Database(url))) as store:
            yield store


def test_connections_that_the_server_closed_are_replaced(postgres_url: str, tmp_path: Path) -> None:
    clock = Clock()
    with closing(open_sql_store(Settings(data_dir=tmp_path, database_url=postgres_url), clock=clock)) as store:
        job = store.create_job(new_job(clock))
        assert store.get_version(job.id) == 1
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert store.get_job(job.id) == job
        store.request_cancel(job.id, "asked")
