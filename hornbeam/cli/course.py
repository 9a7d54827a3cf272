"""The course of a training as its events tell it; what the live display and the result table are drawn from."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from schemas.events import Event, EventType
from schemas.jobs import Progress


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch."""

    epoch: int
    metrics: dict[str, float]
    best: bool
    """The best so far when it ended."""


@dataclass(slots=True)
class Course:
    """What is known of a job by now."""

    status: str = "queued"
    phase: str | None = None
    progress: Progress | None = None
    epochs: list[EpochRow] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take in what an event says."""
        match event.type:
            case EventType.PROGRESS:
                self.progress = _progress_in(event.data) or self.progress
            case EventType.JOB_PHASE:
                self.status, self.phase = "running", str(event.data.get("phase", ""))
            case EventType.EPOCH_COMPLETED:
                row = EpochRow(event.data["epoch"], event.data["metrics"], bool(event.data.get("best")))
                # An attempt that took over goes on from the last checkpoint, and may repeat epochs.
                self.epochs = [*(earlier for earlier in self.epochs if earlier.epoch < row.epoch), row]
            case EventType.JOB_QUEUED | EventType.JOB_RETRYING:
                self.status, self.phase, self.progress = "queued", None, None
            case EventType.JOB_STARTED:
                self.status, self.phase = "running", "starting"
            case _ if event.type.startswith("job."):
                self.status, self.phase = event.type.removeprefix("job."), None

    @property
    def best(self) -> EpochRow | None:
        """The best epoch: the last that was the best so far."""
        return next((row for row in reversed(self.epochs) if row.best), None)

    @property
    def metric_names(self) -> list[str]:
        """The metrics of any epoch, as they came."""
        return list(dict.fromkeys(name for row in self.epochs for name in row.metrics))


def _progress_in(data: dict[str, Any]) -> Progress | None:
    """Progress is for show: a service that is newer than we are may send one that we can't read."""
    try:
        return Progress.model_validate(data)
    except ValidationError:
        return None
