"""What a job store must do, in prose first. `hornbeam.testing.stores` holds the suite that checks it.

Laws, for every store:

1. Any method may be called from any thread, and by any number of processes at once.
2. Each method is one transaction: all of it happened, or none.
3. A change of status happens only as `hornbeam.jobs.lifecycle` allows it, decided inside the database, and
   writes its transition and its event in the same transaction.
4. Every write of an attempt carries its `Attempt`. When the job is no longer active under that attempt's
   number, nothing is written and `LeaseLost` is raised: a late write of a lost attempt changes nothing.
5. `JobRecord.version` grows with every write that a client could see; `Event.seq` grows by exactly one.
6. Database trouble of any kind is raised as `StoreUnavailable`, without addresses or secrets.
7. Moments are aware datetimes in UTC, taken from the store's clock.

What it leaves to others: files (`storage.artifacts`), waking anybody up (`queue`), what a spec means. Datasets have
laws of their own besides: `storage.datasets`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hornbeam.jobs.record import (
    ArtifactRecord,
    Attempt,
    CatalogueRecord,
    CheckpointRecord,
    Claim,
    EpochRecord,
    EventRecord,
    JobRecord,
    LogRecord,
    NewJob,
    Orders,
    Outcome,
    WorkerRecord,
)
from hornbeam.storage.datasets import DatasetStore, UploadStore
from hornbeam.storage.pages import Page
from schemas.events import EventType
from schemas.jobs import JobPhase, JobStatus, Progress


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list, and from where. `after` is a cursor that `Page.next` handed out."""

    limit: int = 20
    after: str | None = None
    statuses: frozenset[JobStatus] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a request with an Idempotency-Key; `body` None: the job exists, the answer was lost."""

    job_id: str
    status: int | None
    headers: dict[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class LeaseSighting:
    """An active job and the heartbeat it showed; unchanged for a whole lease, the attempt counts as lost."""

    job_id: str
    attempt: int
    heartbeat_at: datetime


MODEL = "model.keras"
"""What the artifact is called that is a job's finished model."""


class JobStore(ABC):
    """Jobs as clients see them."""

    @abstractmethod
    def create_job(self, job: NewJob, *, idempotency_key: str | None = None) -> JobRecord:
        """Record a job as queued (event `job.queued`), and in the same transaction tie the reserved key to it.

        Raises DatasetNotFound when a dataset that the job names is gone.
        """

    @abstractmethod
    def create_jobs(self, jobs: Sequence[NewJob]) -> list[JobRecord]:
        """`create_job` for several at once, in one transaction: submissions that arrive together share a commit.

        Raises DatasetNotFound when a dataset that one of them names is gone; then none is recorded.
        """

    @abstractmethod
    def get_job(self, job_id: str) -> JobRecord:
        """The job. Raises JobNotFound."""

    @abstractmethod
    def get_version(self, job_id: str) -> int:
        """Only the job's version, as cheaply as can be. Raises JobNotFound."""

    @abstractmethod
    def list_jobs(self, query: JobQuery) -> Page[JobRecord]:
        """Jobs by creation time; a deep page costs what the first does. Raises InvalidCursor."""

    @abstractmethod
    def request_cancel(self, job_id: str, reason: str) -> JobRecord:
        """Cancel: at once where no attempt holds the job, else `cancelling`. Harmless when asked again.

        Raises JobNotFound, or TransitionRefused for a job that succeeded or failed.
        """

    @abstractmethod
    def request_pause(self, job_id: str, reason: str) -> JobRecord:
        """Have the attempt save and stop: `pausing`, then `paused`. Harmless when asked again.

        Raises JobNotFound, or TransitionRefused for a job that no attempt trains.
        """

    @abstractmethod
    def resume_job(self, job_id: str, reason: str) -> JobRecord:
        """Queue a paused job again. Harmless when asked again. Raises JobNotFound, TransitionRefused."""

    @abstractmethod
    def fail_job(self, job_id: str, outcome: Outcome) -> JobRecord:
        """Fail a queued job that no attempt holds. Raises JobNotFound, TransitionRefused."""

    @abstractmethod
    def delete_job(self, job_id: str) -> None:
        """Forget a job that is over, and all that hangs on it. Raises JobNotFound, JobNotOver."""

    @abstractmethod
    def queue_position(self, job_id: str) -> int | None:
        """1 for the job that is claimed next, by (priority, queued_at, id); None when the job is not queued."""

    @abstractmethod
    def count_jobs(self) -> dict[JobStatus, int]:
        """How many jobs there are of each status."""

    @abstractmethod
    def events(self, job_id: str, *, after: int = 0, limit: int = 100) -> list[EventRecord]:
        """Events with `seq` above `after`, in order. Raises JobNotFound."""

    @abstractmethod
    def logs(self, job_id: str, *, after: int = 0, limit: int = 1000) -> list[LogRecord]:
        """Log lines with `seq` above `after`, in order. Raises JobNotFound."""

    @abstractmethod
    def log_tail(self, job_id: str, limit: int = 20) -> list[LogRecord]:
        """The last log lines, in order. Raises JobNotFound."""

    @abstractmethod
    def epochs(self, job_id: str) -> list[EpochRecord]:
        """The epochs so far, in order. Raises JobNotFound."""

    @abstractmethod
    def checkpoints(self, job_id: str) -> list[CheckpointRecord]:
        """The checkpoints still kept, oldest first. Raises JobNotFound."""

    @abstractmethod
    def checkpoint(self, job_id: str, checkpoint_id: str) -> CheckpointRecord:
        """One checkpoint. Raises JobNotFound, CheckpointNotFound."""

    @abstractmethod
    def find_checkpoint(self, checkpoint_id: str) -> CheckpointRecord:
        """One checkpoint, of whichever job. Raises CheckpointNotFound."""

    @abstractmethod
    def artifacts(self, job_id: str) -> list[ArtifactRecord]:
        """The artifacts so far, by name. Raises JobNotFound."""

    @abstractmethod
    def artifact(self, job_id: str, name: str) -> ArtifactRecord:
        """One artifact. Raises JobNotFound, ArtifactNotFound."""


class AttemptStore(ABC):
    """What attempts write. Law 4 holds for every method that takes an `Attempt`."""

    @abstractmethod
    def claim(
        self, worker_id: str, *, has_gpu: bool, components: Collection[str] = (), lease_seconds: float
    ) -> Claim | None:
        """Take the first queued job that this worker can run, or None. Of two that race, one gets it.

        A worker can run what needs no GPU, or has one; and what needs no more than `components`.
        """

    @abstractmethod
    def has_work(self, *, has_gpu: bool, components: Collection[str] = ()) -> bool:
        """Whether a claim would find a job now. Only reads."""

    @abstractmethod
    def heartbeat(self, attempt: Attempt, *, lease_seconds: float, progress: Progress | None) -> Orders:
        """Renew the lease and record the progress; says what the client wants meanwhile."""

    @abstractmethod
    def set_phase(self, attempt: Attempt, phase: JobPhase) -> None:
        """Enter a phase (event `job.phase`), adding the time in the last one to `timings`."""

    @abstractmethod
    def append_event(self, attempt: Attempt, type: EventType, data: Mapping[str, Any]) -> EventRecord:
        """Add an event that is not a change of status."""

    @abstractmethod
    def append_logs(self, attempt: Attempt, lines: Sequence[tuple[str, str]], *, keep: int) -> None:
        """Add (stream, text) lines. Past `keep` lines of a job they are dropped, after one line that says so."""

    @abstractmethod
    def record_epoch(self, attempt: Attempt, epoch: EpochRecord) -> None:
        """Record an epoch (event `epoch.completed`), and the summary's best and last."""

    @abstractmethod
    def record_test(self, attempt: Attempt, metrics: Mapping[str, float]) -> None:
        """Put the finished model's metrics on the test rows into the summary, until another epoch is recorded."""

    @abstractmethod
    def add_checkpoint(self, attempt: Attempt, checkpoint: CheckpointRecord) -> None:
        """Record a checkpoint (event `checkpoint.created`); a best one takes the mark from the one before."""

    @abstractmethod
    def drop_checkpoints(self, attempt: Attempt, ids: Sequence[str]) -> None:
        """Forget checkpoints whose files are about to be deleted."""

    @abstractmethod
    def add_artifact(self, attempt: Attempt, artifact: ArtifactRecord) -> None:
        """Record an artifact; one of the same name is replaced."""

    @abstractmethod
    def add_warning(self, attempt: Attempt, finding: Mapping[str, Any]) -> None:
        """Add a finding to the job (event `warning`)."""

    @abstractmethod
    def finish(self, attempt: Attempt, outcome: Outcome) -> JobRecord:
        """End the attempt; the status follows `lifecycle.after_outcome`. Ends the lease."""

    @abstractmethod
    def release(self, attempt: Attempt, reason: str) -> JobRecord:
        """Give the job back (the worker drains): `lifecycle.after_lost_attempt`, event `job.retrying`."""


class UpkeepStore(ABC):
    """What the reconciler needs."""

    @abstractmethod
    def held_leases(self) -> list[LeaseSighting]:
        """Every active job with its attempt and last heartbeat."""

    @abstractmethod
    def give_up(self, sighting: LeaseSighting, *, max_attempts: int, error: Mapping[str, Any]) -> JobRecord | None:
        """End a lost attempt, if nothing has changed since the sighting; None if something has.

        The job goes where `lifecycle.after_lost_attempt` says (event `job.retrying`), or, when it would be
        queued after `max_attempts` attempts, fails with `error` (a `schemas.jobs.JobError` as a mapping).
        """

    @abstractmethod
    def unsent_jobs(self, older_than: datetime, limit: int = 100) -> list[str]:
        """Queued jobs whose wake-up was never sent, or last sent before `older_than`, in claim order."""

    @abstractmethod
    def mark_sent(self, job_ids: Sequence[str]) -> None:
        """Note that wake-ups went out now. Not a change that a client sees."""

    @abstractmethod
    def purge(self, *, keys_before: datetime, workers_before: datetime) -> None:
        """Forget old idempotency keys, and workers not heard of since, with catalogues that none announced since."""


class WorkerStore(ABC):
    """Who is alive."""

    @abstractmethod
    def report_worker(self, worker: WorkerRecord) -> None:
        """Add a worker, or replace what was known of it."""

    @abstractmethod
    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker that stops in good order."""

    @abstractmethod
    def list_workers(self) -> list[WorkerRecord]:
        """All workers on record, oldest first; the caller judges by `heartbeat_at` who is alive."""

    @abstractmethod
    def announce_catalogue(self, catalogue: CatalogueRecord) -> None:
        """Note that a worker holds this catalogue now. It is kept once, however many workers announce it."""

    @abstractmethod
    def announced_catalogues(self, since: datetime) -> list[str]:
        """The digests of the catalogues that were announced since then, by when each was announced first."""

    @abstractmethod
    def get_catalogue(self, digest: str) -> CatalogueRecord | None:
        """The catalogue, or None where no worker has announced it for long."""


class IdempotencyStore(ABC):
    """First answers by Idempotency-Key."""

    @abstractmethod
    def reserve_key(self, key: str, body_digest: str, *, abandoned_before: datetime) -> StoredAnswer | None:
        """Reserve a key for a request, or return the answer that the same request got.

        Raises KeyReused for another digest, and KeyInFlight while the first request is being worked on, unless
        it was reserved before `abandoned_before` and never led to a job.
        """

    @abstractmethod
    def store_answer(self, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep the first answer of a key that led to a job."""

    @abstractmethod
    def release_key(self, key: str) -> None:
        """Forget a reserved key whose request led to nothing, so that a corrected one may use it."""


class Store(JobStore, AttemptStore, UpkeepStore, WorkerStore, IdempotencyStore, DatasetStore, UploadStore):
    """All of it, as a deployment has it: one database."""

    @property
    def is_local(self) -> bool:
        """Whether reading a row takes microseconds and waits for nobody, so that an event loop may do it by itself."""
        return False

    @abstractmethod
    def ping(self) -> None:
        """Return when the database answers. Raises StoreUnavailable."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""
