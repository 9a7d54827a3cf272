"""Datasets that clients bring, the uploads in parts that some of them come in, and which job uses which."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"


def _text(name: str, *rest: Any, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), *rest, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    moment = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
    return sa.Column(name, moment, nullable=nullable)


def _number(name: str, kind: type[Any] = sa.Integer, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=nullable)


def _reference(table: str, column: str, target: str, *, nullable: bool = False) -> sa.Column[Any]:
    name = f"fk_{table}_{column}"
    return _text(column, sa.ForeignKey(f"{target}.id", ondelete="CASCADE", name=name), nullable=nullable)


def upgrade() -> None:
    """Add them; jobs on record use the service's own datasets."""
    _create_datasets()
    _create_what_hangs_on_datasets()
    _create_uploads()


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        _text("id"),
        _text("name"),
        _number("version"),
        _moment("created_at"),
        _number("size_bytes", sa.BigInteger),
        _text("sha256"),
        _text("media_type", nullable=True),
        _text("metadata"),
        sa.Column("format", sa.String(32), nullable=False),
        _text("asked"),
        _text("options"),
        _number("rows", sa.BigInteger),
        _text("columns"),
        _text("target", nullable=True),
        _text("findings"),
        _text("table_sha256"),
        _number("table_bytes", sa.BigInteger),
        _text("preview"),
        _text("fingerprint"),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_index("ix_datasets_created", "datasets", ["created_at", "id"])
    for column in ("sha256", "table_sha256", "fingerprint"):
        op.create_index(f"ix_datasets_{column}", "datasets", [column])


def _create_what_hangs_on_datasets() -> None:
    op.create_table(
        "dataset_tags",
        _text("pair"),
        _moment("created_at"),
        _reference("dataset_tags", "dataset_id", "datasets"),
        sa.PrimaryKeyConstraint("pair", "created_at", "dataset_id", name="pk_dataset_tags"),
    )
    op.create_table(
        "job_datasets",
        _reference("job_datasets", "job_id", "jobs"),
        _reference("job_datasets", "dataset_id", "datasets"),
        sa.PrimaryKeyConstraint("job_id", "dataset_id", name="pk_job_datasets"),
    )
    for table in ("dataset_tags", "job_datasets"):
        op.create_index(f"ix_{table}_dataset_id", table, ["dataset_id"])


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        _text("id"),
        _text("name"),
        _moment("created_at"),
        _text("options"),
        _text("metadata"),
        _number("size_bytes", sa.BigInteger, nullable=True),
        _text("sha256", nullable=True),
        _moment("touched_at"),
        _number("completion"),
        _moment("completing_at", nullable=True),
        _reference("uploads", "dataset_id", "datasets", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    for column in ("touched_at", "dataset_id"):
        op.create_index(f"ix_uploads_{column}", "uploads", [column])
    op.create_table(
        "upload_parts",
        _reference("upload_parts", "upload_id", "uploads"),
        _number("number"),
        _number("size_bytes", sa.BigInteger),
        _text("sha256"),
        _text("key"),
        sa.PrimaryKeyConstraint("upload_id", "number", name="pk_upload_parts"),
    )


def downgrade() -> None:
    """Forget all of it; the files stay in the artifact store."""
    for table in ("upload_parts", "uploads", "job_datasets", "dataset_tags", "datasets"):
        op.drop_table(table)
