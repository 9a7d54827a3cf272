"""Checkpoints and artifacts: the files that a job leaves behind."""

from enum import StrEnum

from pydantic import Field

from schemas.strict import MetricValue, Response, Timestamp


class Checkpoint(Response):
    """The state of a training at the end of an epoch."""

    id: str
    job_id: str
    epoch: int
    step: int = Field(description="Optimizer steps so far.")
    metrics: dict[str, MetricValue]
    best: bool = Field(description="The best of its job by the spec's `checkpoints.monitor`.")
    size_bytes: int
    sha256: str
    created_at: Timestamp
    links: dict[str, str]


class CheckpointPage(Response):
    """The checkpoints of a job that are still in the store, oldest first."""

    data: list[Checkpoint]
    has_more: bool = False
    next: str | None = None


class ArtifactKind(StrEnum):
    """What an artifact is for."""

    MODEL = "model"
    HISTORY = "history"
    SUMMARY = "summary"
    CURVES = "curves"
    TENSORBOARD = "tensorboard"
    EVALUATION = "evaluation"
    SPLITS = "splits"
    MANIFEST = "manifest"
    LOG = "log"


class Artifact(Response):
    """A file that a job produced."""

    name: str = Field(description="Unique within its job; the last part of its address.")
    kind: ArtifactKind
    media_type: str
    size_bytes: int
    sha256: str
    created_at: Timestamp
    links: dict[str, str]


class ArtifactPage(Response):
    """The artifacts of a job."""

    data: list[Artifact]
    has_more: bool = False
    next: str | None = None
