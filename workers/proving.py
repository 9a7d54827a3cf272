"""Has a spec proven in a forked child, with limits on its time and memory.

Used for the planner's questions, and by train workers for jobs that were accepted while no planner answered.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbeam.queue.base import UNPROVEN, ProofAnswer
from hornbeam.settings import Settings
from schemas.problems import Finding, Severity
from workers.launcher import Child, Exit, Launcher
from workers.limits import MemoryLimit, memory_limit
from workers.messages import Message, Planned, PlanRequest
from workers.watching import Watching

_LOG_BYTES = 4000
_UNKNOWN = frozenset({"component.unknown", "parameter.unknown"})
"""What is said of a spec that was checked against another catalogue."""

_log = logging.getLogger(__name__)


def prove(spec: Mapping[str, Any], launcher: Launcher, settings: Settings, workdir: Path) -> ProofAnswer | None:
    """The proof of a normalised spec, or None when the child came to no end. Raises LaunchFailed."""
    request = PlanRequest(
        spec=dict(spec),
        max_parameters=settings.max_parameters,
        max_file_bytes=settings.max_file_bytes,
        slot_bytes=memory_limit(settings, settings.slots),
        # A share of this machine says little about the worker's.
        slot_is_certain=settings.max_job_memory_bytes > 0,
    )
    child = launcher.launch("prove", request, workdir)
    watch = _ProofWatch(child, MemoryLimit(memory_limit(settings, settings.slots)), settings.proof_seconds)
    end = watch.until_gone()
    if watch.answer is None:
        _log.warning("A proof came to no end: %s. %s", end, watch.printed.decode(errors="replace"))
    return watch.answer


def conclusive(answer: ProofAnswer) -> ProofAnswer:
    """The answer, or that there is none: the API knows all that is in the spec, and this planner does not.

    Then the worker that claims the job, and holds all of it, proves the spec.
    """
    if all(finding.code not in _UNKNOWN for finding in answer.findings):
        return answer
    finding = Finding(
        severity=Severity.INFO,
        pointer="",
        code=UNPROVEN,
        message="The planner does not hold all of these components: the worker proves the spec before it trains.",
    )
    return ProofAnswer(plan=None, findings=[finding])


class _ProofWatch:
    """A `Listener` for a child that proves a spec."""

    is_full = False

    def __init__(self, child: Child, memory: MemoryLimit, seconds: float) -> None:
        self.answer: ProofAnswer | None = None
        self.printed = b""
        self._group = child.pid or 0
        self._memory = memory
        self._watching = Watching(child, self)
        self._watching.ender.allow(seconds)

    def until_gone(self) -> Exit:
        """Watch until the child has exited."""
        return self._watching.until_gone()

    @property
    def is_over(self) -> bool:
        return self.answer is not None

    def take(self, message: Message) -> None:
        if isinstance(message, Planned):
            self.answer = ProofAnswer.model_validate(message.answer)

    def malformed(self, line: bytes) -> None:
        self.printed = (self.printed + line)[-_LOG_BYTES:]

    def output(self, stream: str, piece: bytes) -> None:  # noqa: ARG002 - a Listener takes both
        self.printed = (self.printed + piece)[-_LOG_BYTES:]

    def each_tick(self) -> None:
        if self._memory.check(self._group):
            self._watching.ender.kill()
