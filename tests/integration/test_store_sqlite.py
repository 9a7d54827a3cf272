"""The laws of the store, on SQLite."""

import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from hornbeam.errors import StoreUnavailable
from hornbeam.settings import Settings
from hornbeam.storage.base import JobQuery, Store
from hornbeam.storage.sql import open_store as open_sql_store
from hornbeam.testing.stores import Clock, StoreSuite
from hornbeam.testing.stores.suite import OpenStore, new_job


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path, clock: Clock) -> Iterator[OpenStore]:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(open_sql_store(Settings(data_dir=tmp_path), clock=clock)))

    @pytest.fixture
    def lost_store(self, tmp_path: Path) -> Iterator[Store]:
        """A store whose file has turned into something else."""
        settings = Settings(data_dir=tmp_path / "lost")
        with closing(open_sql_store(settings)) as store:
            for file in settings.data_dir.iterdir():
                file.unlink()
            store.close()
            (settings.data_dir / "hornbeam.db").write_bytes(b"no database" * 1000)
            yield store


def test_the_file_is_made_with_its_directory(tmp_path: Path) -> None:
    with closing(open_sql_store(Settings(data_dir=tmp_path / "a" / "b"))) as store:
        store.ping()
    assert stat.S_ISREG((tmp_path / "a" / "b" / "hornbeam.db").stat().st_mode)


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    clock = Clock()
    with closing(open_sql_store(Settings(data_dir=tmp_path), clock=clock)) as store:
        job = store.create_job(new_job(clock))
    with closing(open_sql_store(Settings(data_dir=tmp_path), clock=clock)) as store:
        assert store.list_jobs(JobQuery()).rows == (job,)


def test_reading_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    clock = Clock()
    settings = Settings(data_dir=tmp_path)
    with closing(open_sql_store(settings, clock=clock)) as store, closing(open_sql_store(settings)) as other:
        job = store.create_job(new_job(clock))
        with other._database.writing() as connection:
            connection.exec_driver_sql("UPDATE jobs SET version = 99")
            assert store.get_version(job.id) == 1
        assert store.get_version(job.id) == 99


def test_a_poll_of_a_broken_file_gets_the_stores_own_error(tmp_path: Path) -> None:
    with closing(open_sql_store(Settings(data_dir=tmp_path))) as store:
        with store._database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")
        with pytest.raises(StoreUnavailable, match=r"\(OperationalError, SQLITE_ERROR\)"):
            store.get_version("job_1")


def test_a_writer_that_waits_too_long_gets_the_stores_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornbeam.storage.sql.database._SQLITE_PRAGMAS", ("PRAGMA busy_timeout=50",))
    clock = Clock()
    settings = Settings(data_dir=tmp_path)
    with closing(open_sql_store(settings, clock=clock)) as store, closing(open_sql_store(settings)) as other:
        with other._database.writing(), pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
            store.create_job(new_job(clock))
        store.create_job(new_job(clock))
