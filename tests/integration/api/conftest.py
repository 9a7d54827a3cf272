"""An API process on SQLite and a Valkey of its own, without workers: the tests play their part on the store."""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.base import Store
from hornbeam.storage.datasets import DatasetQuery
from hornbeam.storage.files import open_artifacts
from hornbeam.storage.sql import open_store
from hornbeam.testing.waiting import wait_until

SPEC = {
    "name": "irises",
    "dataset": {"source": {"builtin": "iris"}, "validation": {"fraction": 0.2}},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "training": {"epochs": 2, "seed": 7},
}


@dataclass
class Api:
    """A running API, and what is behind it."""

    http: httpx.Client
    store: Store
    artifacts: ArtifactStore
    redis: EmbeddedServer
    process: subprocess.Popen[bytes]
    settings: Settings

    def create(self, **changes: object) -> dict:
        """A job, as the API answered."""
        answer = self.http.post("/v1/jobs", json={**SPEC, **changes})
        assert answer.status_code == 202, answer.text
        return answer.json()


@contextmanager
def running_api(database_url: str = "", **more: str) -> Iterator[Api]:
    """Start everything, with `more` in the environment, and stop everything."""
    # Not pytest's directory: the path of a socket holds 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="hb-api-"))
    redis = EmbeddedServer(directory / "redis")
    redis.start()
    variables = {
        "HORNBEAM_DATA_DIR": str(directory),
        "HORNBEAM_REDIS_URL": redis.url,
        "HORNBEAM_DATABASE_URL": database_url,
    }
    settings = Settings(data_dir=directory, redis_url=redis.url, database_url=database_url)
    with socket.create_server(("127.0.0.1", 0)) as listener, (directory / "api.log").open("wb") as log:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", "service.main:create_app", "--fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env={**os.environ, **variables, **more},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with (
            closing(open_store(settings)) as store,
            httpx.Client(base_url=url, timeout=20) as http,
        ):
            wait_until(lambda: _answers(http), what="the API")
            yield Api(http, store, open_artifacts(settings), redis, process, settings)
    finally:
        process.terminate()
        process.wait(20)
        redis.stop()
        shutil.rmtree(directory)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """One for a module: leave its broker and database as they were."""
    with running_api() as api:
        yield api


@pytest.fixture
def own_api() -> Iterator[Api]:
    """One for a test that breaks something."""
    with running_api() as api:
        yield api


FLOWERS = b"length,width,kind\n" + b"".join(
    b"%d.%d,%d.5,%b\n" % (4 + n % 3, n % 10, 2 + n % 2, (b"setosa", b"versicolor", b"virginica")[n % 3])
    for n in range(60)
)
"""A CSV file of 60 rows."""


def left_behind(api: Api) -> list[str]:
    """What is in the artifact store, or on its way there, for datasets."""
    return [*api.artifacts.keys("datasets"), *(path.name for path in api.artifacts.staging().iterdir())]


@pytest.fixture
def empty_api(api: Api) -> Iterator[Api]:
    """The module's API, without datasets before and after."""
    yield api
    for record in api.store.list_datasets(DatasetQuery(limit=100)).rows:
        assert api.http.delete(f"/v1/datasets/{record.id}").status_code == 204
    wait_until(lambda: left_behind(api) == [], what="an empty store")


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def codes(answer) -> list[tuple[str, str]]:
    return [(finding["pointer"], finding["code"]) for finding in answer.json()["errors"]]


def readers(api: Api) -> list[int]:
    """The processes that read files for this API."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent) == api.process.pid and b"hornbeam.ingest" in command:
                found.append(int(process.name))
    return found
