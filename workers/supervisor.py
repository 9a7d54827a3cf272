"""Sees one attempt through in its slot's thread: prepares, launches the trainer, watches over it, ends it.

Three threads share the work: this one watches, the `Lease` renews, the `Scribe` writes. So a slow upload never costs
the lease, and an outage never stops a training. Leaves reading pipes to `watching`, when to stop to `trainer_watch`,
writing to `recorder`, and what an end means to `verdict`.
"""

import logging
from collections.abc import Sequence
from contextlib import closing

from hornbeam.errors import LeaseLost, Unavailable
from hornbeam.jobs.record import Claim
from schemas.jobs import JobStatus
from workers.attempt import AttemptContext
from workers.attempt_log import store_log
from workers.brought_data import BroughtData, bring_data
from workers.draining import Draining
from workers.joblog import JobLog, Line
from workers.launcher import Child, LaunchFailed
from workers.lease import Lease
from workers.limits import memory_limit, out_of_memory_kills
from workers.messages import TrainerRequest
from workers.parts import Parts
from workers.preparation import CannotBegin, first_error, resume_point, starting_point
from workers.recorder import Recorder
from workers.scribe import Scribe
from workers.slots import Slot
from workers.trainer_watch import TrainerWatch
from workers.verdict import (
    Abandon,
    Ending,
    Evidence,
    Finish,
    GiveBack,
    StopReason,
    failed,
    judge,
    lost,
    supervisor_error,
    with_log_tail,
)

_SETTLE_SECONDS = 0.1

_log = logging.getLogger(__name__)


def supervise(parts: Parts, claim: Claim, slot: Slot, draining: Draining) -> bool:
    """See an attempt through. True when the job is queued again, and somebody should be woken up for it."""
    attempt = claim.attempt
    _log.info("Attempt %d of %s begins in slot %d.", attempt.number, attempt.job_id, slot.number)
    with (
        parts.workdirs.new(f"{attempt.job_id}-{attempt.number}") as workdir,
        closing(Scribe(after_write=lambda: parts.live.announce(attempt.job_id))) as scribe,
        closing(Lease(parts.store, attempt, parts.settings)) as lease,
    ):
        log = _open_log(parts, claim, scribe)
        context = AttemptContext(parts, claim, slot, draining, workdir, lease, scribe, log)
        return Supervisor(context).run()


def _open_log(parts: Parts, claim: Claim, scribe: Scribe) -> JobLog:
    keep = parts.settings.max_log_lines

    def write(lines: Sequence[Line]) -> None:
        scribe.write(lambda: parts.store.append_logs(claim.attempt, lines, keep=keep))

    return JobLog(write, keep=keep)


class Supervisor:
    """One attempt, from preparing it to ending it. `run` it once."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._parts = context.parts
        self._is_requeued = False

    def run(self) -> bool:
        """See `supervise`."""
        try:
            ending = self._attempt()
        except LeaseLost:
            ending = Abandon()
        except Exception:  # noqa: BLE001 - without an end the job would stand still until its lease runs out
            _log.exception("Attempt %d of %s met a bug.", self._context.attempt.number, self._context.job_id)
            ending = failed(supervisor_error())
        self._context.log.close()
        ending = self._within_budget(with_log_tail(ending, self._context.log.tail))
        _log.info("Attempt %d of %s ends: %s", self._context.attempt.number, self._context.job_id, ending)
        if not isinstance(ending, Abandon):
            self._carry_out(ending)
        return self._is_requeued

    def _attempt(self) -> Ending:
        self._parts.live.announce(self._context.job_id)
        try:
            data = bring_data(self._context)
            error = first_error(self._context, data.spec)
            if error is not None:
                return failed(error)
            request = self._request(data)
            if self._context.draining.is_on:
                return GiveBack(StopReason.DRAINED.value)
            child = self._parts.launcher.launch("run", request, self._context.workdir)
        except CannotBegin as reason:
            return failed(reason.error)
        except LaunchFailed as failure:
            return lost("launch_failed", failure.message)
        except Unavailable as outage:
            return lost("preparation_failed", outage.message)
        except OSError as error:
            return lost("preparation_failed", f"The worker could not prepare the training: {error.strerror}.")
        with closing(child):
            return self._watch(child)

    def _request(self, data: BroughtData) -> TrainerRequest:
        context = self._context
        resume = resume_point(context)
        return TrainerRequest(
            job_id=context.job_id,
            attempt=context.attempt.number,
            spec=data.spec,
            workdir=str(context.workdir),
            resume=resume,
            start=starting_point(context) if resume is None else None,
            cuda_visible_devices=context.slot.cuda_visible_devices,
            threads=context.slot.threads,
            max_file_bytes=self._parts.settings.max_file_bytes,
            tables=data.tables,
            memory_bytes=memory_limit(self._parts.settings, self._parts.settings.slots),
        )

    def _watch(self, child: Child) -> Ending:
        killed_before = out_of_memory_kills()
        recorder = Recorder(self._context)
        watch = TrainerWatch(self._context, child, recorder)
        end = watch.until_gone()
        recorder.close()
        return judge(
            Evidence(
                verdict=recorder.verdict,
                exit=end,
                stopped_for=watch.stopped_for,
                limit_error=watch.limit_error,
                was_out_of_memory=out_of_memory_kills() > killed_before,
            )
        )

    def _within_budget(self, ending: Ending) -> Ending:
        """A job that is out of attempts fails with what ended the last of them."""
        is_last = self._context.attempt.number >= self._parts.settings.max_attempts
        if isinstance(ending, GiveBack) and ending.error is not None and is_last:
            return failed(ending.error)
        return ending

    def _carry_out(self, ending: Finish | GiveBack) -> None:
        """Write the end after everything else; without the scribe where that is stuck."""
        if isinstance(ending, Finish):
            self._context.scribe.write(lambda: store_log(self._context))
        self._context.scribe.write(lambda: self._end(ending))
        if not self._settles():
            self._context.scribe.close()
            try:
                self._end(ending)
            except (Unavailable, LeaseLost) as error:
                _log.warning("%s is left to the reconcilers: %s", self._context.job_id, error.message)

    def _settles(self) -> bool:
        """Wait for the scribe to write the end. False when it does not get there."""
        scribe, lease = self._context.scribe, self._context.lease
        longest = self._parts.settings.lease_seconds
        while not scribe.settle(_SETTLE_SECONDS):
            is_stuck = lease.is_lost or lease.is_out_of_touch or scribe.stuck_seconds > longest
            if is_stuck or self._context.draining.seconds_left < 0:
                return False
        return scribe.failure is None

    def _end(self, ending: Finish | GiveBack) -> None:
        # Not before the end is about to be written, and not after: a finished attempt has no lease to renew.
        self._context.lease.close()
        store, attempt = self._parts.store, self._context.attempt
        if isinstance(ending, Finish):
            store.finish(attempt, ending.outcome)
        else:
            self._is_requeued = store.release(attempt, ending.reason).status is JobStatus.QUEUED
