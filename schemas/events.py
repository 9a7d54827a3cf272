"""The event log of a job: what happened, in order.

Leaves storing events to `hornbeam.storage` and streaming them to `service.routes`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import Field

from schemas.strict import JsonObject, Response, Timestamp


class EventType(StrEnum):
    """What an event says. `progress` is live only: it has no number and is never replayed."""

    JOB_QUEUED = "job.queued"
    JOB_STARTED = "job.started"
    JOB_PHASE = "job.phase"
    EPOCH_COMPLETED = "epoch.completed"
    CHECKPOINT_CREATED = "checkpoint.created"
    WARNING = "warning"
    LOG = "log"
    JOB_RETRYING = "job.retrying"
    JOB_CANCELLING = "job.cancelling"
    JOB_PAUSED = "job.paused"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    PROGRESS = "progress"


TERMINAL_EVENTS = frozenset({EventType.JOB_SUCCEEDED, EventType.JOB_FAILED, EventType.JOB_CANCELLED})


class Event(Response):
    """One entry of a job's log."""

    seq: int = Field(description="Grows by one with each event of the job, from 1.")
    type: EventType
    at: Timestamp
    data: JsonObject = Field(default_factory=dict)


class EventPage(Response):
    """Some events of a job, in order."""

    data: list[Event]
    has_more: bool
    next: str | None = None


class LogLine(Response):
    """A line that the trainer wrote."""

    seq: int
    at: Timestamp
    attempt: int
    stream: str = Field(description="`stdout`, `stderr`, or `service` for our own remarks.")
    text: str


class LogPage(Response):
    """Some log lines of a job, in order."""

    data: list[LogLine]
    has_more: bool
    next: str | None = None


class MetricHistory(Response):
    """The metrics of every epoch so far, as columns of equal length. A metric an epoch lacks is null."""

    epochs: list[int]
    metrics: dict[str, list[float | None]]

    @classmethod
    def of(cls, epochs: Mapping[int, Mapping[str, float]]) -> Self:
        """The columns of these epochs, which are given by number, in order."""
        names = dict.fromkeys(name for metrics in epochs.values() for name in metrics)
        columns = {name: [metrics.get(name) for metrics in epochs.values()] for name in names}
        return cls(epochs=list(epochs), metrics=columns)
