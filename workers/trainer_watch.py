"""Decides, tick by tick, whether a trainer may go on: orders, lease, draining, limits. And passes on its progress."""

import logging
import time

from schemas.jobs import JobError
from workers.attempt import AttemptContext
from workers.launcher import Child, Exit
from workers.limits import MemoryLimit, TimeLimit
from workers.messages import Message
from workers.recorder import Recorder
from workers.verdict import StopReason
from workers.watching import Watching

PROGRESS_SECONDS = 0.25
NUDGE_SECONDS = 0.25
DRAIN_SHARE = 0.7
"""Of the time that a draining worker has, what trainers get to stop; the rest is for storing their checkpoints."""

_log = logging.getLogger(__name__)


class TrainerWatch:
    """A `Listener` for one attempt's trainer."""

    def __init__(self, context: AttemptContext, child: Child, recorder: Recorder) -> None:
        self.stopped_for: StopReason | None = None
        self.limit_error: JobError | None = None
        self._context, self._recorder = context, recorder
        self._group = child.pid or 0
        self._watching = Watching(child, self)
        job, settings = context.claim.job, context.parts.settings
        self._time = TimeLimit(job.spec, job.timings, settings)
        self._memory = MemoryLimit(context.slot.memory_bytes)
        self._published_at = self._looked_at = float("-inf")

    def until_gone(self) -> Exit:
        """Watch until the trainer has exited."""
        return self._watching.until_gone()

    @property
    def is_full(self) -> bool:
        """See Listener."""
        return self._context.scribe.is_full

    @property
    def is_over(self) -> bool:
        """See Listener."""
        return self._recorder.verdict is not None

    def take(self, message: Message) -> None:
        """See Listener."""
        self._recorder.take(message)

    def malformed(self, line: bytes) -> None:
        """See Listener."""
        self._recorder.malformed(line)

    def output(self, stream: str, piece: bytes) -> None:
        """See Listener."""
        self._context.log.feed(stream, piece)

    def each_tick(self) -> None:
        """See Listener."""
        now = time.monotonic()
        self._context.log.write_if_due()
        self._publish_progress(now)
        self._look_for_nudges(now)
        reason = self._reason_to_stop()
        if reason is not None and reason is not self.stopped_for:
            self._stop(reason)
        elif self.stopped_for is None and not self.is_over:
            self._enforce_limits()

    def _publish_progress(self, now: float) -> None:
        if self._recorder.progress is not None and now - self._published_at >= PROGRESS_SECONDS:
            progress, self._recorder.progress = self._recorder.progress, None
            self._published_at = now
            self._context.lease.progress = progress
            self._context.parts.live.publish_progress(self._context.job_id, progress)

    def _look_for_nudges(self, now: float) -> None:
        if now - self._looked_at >= NUDGE_SECONDS:
            self._looked_at = now
            if self._context.parts.live.nudged(self._context.job_id):
                self._context.lease.renew_soon()

    def _reason_to_stop(self) -> StopReason | None:
        """The weightiest of the reasons that there are now."""
        lease, scribe = self._context.lease, self._context.scribe
        reasons = {
            StopReason.LEASE_LOST: lease.is_lost or scribe.is_lost,
            StopReason.BROKEN: scribe.failure is not None,
            StopReason.CANCELLED: lease.orders.cancel,
            StopReason.LIMIT: self.limit_error is not None,
            StopReason.PAUSED: lease.orders.pause,
            StopReason.OUT_OF_TOUCH: self._is_out_of_touch(),
            StopReason.DRAINED: self._context.draining.is_on,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def _is_out_of_touch(self) -> bool:
        longest = self._context.parts.settings.lease_seconds
        return self._context.lease.is_out_of_touch or self._context.scribe.stuck_seconds > longest

    def _stop(self, reason: StopReason) -> None:
        _log.info("Stopping the trainer of %s: %s.", self._context.job_id, reason.value)
        self.stopped_for = reason
        if reason in {StopReason.LEASE_LOST, StopReason.BROKEN}:
            self._watching.ender.kill()
        elif reason is StopReason.DRAINED:
            self._watching.ender.ask(self._context.draining.seconds_left * DRAIN_SHARE)
        else:
            self._watching.ender.ask(self._context.parts.settings.cancel_grace_seconds)

    def _enforce_limits(self) -> None:
        if error := self._memory.check(self._group):
            self.limit_error, self.stopped_for = error, StopReason.LIMIT
            # No time to save anything: the machine may be about to run out.
            self._watching.ender.kill()
        elif error := self._time.check():
            self.limit_error = error
            self._stop(StopReason.LIMIT)
