"""The servers that are measured: uvicorn processes that listen on Unix sockets, from their start to their end.

Leaves what is asked of them to the measurements.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.http_load import Requests, answers_per_second, get
from hornbeam.settings import Settings


@dataclass(frozen=True)
class Site:
    """Where everything is, and how it is set up."""

    folder: Path
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """What both servers are started with."""
        return {
            **os.environ,
            "HORNBEAM_DATA_DIR": str(self.settings.data_dir),
            "HORNBEAM_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "BARE_JOB": str(self.folder / "job.json"),
        }


@dataclass(frozen=True)
class Server:
    """A uvicorn process that listens on a Unix socket."""

    socket: str
    process: subprocess.Popen[bytes]
    start_seconds: float

    def answers(self, requests: Requests, status: int, seconds: float) -> float:
        """Answers a second."""
        return answers_per_second(self.socket, requests, status, seconds)

    def megabytes(self) -> float:
        """Resident memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def serve(site: Site, name: str) -> Iterator[Server]:
    """The bare application or ours, from its start to its end."""
    application = {"bare": "bench.bare_app:create_app", "hornbeam": "service.main:create_app"}[name]
    path = {"bare": "/jobs/job_1", "hornbeam": "/healthz"}[name]
    address = str(site.folder / f"{name}.sock")
    command = [sys.executable, "-m", "uvicorn", "--factory", application, "--uds", address]
    began = time.perf_counter()
    with (site.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--log-level", "warning"], env=site.environment, stdout=log, stderr=log
        )
        try:
            while not _answers(address, path):
                if process.poll() is not None:
                    raise SystemExit(Path(log.name).read_text())
                time.sleep(0.005)
            yield Server(address, process, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _answers(address: str, path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(address)
            client.sendall(get(path))
            return client.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False
