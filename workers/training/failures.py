"""Why a training cannot go on: one exception that carries the job's error, and what to make of all others.

Leaves finding out where it happened to `Whereabouts`, which the callbacks keep up to date.
"""

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hornbeam.components.overfitting import Overfitted
from hornbeam.specs.graphs import MODEL_NAME
from schemas.jobs import ErrorLocation, ErrorOrigin, JobError
from schemas.problems import Finding

AGAINST_OVERFITTING = (
    "Hold the model back (Dropout, weight decay, fewer units), give it more data, or train for fewer epochs. With "
    "action: stop the model is that of the best epoch."
)
_NODE = re.compile(rf"\b{MODEL_NAME}(_\d+)?/(\w+?)\1/")
"""A TensorFlow operation of one of the model's layers; a second tracing numbers both names alike."""
_NOISE = re.compile(
    r"\x1b\[[0-9;]*m"  # colours
    r"|\A\s*Exception encountered when calling [^\n]*\n"
    r"|\A(?s:.*)Error encountered:"
    r"|\A(?s:.*)defined at \(most recent call last\):"
    r"|^\s*File \".*$"
    r"|Arguments received by(?s:.*)"
    r"|\[\[\{\{node [^]]*\]\]|\[Op:\w+\]",
    re.MULTILINE,
)
_LONGEST = 600


class TrainingFailed(Exception):
    """The training cannot go on, and this is what the client is told."""

    def __init__(self, error: JobError) -> None:
        self.error = error
        super().__init__(error.message)


class StopRequested(Exception):
    """The supervisor wants the training to end; whatever is worth keeping has been saved."""


@dataclass(slots=True)
class Whereabouts:
    """Where the training is, for whoever has to say where it failed."""

    epoch: int | None = None
    step: int | None = None
    layers: dict[str, str] = field(default_factory=dict)
    """Pointers into the spec, by layer name."""

    def location(self, message: str = "") -> ErrorLocation | None:
        """The place now, with the layer that a message names."""
        node = _NODE.search(message)
        layer = node[2] if node and node[2] in self.layers else self._named_in(message)
        if layer is None and self.epoch is None:
            return None
        pointer = self.layers[layer] if layer else None
        return ErrorLocation(layer=layer, pointer=pointer, epoch=self.epoch, step=self.step)

    def _named_in(self, message: str) -> str | None:
        return next((name for name in self.layers if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message)), None)


def failure(
    origin: ErrorOrigin,
    code: str,
    message: str,
    *,
    where: ErrorLocation | None = None,
    suggestion: str | None = None,
) -> TrainingFailed:
    """A failure for which we know the words."""
    return TrainingFailed(JobError(origin=origin, code=code, message=message, where=where, suggestion=suggestion))


def failure_from_findings(findings: Sequence[Finding], layers: dict[str, str]) -> TrainingFailed:
    """The first error among `findings`, with the others mentioned in its message."""
    first, *rest = findings
    message = " ".join([first.message, *(f"Also: {finding.message}" for finding in rest)])
    names = {pointer: name for name, pointer in layers.items()}
    layer = next((name for pointer, name in names.items() if first.pointer.startswith(pointer)), None)
    where = ErrorLocation(layer=layer, pointer=first.pointer)
    return failure(ErrorOrigin.SPEC, first.code, message, where=where, suggestion=first.suggestion)


def plain_message(error: BaseException) -> str:
    """What a library's exception says, without colours, call frames and the echo of its arguments."""
    text = " ".join(_NOISE.sub("", str(error)).split())
    return (text or type(error).__name__)[:_LONGEST]


def explain(error: BaseException, whereabouts: Whereabouts) -> JobError:
    """The job error for anything that a training may raise."""
    if isinstance(error, TrainingFailed):
        return error.error
    if isinstance(error, Overfitted):
        return _overfitted(error)
    where = whereabouts.location(str(error))
    message = plain_message(error)
    if _is_out_of_memory(error):
        return JobError(
            origin=ErrorOrigin.RESOURCES,
            code="resources.out_of_memory",
            message=f"The model and its batch do not fit into memory: {message}",
            where=where,
            suggestion="Halve training.batch_size, or make the model smaller.",
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}:
        return JobError(
            origin=ErrorOrigin.RESOURCES,
            code="resources.file_too_large",
            message=f"A file of this job does not fit: {error.strerror}.",
            where=where,
            suggestion="Make the model smaller, or ask the operator for more room.",
        )
    if whereabouts.epoch is not None:
        return JobError(origin=ErrorOrigin.TRAINING, code="training.step_failed", message=message, where=where)
    return JobError(
        origin=ErrorOrigin.SERVICE,
        code="service.trainer_error",
        message=f"The trainer ran into an error of its own: {type(error).__name__}: {message}",
        where=where,
        suggestion="The job's log has the details; report it to whoever runs the service.",
    )


def _overfitted(error: Overfitted) -> JobError:
    return JobError(
        origin=ErrorOrigin.TRAINING,
        code="training.overfitting",
        message=error.evaluation.why,
        where=ErrorLocation(epoch=error.evaluation.epoch),
        suggestion=AGAINST_OVERFITTING,
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """TensorFlow raises ResourceExhaustedError, JAX an XlaRuntimeError whose text begins with its status."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return "RESOURCE_EXHAUSTED" in str(error)[:2000]
