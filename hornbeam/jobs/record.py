"""Jobs as values: what the store hands out and takes in. Frozen, without behaviour.

Leaves the wire form to `schemas.jobs` (the service translates) and the rules to `lifecycle`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.catalog import BrokenComponent, ComponentEntry
from schemas.events import EventType
from schemas.jobs import JobError, JobPhase, JobStatus, Progress, Summary, Transition
from schemas.problems import Finding

Spec = dict[str, Any]
"""A normalised spec: JSON values only, every default filled in."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is about to be recorded as queued."""

    id: str
    spec: Spec
    created_at: datetime
    name: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    priority: int = 0
    needs_gpu: bool = False
    needs_components: tuple[str, ...] = ()
    """Keys of the operators' components in the spec, see `hornbeam.components.catalog`: only workers that hold all of
    them may claim the job."""
    datasets: tuple[str, ...] = ()
    """Ids of the datasets that the spec names: until the job is over they stay as they are."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the database knows it."""

    id: str
    name: str | None
    status: JobStatus
    phase: JobPhase | None
    spec: Spec
    metadata: dict[str, str]
    findings: tuple[Finding, ...]
    priority: int
    needs_gpu: bool
    needs_components: tuple[str, ...]
    attempt: int
    """Grows with each claim, and is the fencing token of the attempt that made it. 0: never claimed."""
    version: int
    """Grows with each write to the job, so it can stand in an ETag."""
    worker_id: str | None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    """When the first attempt began."""
    finished_at: datetime | None
    heartbeat_at: datetime | None
    """When the attempt last renewed its lease. Compare it only with itself: clocks differ between hosts."""
    progress: Progress | None
    """As of the last heartbeat; the live channel has a fresher one."""
    summary: Summary
    timings: dict[str, float]
    error: JobError | None
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to write on behalf of one attempt. `number` is the fencing token."""

    job_id: str
    number: int
    worker_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a successful claim hands out: the attempt, and the job as it stands now."""

    attempt: Attempt
    job: JobRecord


@dataclass(frozen=True, slots=True)
class Orders:
    """What the database wants of an attempt; the answer to its heartbeat."""

    cancel: bool = False
    pause: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: `succeeded`, `failed` (with an error), `cancelled` or `paused`."""

    status: JobStatus
    reason: str
    error: JobError | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One entry of a job's event log."""

    job_id: str
    seq: int
    type: EventType
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The metrics at the end of an epoch. Recording an epoch again (after a resume) replaces it."""

    epoch: int
    """From 1."""
    metrics: dict[str, float]
    seconds: float
    is_best: bool
    """The best so far by the spec's `checkpoints.monitor`."""


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint in the artifact store."""

    id: str
    job_id: str
    attempt: int
    epoch: int
    step: int
    metrics: dict[str, float]
    is_best: bool
    key: str
    """Where the artifact store has it."""
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """A file that a job produced, in the artifact store."""

    job_id: str
    name: str
    kind: str
    media_type: str
    key: str
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line of a job's log, numbered by the store from 1."""

    seq: int
    at: datetime
    attempt: int
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker process, as of its last heartbeat."""

    id: str
    role: str
    """`train` or `plan`."""
    hostname: str
    pid: int
    version: str
    backend: str
    catalog_digest: str
    slots: int
    busy_slots: int
    devices: tuple[dict[str, Any], ...]
    """As `schemas.jobs.Device`."""
    started_at: datetime
    heartbeat_at: datetime
    broken: tuple[BrokenComponent, ...] = ()
    """What this worker could not load of the operators' components."""

    @property
    def has_gpu(self) -> bool:
        """Whether this worker has an accelerator."""
        return bool(self.devices)


@dataclass(frozen=True, slots=True)
class CatalogueRecord:
    """The operators' components that workers of one catalogue hold."""

    digest: str
    """The workers' `catalog_digest`, which stands for the shipped components, too."""
    entries: tuple[ComponentEntry, ...]
