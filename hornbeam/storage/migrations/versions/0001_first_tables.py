"""The first tables.

Plain column types on purpose: a migration says what the database got on its day, whatever the code means by it now.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None


def _text(name: str, *rest: Any, nullable: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), *rest, nullable=nullable, **options)


def _word(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(32), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
    return sa.Column(name, moment, nullable=nullable)


def _number(name: str, kind: type[Any] = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=False)


def _job_id(table: str, *, nullable: bool = False) -> sa.Column[Any]:
    reference = sa.ForeignKey("jobs.id", ondelete="CASCADE", name=f"fk_{table}_job_id")
    return _text("job_id", reference, nullable=nullable)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def upgrade() -> None:
    """Create everything."""
    _create_jobs()
    _create_what_hangs_on_jobs()
    _create_results()
    _create_the_rest()


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        _text("id"),
        _text("name", nullable=True),
        _word("status"),
        _word("phase", nullable=True),
        *(_text(name) for name in ("spec", "metadata", "findings")),
        _number("priority"),
        _number("needs_gpu", sa.Boolean),
        _number("attempt"),
        _number("version"),
        _text("worker_id", nullable=True),
        *(_moment(name) for name in ("created_at", "queued_at")),
        *(_moment(name, nullable=True) for name in ("started_at", "finished_at", "heartbeat_at")),
        _text("progress", nullable=True),
        *(_text(name) for name in ("summary", "timings")),
        _text("error", nullable=True),
        _text("transitions"),
        *(_moment(name, nullable=True) for name in ("lease_until", "phase_since", "sent_at")),
        *(_number(name) for name in ("last_event", "last_log")),
        _key("jobs", "id"),
    )
    op.create_index("ix_jobs_created", "jobs", ["created_at", "id"])
    op.create_index("ix_jobs_status", "jobs", ["status", "created_at", "id"])
    op.create_index("ix_jobs_claim", "jobs", ["status", sa.text("priority DESC"), "queued_at", "id", "needs_gpu"])


def _create_what_hangs_on_jobs() -> None:
    op.create_table(
        "job_tags",
        _text("pair"),
        _moment("created_at"),
        _job_id("job_tags"),
        _key("job_tags", "pair", "created_at", "job_id"),
    )
    op.create_index("ix_job_tags_job_id", "job_tags", ["job_id"])
    op.create_table(
        "job_events",
        _job_id("job_events"),
        _number("seq"),
        _word("type"),
        _moment("at"),
        _text("data"),
        _key("job_events", "job_id", "seq"),
    )
    op.create_table(
        "job_logs",
        _job_id("job_logs"),
        _number("seq"),
        _moment("at"),
        _number("attempt"),
        *(_text(name) for name in ("stream", "text")),
        _key("job_logs", "job_id", "seq"),
    )


def _create_results() -> None:
    op.create_table(
        "job_epochs",
        _job_id("job_epochs"),
        _number("epoch"),
        _text("metrics"),
        _number("seconds", sa.Double),
        _number("is_best", sa.Boolean),
        _key("job_epochs", "job_id", "epoch"),
    )
    op.create_table(
        "job_checkpoints",
        _text("id"),
        _job_id("job_checkpoints"),
        *(_number(name) for name in ("attempt", "epoch")),
        _number("step", sa.BigInteger),
        _text("metrics"),
        _number("is_best", sa.Boolean),
        _text("key"),
        _number("size_bytes", sa.BigInteger),
        _text("sha256"),
        _moment("created_at"),
        _key("job_checkpoints", "id"),
    )
    op.create_index("ix_job_checkpoints_job", "job_checkpoints", ["job_id", "created_at", "id"])
    op.create_table(
        "job_artifacts",
        _job_id("job_artifacts"),
        *(_text(name) for name in ("name", "kind", "media_type", "key")),
        _number("size_bytes", sa.BigInteger),
        _text("sha256"),
        _moment("created_at"),
        _key("job_artifacts", "job_id", "name"),
    )


def _create_the_rest() -> None:
    op.create_table(
        "workers",
        *(_text(name) for name in ("id", "role", "hostname")),
        _number("pid", sa.BigInteger),
        *(_text(name) for name in ("version", "backend", "catalog_digest")),
        *(_number(name) for name in ("slots", "busy_slots")),
        _text("devices"),
        *(_moment(name) for name in ("started_at", "heartbeat_at")),
        _key("workers", "id"),
    )
    op.create_table(
        "idempotency_keys",
        *(_text(name) for name in ("key", "body_digest")),
        _moment("reserved_at"),
        _job_id("idempotency_keys", nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        _text("headers", nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        _key("idempotency_keys", "key"),
    )
    op.create_index("ix_idempotency_keys_reserved_at", "idempotency_keys", ["reserved_at"])
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])


def downgrade() -> None:
    """Drop everything."""
    for table in ("idempotency_keys", "workers", "job_artifacts", "job_checkpoints", "job_epochs"):
        op.drop_table(table)
    for table in ("job_logs", "job_events", "job_tags", "jobs"):
        op.drop_table(table)
