"""Records in their wire form. Leaves what is cached, and when, to `views`."""

from hornbeam.jobs.lifecycle import is_terminal
from hornbeam.jobs.record import (
    ArtifactRecord,
    CheckpointRecord,
    EventRecord,
    JobRecord,
    LogRecord,
    WorkerRecord,
)
from schemas.checkpoints import Artifact, ArtifactKind, Checkpoint
from schemas.events import Event, LogLine
from schemas.jobs import Device, Job, JobStatus, Progress, Queue, Worker


def job_path(job_id: str, *parts: str) -> str:
    """The address of a job, or of something below it."""
    return "/".join(("/v1/jobs", job_id, *parts))


def to_job(record: JobRecord, *, queue: Queue | None = None, progress: Progress | None = None) -> Job:
    """A job as clients see it, with what the database alone does not know."""
    return Job(
        id=record.id,
        name=record.name,
        status=record.status,
        phase=record.phase,
        terminal=is_terminal(record.status),
        attempt=record.attempt,
        created_at=record.created_at,
        queued_at=record.queued_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        queue=queue,
        progress=progress or record.progress,
        summary=record.summary,
        error=record.error,
        findings=list(record.findings),
        transitions=list(record.transitions),
        timings=record.timings,
        worker=record.worker_id,
        spec=record.spec,
        metadata=record.metadata,
        links=_links(record),
    )


def _links(record: JobRecord) -> dict[str, str | None]:
    parts = ("events", "metrics", "logs", "checkpoints", "artifacts")
    links: dict[str, str | None] = {part: job_path(record.id, part) for part in parts}
    has_model = record.status is JobStatus.SUCCEEDED and bool(record.spec["training"]["epochs"])
    return {"self": job_path(record.id), **links, "model": job_path(record.id, "model") if has_model else None}


def to_event(record: EventRecord) -> Event:
    """An event of the log."""
    return Event(seq=record.seq, type=record.type, at=record.at, data=record.data)


def to_log_line(record: LogRecord) -> LogLine:
    """A line of the log."""
    return LogLine(seq=record.seq, at=record.at, attempt=record.attempt, stream=record.stream, text=record.text)


def to_checkpoint(record: CheckpointRecord) -> Checkpoint:
    """A checkpoint, and where its file is."""
    here = job_path(record.job_id, "checkpoints", record.id)
    return Checkpoint(
        id=record.id,
        job_id=record.job_id,
        epoch=record.epoch,
        step=record.step,
        metrics=record.metrics,
        best=record.is_best,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        created_at=record.created_at,
        links={"self": here, "content": f"{here}/content"},
    )


def to_artifact(record: ArtifactRecord) -> Artifact:
    """An artifact, and where its file is."""
    return Artifact(
        name=record.name,
        kind=ArtifactKind(record.kind),
        media_type=record.media_type,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        created_at=record.created_at,
        links={"content": job_path(record.job_id, "artifacts", record.name)},
    )


def to_worker(record: WorkerRecord, *, alive: bool) -> Worker:
    """A worker as of its last heartbeat."""
    return Worker(
        id=record.id,
        role=record.role,
        hostname=record.hostname,
        pid=record.pid,
        alive=alive,
        version=record.version,
        backend=record.backend,
        catalog_digest=record.catalog_digest,
        slots=record.slots,
        busy_slots=record.busy_slots,
        devices=[Device.model_validate(device) for device in record.devices],
        started_at=record.started_at,
        heartbeat_at=record.heartbeat_at,
        broken_components=list(record.broken),
    )
