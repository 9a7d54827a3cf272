"""What a trainer is told when it is forked, and what it tells its supervisor: JSON lines over a pipe.

The trainer has no database, no broker and no secrets: everything that it knows is in its `TrainerRequest`, and
everything that it learns goes through these messages. Files it leaves in `workdir`, and names them here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.checkpoints import ArtifactKind
from schemas.events import GuardEvaluation
from schemas.jobs import JobError, JobPhase, Progress
from schemas.problems import Finding


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ResumePoint(_Message):
    """The checkpoint to go on from, and what came before it."""

    path: str
    """A file in `workdir`."""
    epoch: int
    """The last epoch that it contains."""
    step: int
    history: list[dict[str, float]]
    """The metrics of epochs 1 … epoch."""


class StartingPoint(_Message):
    """The checkpoint of another job, or its finished model, from which a training takes its first weights."""

    path: str
    """A file in `workdir`."""
    checkpoint: str | None
    """Its id; None for the finished model."""
    sha256: str
    """Of the file as it was stored."""
    epoch: int
    job_id: str
    model: dict[str, Any]
    """That job's model, normalised: what the file's weights belong to."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.checkpoint or f"the finished model of {self.job_id}"

    def origin(self) -> dict[str, Any]:
        """What is remembered of it when the training is over: which file of which job it was."""
        return self.model_dump(include={"job_id", "checkpoint", "epoch", "sha256"})


class TrainerRequest(_Message):
    """Everything that one attempt needs to know."""

    job_id: str
    attempt: int
    spec: dict[str, Any]
    """Normalised."""
    workdir: str
    resume: ResumePoint | None = None
    start: StartingPoint | None = None
    """None where the initializers draw the weights, and where `resume` has them."""
    cuda_visible_devices: str | None = None
    """None leaves the environment alone; "" hides every GPU."""
    threads: int = 0
    """CPU threads for one operation; 0 lets the backend decide."""
    max_file_bytes: int
    tables: dict[str, str] = Field(default_factory=dict)
    """The Arrow file of each dataset that a client brought, by its id."""
    memory_bytes: int = 0
    """What the trainer may hold; 0: as much as there is."""


class PlanRequest(_Message):
    """A spec to prove in a forked child."""

    spec: dict[str, Any]
    max_parameters: int
    slot_bytes: int = 0
    """What a trainer may hold; 0: not limited, or not known."""
    max_file_bytes: int = 2**63
    """What a trainer may write into one file."""
    slot_is_certain: bool = False
    """Whether the trainer's machine has no less than that; else going beyond it is a warning."""


class PhaseEntered(_Message):
    """The trainer is now doing this."""

    kind: Literal["phase"] = "phase"
    phase: JobPhase


class Progressed(_Message):
    """Where the training is; at most four a second."""

    kind: Literal["progress"] = "progress"
    progress: Progress


class EpochCompleted(_Message):
    """An epoch is over."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    metrics: dict[str, float]
    seconds: float
    is_best: bool


class GuardEvaluated(_Message):
    """An OverfittingGuard has judged an epoch."""

    kind: Literal["guard"] = "guard"
    evaluation: GuardEvaluation


class CheckpointSaved(_Message):
    """A checkpoint lies in `workdir`; the supervisor stores it, then deletes the file."""

    kind: Literal["checkpoint"] = "checkpoint"
    path: str
    epoch: int
    step: int
    metrics: dict[str, float]
    is_best: bool


class ArtifactSaved(_Message):
    """An artifact lies in `workdir`; the supervisor stores it under `name`."""

    kind: Literal["artifact"] = "artifact"
    path: str
    name: str
    artifact_kind: ArtifactKind
    media_type: str


class Evaluated(_Message):
    """The finished model was measured on the test rows."""

    kind: Literal["evaluated"] = "evaluated"
    metrics: dict[str, float]


class Warned(_Message):
    """Something the client should know, and that does not stop the training."""

    kind: Literal["warning"] = "warning"
    finding: Finding


class Succeeded(_Message):
    """The training is done and every file was named."""

    kind: Literal["succeeded"] = "succeeded"
    reason: str
    """`completed`, or `stopped_early` with the callback that did it."""


class Stopped(_Message):
    """The trainer was told to stop, and did so at the end of a batch."""

    kind: Literal["stopped"] = "stopped"


class Failed(_Message):
    """The training cannot go on."""

    kind: Literal["failed"] = "failed"
    error: JobError


class Planned(_Message):
    """The answer to a `PlanRequest`: `queue.base.ProofAnswer` as a mapping."""

    kind: Literal["planned"] = "planned"
    answer: dict[str, Any]


Message = (
    PhaseEntered
    | Progressed
    | EpochCompleted
    | GuardEvaluated
    | CheckpointSaved
    | ArtifactSaved
    | Evaluated
    | Warned
    | Succeeded
    | Stopped
    | Failed
    | Planned
)

_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def encode(message: Message) -> bytes:
    """One line."""
    return message.model_dump_json().encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message in a line. Raises pydantic.ValidationError: a trainer is not trusted to be well."""
    return _ANY.validate_json(line)
