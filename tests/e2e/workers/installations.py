"""An installation of real parts for tests of the worker: Valkey, SQLite, a directory, Celery workers as processes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hornbeam.jobs.identifiers import new_job_id
from hornbeam.jobs.lifecycle import TERMINAL
from hornbeam.jobs.record import JobRecord, NewJob
from hornbeam.queue.base import ProofAnswer
from hornbeam.queue.celery import CeleryPlanner, CeleryQueue, make_celery
from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.queue.live import RedisLive
from hornbeam.settings import Settings
from hornbeam.storage.artifacts import ArtifactStore
from hornbeam.storage.base import Store
from hornbeam.storage.files import open_artifacts
from hornbeam.storage.sql import open_store
from hornbeam.testing.waiting import wait_until
from schemas.jobs import JobStatus
from schemas.problems import Finding

STAND_INS = Path(__file__).parent / "stand_ins"
QUICK = {
    "heartbeat_seconds": 0.2,
    "lease_seconds": 1.5,
    "reconcile_seconds": 0.2,
    "resend_seconds": 1.0,
    "cancel_grace_seconds": 1.0,
    "drain_seconds": 5.0,
}
"""Everything that takes a while, in fractions of it."""


@dataclass
class WorkerProcess:
    """A Celery worker, as an operator starts it."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def descendants(self) -> set[int]:
        """Its zygote, its trainers, and what these have started."""
        return descendants(self.pid)

    def trainers(self) -> set[int]:
        """Those that run."""
        return _children(self.zygote())

    def zygote(self) -> int:
        return next(pid for pid in _children(self.pid) if b"workers.zygote" in _command(pid))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 20.0) -> int:
        self.process.terminate()
        return self.process.wait(timeout)


@dataclass
class Installation:
    """A directory with everything in it."""

    directory: Path
    settings: Settings
    server: EmbeddedServer
    store: Store
    artifacts: ArtifactStore
    live: RedisLive
    queue: CeleryQueue
    workers: list[WorkerProcess] = field(default_factory=list)

    def start_worker(
        self,
        *,
        queue: str = "train",
        slots: int = 1,
        app: str = "scripted_worker",
        component_files: Sequence[Path] = (),
    ) -> WorkerProcess:
        """Start a worker, and return at once."""
        number = len(self.workers)
        log = self.directory / f"worker-{number}.log"
        command = [sys.executable, "-W", "error::ResourceWarning", "-m", "celery", "-A", app, "worker", "-Q", queue]
        options = ["--without-gossip", "--without-mingle", "-n", f"{queue}{number}@test", "-l", "INFO"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, *options],
                env={
                    **os.environ,
                    **_variables(self.settings),
                    "HORNBEAM_SLOTS": str(slots),
                    "HORNBEAM_COMPONENT_FILES": os.pathsep.join(map(str, component_files)),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        worker = WorkerProcess(process, log)
        self.workers.append(worker)
        return worker

    def start_ready_worker(self, **options: Any) -> WorkerProcess:
        """Start a worker, and wait until it takes jobs."""
        known = {worker.id for worker in self.store.list_workers()}
        worker = self.start_worker(**options)
        wait_until(
            lambda: any(record.pid == worker.pid and record.id not in known for record in self.store.list_workers()),
            timeout=60,
            what=f"the worker is ready, see {worker.log}",
        )
        return worker

    def submit(
        self,
        *script: Sequence[Any],
        wake: bool = True,
        accepted_with: Sequence[Finding] = (),
        needs: Sequence[str] = (),
        **spec: Any,
    ) -> str:
        """Record a job whose trainer follows `script`, and wake a worker up. What is in `spec` joins the spec."""
        job_id = new_job_id()
        body = {
            "model": {"layers": []},
            "training": {"max_seconds": None},
            "checkpoints": {"every_epochs": 1, "monitor": "loss", "mode": "min", "keep": {"best": 1, "last": 1}},
            "dataset": {},
            "metrics": [],
            "script": [list(step) for step in script],
            "witness": str(self.witness_path(job_id)),
            **spec,
        }
        self.store.create_job(
            NewJob(job_id, body, datetime.now(UTC), findings=tuple(accepted_with), needs_components=tuple(needs))
        )
        if wake:
            self.queue.send(job_id)
            self.store.mark_sent([job_id])
        return job_id

    def witness_path(self, job_id: str) -> Path:
        return self.directory / f"{job_id}.witness"

    def witnessed(self, job_id: str) -> list[str]:
        """What trainers really did for a job."""
        path = self.witness_path(job_id)
        return path.read_text().splitlines() if path.exists() else []

    def trainer_of(self, job_id: str) -> int:
        """The process of the job's latest trainer."""
        line = wait_until(lambda: [line for line in self.witnessed(job_id) if "in process" in line])[-1]
        return int(line.rsplit(" ", 1)[1])

    def wait_for(self, job_id: str, *statuses: JobStatus, timeout: float = 20.0) -> JobRecord:
        """The job, once it has one of these statuses (or is over)."""
        wanted = frozenset(statuses) or TERMINAL
        wait_until(
            lambda: self.store.get_job(job_id).status in wanted | TERMINAL,
            timeout=timeout,
            what=f"{job_id} is {wanted}",
        )
        return self.store.get_job(job_id)

    def logged(self, job_id: str) -> list[str]:
        return [line.text for line in self.store.logs(job_id)]

    def prove(self, *specs: dict[str, Any], timeout: float = 5.0) -> list[ProofAnswer | None]:
        """What the planner answers to specs that it is asked about at once."""

        async def main() -> list[ProofAnswer | None]:
            planner = CeleryPlanner(make_celery(self.settings), self.settings)
            try:
                return await asyncio.gather(*(planner.prove(spec, timeout=timeout) for spec in specs))
            finally:
                await planner.aclose()

        return asyncio.run(main())

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        self.queue.close()
        self.live.close()
        self.store.close()
        self.server.stop()


def open_in(directory: Path, options: dict[str, Any]) -> Installation:
    server = EmbeddedServer(directory / "redis")
    server.start()
    settings = Settings(data_dir=directory, redis_url=server.url, **options)
    return Installation(
        directory,
        settings,
        server,
        open_store(settings),
        open_artifacts(settings),
        RedisLive(settings),
        CeleryQueue(make_celery(settings)),
    )


def _variables(settings: Settings) -> dict[str, str]:
    """The environment that describes `settings`."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in values.items()
    }
    return {f"HORNBEAM_{name.upper()}": value for name, value in plain.items()} | {"PYTHONPATH": str(STAND_INS)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _children(pid: int) -> set[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and those that these have."""
    children = _children(pid)
    return children.union(*(descendants(child) for child in children))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
