"""The tables: what the migrations leave is what the code believes in, whoever opens the database first."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from hornbeam.environment import read_settings
from hornbeam.errors import HornbeamError, SettingsInvalid, StoreUnavailable
from hornbeam.settings import Settings
from hornbeam.storage.migrations.upgrade import configuration
from hornbeam.storage.sql import open_store
from hornbeam.storage.sql.database import Database, parse_url
from hornbeam.storage.sql.opening import REVISIONS
from hornbeam.storage.sql.tables import metadata
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import new_job, worker

_OPEN = """
import sys
from pathlib import Path
from hornbeam.settings import Settings
from hornbeam.storage.sql import open_store
store = open_store(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
store.count_jobs()
store.close()
print("alembic" in sys.modules)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database that nobody has opened yet."""
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    return Settings(data_dir=tmp_path, database_url=request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The same database, once it has been opened."""
    open_store(settings).close()
    with closing(Database(parse_url(settings.database_url.get_secret_value()))) as database:
        yield database


def test_the_migrations_make_the_tables_that_the_code_describes(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        described = {table: {index.name for index in table.indexes} for table in metadata.sorted_tables}
        for table, indexes in described.items():
            assert {index["name"] for index in inspect(connection).get_indexes(table.name)} == indexes


def test_the_migrations_can_be_taken_back(database: Database) -> None:
    with database.writing() as connection:
        command.downgrade(configuration(connection), "base")
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_jobs_and_workers_of_the_first_revision_need_and_lack_no_components(
    settings: Settings, database: Database
) -> None:
    clock = Clock()
    with closing(open_store(settings)) as store:
        job = store.create_job(new_job(clock))
        known = worker(clock)
        store.report_worker(known)
    with database.writing() as connection:
        command.downgrade(configuration(connection), "0001")
    with closing(open_store(settings)) as store:
        assert store.get_job(job.id).needs_components == ()
        assert store.list_workers() == [known]


def test_every_revision_is_known_in_order(database: Database) -> None:
    with database.reading() as connection:
        scripts = ScriptDirectory.from_config(configuration(connection))
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS


def test_five_processes_open_a_new_database_at_once(settings: Settings) -> None:
    arguments = [
        sys.executable,
        "-W",
        "error",
        "-c",
        _OPEN,
        settings.data_dir,
        settings.database_url.get_secret_value(),
    ]
    processes = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(5)
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, results
    with closing(open_store(settings)) as store:
        assert sum(store.count_jobs().values()) == 0


def test_opening_a_current_database_loads_no_alembic(settings: Settings, database: Database) -> None:
    arguments = [sys.executable, "-c", _OPEN, settings.data_dir, settings.database_url.get_secret_value()]
    assert subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True).stdout == "False\n"


def test_a_database_of_a_newer_version_is_refused(settings: Settings, database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsInvalid, match="9999"):
        open_store(settings)


def test_a_migration_that_fails_leaves_nothing_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(parse_url(settings.database_url.get_secret_value()))
    with closing(database), database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE workers (id INTEGER)")  # in the way of one of the last tables
    with pytest.raises(StoreUnavailable):
        open_store(settings)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == ["workers"]
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://user:secret@host/name",
        "no url, secret",
        "postgresql+psycopg://user:secret@host:port/name",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        open_store(read_settings(data_dir=tmp_path, database_url=url))
    assert "secret" not in str(caught.value)


def test_a_directory_that_cannot_be_made_is_an_error_of_the_stores_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HornbeamError):
        open_store(Settings(data_dir=tmp_path / "file" / "below"))


@pytest.mark.parametrize("url", ["postgres://u@h/n", "postgresql://u@h/n", "postgresql+psycopg://u@h/n"])
def test_the_driver_is_ours_to_choose(url: str) -> None:
    assert parse_url(url).drivername == "postgresql+psycopg"
