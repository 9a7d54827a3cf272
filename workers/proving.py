"""Has a spec proven in a forked child, with limits on its time and memory.

Used for the planner's questions, and by train workers for jobs that were accepted while no planner answered.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbeam.queue.base import ProofAnswer
from hornbeam.settings import Settings
from workers.launcher import Child, Exit, Launcher
from workers.limits import MemoryLimit, memory_limit
from workers.messages import Message, Planned, PlanRequest
from workers.watching import Watching

_LOG_BYTES = 4000

_log = logging.getLogger(__name__)


def prove(spec: Mapping[str, Any], launcher: Launcher, settings: Settings, workdir: Path) -> ProofAnswer | None:
    """The proof of a normalised spec, or None when the child came to no end. Raises LaunchFailed."""
    request = PlanRequest(spec=dict(spec), max_parameters=settings.max_parameters)
    child = launcher.launch("prove", request, workdir)
    watch = _ProofWatch(child, MemoryLimit(memory_limit(settings, settings.slots)), settings.proof_seconds)
    end = watch.until_gone()
    if watch.answer is None:
        _log.warning("A proof came to no end: %s. %s", end, watch.printed.decode(errors="replace"))
    return watch.answer


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
