"""The embedded stack: Valkey, API, worker and planner on one data directory, started, watched and stopped together.

Leaves what people see of it to the command line.
"""

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import httpx

from hornbeam.embedded.child import ChildProcess, Command, Part, stop_all
from hornbeam.embedded.directory import RunNote, locked, remove_note, write_note
from hornbeam.embedded.redis import EmbeddedRedis
from hornbeam.embedded.supervisor import Observer, Supervisor
from hornbeam.errors import InstallationError, PortInUse
from hornbeam.settings import Settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
LOOK_SECONDS = 0.2
API_STOP_SECONDS = 6.0
REDIS_STOP_SECONDS = 5.0
WORKER_MARGIN_SECONDS = 5.0
"""What a worker may take beyond the time that its jobs have to save a checkpoint."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is any that is free."""

    host: str = "127.0.0.1"
    port: int = 8000

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


class Stack:
    """The service on one machine.

    Call `run` in a thread that lives as long as the stack is to live: when that thread ends, however it ends, the
    kernel kills what it started.
    """

    def __init__(self, settings: Settings, address: Address, observer: Observer) -> None:
        self.data_dir = settings.data_dir.absolute()
        self.logs_dir = self.data_dir / "logs"
        self._settings = settings
        self._address = address
        self._observer = observer
        self._parts: list[Part] = []

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set; then let jobs save what they have, and end every process.

        Raises:
            DirectoryInUse: Another stack runs on this data directory.
            PortInUse: Something listens on this port.
            InstallationError: A part could not be started.
        """
        with locked(self.data_dir), _bound(self._address) as listener:
            self.logs_dir.mkdir(exist_ok=True)
            redis = EmbeddedRedis(self.data_dir / "redis") if "HORNBEAM_REDIS_URL" not in os.environ else None
            try:
                self._watch(listener, redis, stop)
            finally:
                self._stop(redis)
                remove_note(self.data_dir)

    def kill(self) -> None:
        """End every process now. Any thread, or a signal handler, may call this; `run` then returns soon."""
        for part in self._parts:
            part.kill()

    def _watch(self, listener: socket.socket, redis: EmbeddedRedis | None, stop: threading.Event) -> None:
        began = time.monotonic()
        self._parts = [*([redis] if redis else []), *self._processes(listener, redis)]
        supervisor = Supervisor(self._parts, self._observer)
        supervisor.start()
        url, noted, ready = _url(listener), dict[str, int](), False
        self._observer.listening(url)
        with httpx.Client(base_url=url, timeout=1.0, trust_env=False) as http:
            while not stop.wait(LOOK_SECONDS):
                supervisor.look()
                if noted != supervisor.pids:
                    noted = supervisor.pids
                    write_note(self.data_dir, RunNote(os.getpid(), url, noted))
                if not ready and _is_ready(http):
                    ready = True
                    self._observer.ready(time.monotonic() - began)

    def _processes(self, listener: socket.socket, redis: EmbeddedRedis | None) -> list[Part]:
        celery = [sys.executable, "-m", "celery", "-A", "workers.main", "worker", "-l", "INFO"]
        celery += ["--without-gossip", "--without-mingle"]
        descriptor = listener.fileno()
        environment = self._environment(redis)
        commands = [
            Command(
                "api",
                [sys.executable, "-m", "hornbeam.embedded.api", str(descriptor)],
                environment,
                self.data_dir,
                (descriptor,),
            ),
            Command("worker", [*celery, "-Q", "train", "-n", "train@%h"], environment, self.data_dir),
            Command("planner", [*celery, "-Q", "plan", "-n", "plan@%h"], environment, self.data_dir),
        ]
        return [ChildProcess(command, self.logs_dir / f"{command.name}.log") for command in commands]

    def _environment(self, redis: EmbeddedRedis | None) -> dict[str, str]:
        ours = {
            "HORNBEAM_DATA_DIR": str(self.data_dir),
            "HORNBEAM_DATABASE_URL": self._settings.database_url.get_secret_value(),
            "HORNBEAM_SLOTS": str(self._settings.slots),
            "PYTHONUNBUFFERED": "1",
        }
        if redis:
            ours["HORNBEAM_REDIS_URL"] = redis.url
        if self._address.is_loopback and "allowed_hosts" not in self._settings.model_fields_set:
            ours["HORNBEAM_ALLOWED_HOSTS"] = ",".join((*LOOPBACK_NAMES, self._address.host))
        # The parts run in another directory than the one that a relative path was meant for.
        if self._settings.component_files:
            ours["HORNBEAM_COMPONENT_FILES"] = os.pathsep.join(map(str, self._settings.component_files))
        if "://" not in self._settings.artifact_url:
            ours["HORNBEAM_ARTIFACT_URL"] = str(Path(self._settings.artifact_url).absolute())
        return {**os.environ, **ours}

    def _stop(self, redis: EmbeddedRedis | None) -> None:
        """The parts that use others first; Valkey last, so that what they say at the end is heard."""
        by_name = {part.name: part for part in self._parts}
        self._stop_named(by_name, ("worker", "planner"), self._settings.drain_seconds + WORKER_MARGIN_SECONDS)
        self._stop_named(by_name, ("api",), API_STOP_SECONDS)
        if redis:
            redis.wait(REDIS_STOP_SECONDS)

    @staticmethod
    def _stop_named(parts: dict[str, Part], names: Sequence[str], seconds: float) -> None:
        stop_all([parts[name] for name in names if name in parts], seconds)


def _bound(address: Address) -> socket.socket:
    """A socket that listens there. Raises PortInUse, or InstallationError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {address.port} on {address.host} is in use.",
                suggestion="Name another with --port, or --port 0 for any that is free.",
            ) from error
        raise InstallationError(f"Can't listen on {address.host}:{address.port}: {error.strerror}.") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where to reach it, not what to bind
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
