"""Puts right what was lost: attempts whose worker is gone, wake-ups that never arrived, files and rows left behind.

Every train worker runs it; each duty may be done twice, or by two at once, without harm. An attempt counts as lost
when its heartbeat has stood still for a whole lease by our own clock, the database answering all the while: so
neither a database restart nor a clock that is wrong costs an attempt. Leaves deciding what becomes of a lost job to
the store, in one transaction.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hornbeam.errors import JobNotFound, QueueUnavailable, StoreUnavailable
from hornbeam.queue.base import JobQueue
from hornbeam.storage.base import LeaseSighting
from workers.parts import Parts
from workers.verdict import infrastructure_error

CLEAN_SECONDS = 600.0
KEYS_KEPT = timedelta(hours=24)
WORKERS_KEPT = timedelta(hours=1)

_log = logging.getLogger(__name__)


class Reconciler:
    """One worker's share of putting things right. Call `tick` every few seconds, from one thread."""

    def __init__(
        self,
        parts: Parts,
        queue: JobQueue,
        *,
        free_slots: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts, self._store, self._settings = parts, parts.store, parts.settings
        self._queue = queue
        self._free_slots = free_slots
        self._clock = clock
        self._first_seen: dict[LeaseSighting, float] = {}
        self._looked_at = self._cleaned_at = float("-inf")

    def tick(self) -> None:
        """Do what is due. Never raises for a part that is down."""
        try:
            self._give_up_lost_attempts()
            self._clean_up()
            self._send_wake_ups()
        except StoreUnavailable:
            # Who could not reach the database meanwhile may have been unable to renew, too.
            self._first_seen.clear()
        except QueueUnavailable:
            _log.debug("The broker is down; wake-ups wait.")

    def _give_up_lost_attempts(self) -> None:
        now, sightings = self._clock(), self._store.held_leases()
        if now - self._looked_at > self._settings.lease_seconds:
            # We were not looking: nothing is known about the time between.
            self._first_seen.clear()
        self._looked_at = now
        self._first_seen = {sighting: self._first_seen.get(sighting, now) for sighting in sightings}
        for sighting, first_seen in self._first_seen.items():
            if now - first_seen >= self._settings.lease_seconds:
                self._give_up(sighting)

    def _give_up(self, sighting: LeaseSighting) -> None:
        message = f"The worker of attempt {sighting.attempt} was not heard of for {self._settings.lease_seconds:g} s."
        try:
            tail = [line.text for line in self._store.log_tail(sighting.job_id)]
        except JobNotFound:
            return  # it ended, and was deleted, after it was seen
        error = infrastructure_error("worker_lost", message, tail).model_dump(mode="json")
        job = self._store.give_up(sighting, max_attempts=self._settings.max_attempts, error=error)
        if job is not None:
            _log.warning("Attempt %d of %s was lost; the job is %s.", sighting.attempt, job.id, job.status.value)
            self._parts.live.announce(job.id)

    def _send_wake_ups(self) -> None:
        """Send for jobs that wait although this worker is idle: a busy one takes the next job by itself.

        So a long queue does not fill the broker with messages, and whatever was lost is made up for.
        """
        free = self._free_slots()
        if free < 1:
            return
        before = datetime.now(UTC) - timedelta(seconds=self._settings.resend_seconds)
        for job_id in self._store.unsent_jobs(before, limit=free):
            self._queue.send(job_id)
            self._store.mark_sent([job_id])

    def _clean_up(self) -> None:
        now = self._clock()
        if now - self._cleaned_at < CLEAN_SECONDS:
            return
        self._cleaned_at = now
        today = datetime.now(UTC)
        self._store.purge(keys_before=today - KEYS_KEPT, workers_before=today - WORKERS_KEPT)
        self._parts.workdirs.sweep()
