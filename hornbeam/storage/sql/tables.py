"""The tables, as `hornbeam/storage/migrations` leaves them.

Change both together: a test compares them. Leaves reading and writing to the modules beside it.
"""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    desc,
)

from hornbeam.storage.sql.columns import Json, Moment, Plain, word
from schemas.catalog import BrokenComponent, ComponentEntry
from schemas.events import EventType
from schemas.jobs import JobError, JobPhase, JobStatus, Progress, Summary, Transition
from schemas.problems import Finding
from schemas.stored_datasets import Column as DatasetColumn
from schemas.stored_datasets import DatasetFormat

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
    }
)

OBJECT = TypeAdapter(dict[str, Any])
METRICS = TypeAdapter(dict[str, float])

jobs = Table(
    "jobs",
    metadata,
    Column("id", Plain, primary_key=True),
    Column("name", Plain),
    Column("status", word(JobStatus), nullable=False),
    Column("phase", word(JobPhase)),
    Column("spec", Json(OBJECT), nullable=False),
    Column("metadata", Json(TypeAdapter(dict[str, str])), nullable=False),
    Column("findings", Json(TypeAdapter(tuple[Finding, ...])), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("needs_gpu", Boolean, nullable=False),
    Column("needs_components", Json(TypeAdapter(tuple[str, ...])), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("worker_id", Plain),
    Column("created_at", Moment, nullable=False),
    Column("queued_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("heartbeat_at", Moment),
    Column("progress", Json(TypeAdapter(Progress))),
    Column("summary", Json(TypeAdapter(Summary)), nullable=False),
    Column("timings", Json(METRICS), nullable=False),
    Column("error", Json(TypeAdapter(JobError))),
    Column("transitions", Json(TypeAdapter(tuple[Transition, ...])), nullable=False),
    # What no JobRecord shows.
    Column("lease_until", Moment),  # for people who look at the table; leases are judged by sightings
    Column("phase_since", Moment),
    Column("sent_at", Moment),
    Column("last_event", Integer, nullable=False),
    Column("last_log", Integer, nullable=False),
)
Index("ix_jobs_created", jobs.c.created_at, jobs.c.id)
Index("ix_jobs_status", jobs.c.status, jobs.c.created_at, jobs.c.id)
Index(
    "ix_jobs_claim",
    jobs.c.status,
    desc(jobs.c.priority),
    jobs.c.queued_at,
    jobs.c.id,
    jobs.c.needs_gpu,
)


def _job_id(**options: Any) -> Column[str]:
    return Column("job_id", Plain, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, **options)


tags = Table(
    "job_tags",
    metadata,
    Column("pair", Plain, primary_key=True),  # a digest of one pair of metadata: short, whatever clients write
    Column("created_at", Moment, primary_key=True),
    _job_id(primary_key=True, index=True),
)

events = Table(
    "job_events",
    metadata,
    _job_id(primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("type", word(EventType), nullable=False),
    Column("at", Moment, nullable=False),
    Column("data", Json(OBJECT), nullable=False),
)

logs = Table(
    "job_logs",
    metadata,
    _job_id(primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("stream", Plain, nullable=False),
    Column("text", Plain, nullable=False),
)

epochs = Table(
    "job_epochs",
    metadata,
    _job_id(primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("metrics", Json(METRICS), nullable=False),
    Column("seconds", Double, nullable=False),
    Column("is_best", Boolean, nullable=False),
)

checkpoints = Table(
    "job_checkpoints",
    metadata,
    Column("id", Plain, primary_key=True),
    _job_id(),
    Column("attempt", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("metrics", Json(METRICS), nullable=False),
    Column("is_best", Boolean, nullable=False),
    Column("key", Plain, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Plain, nullable=False),
    Column("created_at", Moment, nullable=False),
)
Index("ix_job_checkpoints_job", checkpoints.c.job_id, checkpoints.c.created_at, checkpoints.c.id)

artifacts = Table(
    "job_artifacts",
    metadata,
    _job_id(primary_key=True),
    Column("name", Plain, primary_key=True),
    Column("kind", Plain, nullable=False),
    Column("media_type", Plain, nullable=False),
    Column("key", Plain, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Plain, nullable=False),
    Column("created_at", Moment, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Plain, primary_key=True),
    Column("role", Plain, nullable=False),
    Column("hostname", Plain, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Plain, nullable=False),
    Column("backend", Plain, nullable=False),
    Column("catalog_digest", Plain, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("busy_slots", Integer, nullable=False),
    Column("devices", Json(TypeAdapter(tuple[dict[str, Any], ...])), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("heartbeat_at", Moment, nullable=False),
    Column("broken", Json(TypeAdapter(tuple[BrokenComponent, ...])), nullable=False),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("digest", Plain, primary_key=True),
    Column("entries", Json(TypeAdapter(tuple[ComponentEntry, ...])), nullable=False),
    Column("first_announced_at", Moment, nullable=False),
    Column("announced_at", Moment, nullable=False, index=True),
)

keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Plain, primary_key=True),
    Column("body_digest", Plain, nullable=False),
    Column("reserved_at", Moment, nullable=False, index=True),
    Column("job_id", Plain, ForeignKey("jobs.id", ondelete="CASCADE"), index=True),
    Column("status", Integer),
    Column("headers", Json(TypeAdapter(dict[str, str]))),
    Column("body", LargeBinary),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Plain, primary_key=True),
    Column("name", Plain, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Plain, nullable=False, index=True),
    Column("media_type", Plain),
    Column("metadata", Json(TypeAdapter(dict[str, str])), nullable=False),
    Column("format", word(DatasetFormat), nullable=False),
    Column("asked", Json(OBJECT), nullable=False),
    Column("options", Json(OBJECT), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Json(TypeAdapter(tuple[DatasetColumn, ...])), nullable=False),
    Column("target", Plain),
    Column("findings", Json(TypeAdapter(tuple[Finding, ...])), nullable=False),
    Column("table_sha256", Plain, nullable=False, index=True),
    Column("table_bytes", BigInteger, nullable=False),
    # What no DatasetRecord shows.
    Column("preview", Json(TypeAdapter(list[list[Any]])), nullable=False),
    Column("fingerprint", Plain, nullable=False, index=True),  # of name, bytes and options
)
Index("ix_datasets_created", datasets.c.created_at, datasets.c.id)

dataset_tags = Table(
    "dataset_tags",
    metadata,
    Column("pair", Plain, primary_key=True),
    Column("created_at", Moment, primary_key=True),
    Column(
        "dataset_id", Plain, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, primary_key=True, index=True
    ),
)

job_datasets = Table(
    "job_datasets",
    metadata,
    _job_id(primary_key=True),
    Column(
        "dataset_id", Plain, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, primary_key=True, index=True
    ),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Plain, primary_key=True),
    Column("name", Plain, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("options", Json(OBJECT), nullable=False),
    Column("metadata", Json(TypeAdapter(dict[str, str])), nullable=False),
    Column("size_bytes", BigInteger),
    Column("sha256", Plain),
    Column("touched_at", Moment, nullable=False, index=True),
    Column("completion", Integer, nullable=False),
    Column("completing_at", Moment),
    Column("dataset_id", Plain, ForeignKey("datasets.id", ondelete="CASCADE"), index=True),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", Plain, ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Plain, nullable=False),
    Column("key", Plain, nullable=False),
)
