"""The job resource: what a client sees of a job.

Leaves the rules of a job's life to `hornbeam.jobs.lifecycle`.
"""

from enum import StrEnum

from pydantic import Field

from schemas.catalog import BrokenComponent
from schemas.estimates import Estimates
from schemas.problems import Finding
from schemas.strict import JsonObject, MetricValue, Response, Timestamp


class JobStatus(StrEnum):
    """Where a job is in its life. Read `terminal` to learn whether it is over."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class JobPhase(StrEnum):
    """What a running job is doing."""

    STARTING = "starting"
    LOADING_DATA = "loading_data"
    BUILDING = "building"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"


class ErrorOrigin(StrEnum):
    """Whose fault a failure is: only `infrastructure` is retried by the service."""

    SPEC = "spec"
    DATA = "data"
    TRAINING = "training"
    RESOURCES = "resources"
    INFRASTRUCTURE = "infrastructure"
    SERVICE = "service"


class QueueReason(StrEnum):
    """Why a queued job waits. `starting`: a slot is free, and its worker is about to take the job."""

    STARTING = "starting"
    SLOTS_BUSY = "slots_busy"
    NO_WORKER = "no_worker"
    NO_MATCHING_WORKER = "no_matching_worker"


class ErrorLocation(Response):
    """Where in the training a failure happened, as far as it is known."""

    layer: str | None = None
    pointer: str | None = Field(default=None, description="JSON pointer into the spec.")
    epoch: int | None = None
    step: int | None = None


class JobError(Response):
    """Why a job failed."""

    origin: ErrorOrigin
    code: str = Field(description="Stable, dotted: `training.non_finite_loss`.")
    message: str
    retryable: bool = False
    where: ErrorLocation | None = None
    suggestion: str | None = None
    log_tail: list[str] = Field(default_factory=list, description="The last lines of the trainer's log.")


class Progress(Response):
    """How far a running job is."""

    percent: float = Field(ge=0, le=100)
    epoch: int = Field(description="The epoch under way, from 1.")
    epochs: int
    step: int = Field(description="Steps done in this epoch.")
    steps_per_epoch: int
    eta_seconds: float | None = None
    metrics: dict[str, MetricValue] = Field(default_factory=dict, description="Running means of the epoch under way.")


class EpochSummary(Response):
    """The metrics of one epoch."""

    epoch: int
    checkpoint: str | None = None
    metrics: dict[str, MetricValue]


class Summary(Response):
    """The best epoch so far, by `checkpoints.monitor`, the last one, and what the finished model is worth."""

    best: EpochSummary | None = None
    last: EpochSummary | None = None
    test: dict[str, MetricValue] | None = Field(
        default=None, description="Loss and metrics of the finished model on the rows of `dataset.test`."
    )


class Queue(Response):
    """Where a queued job stands."""

    position: int = Field(description="1 is next.")
    reason: QueueReason
    eta_seconds: float | None = None


class Transition(Response):
    """A change of status."""

    status: JobStatus
    at: Timestamp
    reason: str


class Job(Response):
    """A training job."""

    id: str
    name: str | None
    status: JobStatus
    phase: JobPhase | None
    terminal: bool
    attempt: int = Field(description="How many times a worker has taken the job; 0 until the first.")
    created_at: Timestamp
    queued_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    queue: Queue | None
    progress: Progress | None
    summary: Summary
    error: JobError | None
    findings: list[Finding]
    transitions: list[Transition]
    timings: dict[str, float] = Field(description="Seconds spent queued and in each phase.")
    worker: str | None
    spec: JsonObject = Field(description="The normalised spec: every default filled in.")
    metadata: dict[str, str]
    links: dict[str, str | None]


class JobPage(Response):
    """Some jobs of a list."""

    data: list[Job]
    has_more: bool
    next: str | None = None


class LayerPlan(Response):
    """One layer as the planner built it."""

    pointer: str
    name: str
    type: str
    output_shape: list[int | None] | None
    parameters: int
    flops: int | None = Field(default=None, description="Operations of all its calls in a forward pass, one example.")
    activation_bytes: int | None = Field(
        default=None, description="What its outputs and inner state take, one example."
    )


class Plan(Response):
    """What the planner found when it built the model without allocating it."""

    preprocess: list[LayerPlan] = Field(
        default_factory=list, description="What makes the model's inputs of the dataset's columns, once for all epochs."
    )
    layers: list[LayerPlan] = Field(default_factory=list)
    parameters: int | None = None
    trainable_parameters: int | None = None
    output_shape: list[int | None] | None = None
    steps_per_epoch: int | None = None
    estimates: Estimates | None = Field(default=None, description="What training it will take, about.")
    text: str | None = Field(default=None, description="The plan for people, in lines of plain text.")


class Proof(Response):
    """The answer to `validate_only`: the normalised spec, the plan, and what there is to say about it."""

    valid: bool
    proven: bool = Field(description="False where no planner answered in time: the worker will prove it then.")
    spec: JsonObject
    plan: Plan | None
    findings: list[Finding]


class Device(Response):
    """An accelerator of a worker."""

    index: int
    name: str
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization_percent: float | None = None


class Worker(Response):
    """A process that trains jobs, or proves specs."""

    id: str
    role: str = Field(description="`train` or `plan`.")
    hostname: str
    pid: int
    alive: bool
    version: str
    backend: str = Field(description="The Keras backend: `tensorflow` or `jax`.")
    catalog_digest: str
    slots: int
    busy_slots: int
    devices: list[Device]
    started_at: Timestamp
    heartbeat_at: Timestamp
    broken_components: list[BrokenComponent] = Field(
        default_factory=list, description="Components of the operator's that this worker could not load."
    )


class WorkerPage(Response):
    """The workers that were seen lately."""

    data: list[Worker]
    has_more: bool = False
    next: str | None = None
