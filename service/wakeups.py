"""Sends wake-ups for jobs that were recorded, behind the answer: a broker that is down or slow delays no client.

What could not be sent, or did not fit into the backlog, stays marked as unsent in the database. The workers'
reconciler makes up for it, and a worker that is busy takes its next job without being woken.
"""

import logging
import queue
import threading
import time

from hornbeam.errors import QueueUnavailable, StoreUnavailable
from hornbeam.queue.base import JobQueue
from hornbeam.storage.base import UpkeepStore

_BACKLOG = 1000
_MARK_SECONDS = 0.1
"""What was sent within this time is noted together: each note waits for the disk, as submissions do."""
_STOP_SECONDS = 3.0

_log = logging.getLogger(__name__)


class WakeUps:
    """One thread that sends, and notes in the database what went out."""

    def __init__(self, jobs: JobQueue, store: UpkeepStore) -> None:
        self._jobs = jobs
        self._store = store
        self._backlog: queue.Queue[str | None] = queue.Queue(_BACKLOG)
        self._is_failing = False
        self._thread = threading.Thread(target=self._send_all, name="wake-ups", daemon=True)
        self._thread.start()

    def send(self, job_id: str) -> None:
        """Have a worker woken up for this job, soon. Never blocks."""
        try:
            self._backlog.put_nowait(job_id)
        except queue.Full:
            _log.debug("The backlog of wake-ups is full; the reconciler finds %s.", job_id)

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        deadline = time.monotonic() + _STOP_SECONDS
        try:
            self._backlog.put(None, timeout=_STOP_SECONDS)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _send_all(self) -> None:
        sent: list[str] = []
        mark_at = 0.0
        while (job_id := self._next(mark_at - time.monotonic() if sent else None)) is not None:
            if job_id and self._send(job_id):
                mark_at = mark_at if sent else time.monotonic() + _MARK_SECONDS
                sent.append(job_id)
            if sent and time.monotonic() >= mark_at:
                self._mark(sent)
                sent = []
        if sent:
            self._mark(sent)

    def _next(self, timeout: float | None) -> str | None:
        """A job to send for; "" when none comes in time, None when there will be no more."""
        try:
            return self._backlog.get(timeout=timeout if timeout is None else max(0.0, timeout))
        except queue.Empty:
            return ""

    def _send(self, job_id: str) -> bool:
        try:
            self._jobs.send(job_id)
        except QueueUnavailable:
            if not self._is_failing:
                _log.warning("The broker does not answer: jobs are recorded, and sent when it returns.")
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _mark(self, sent: list[str]) -> None:
        try:
            self._store.mark_sent(sent)
        except StoreUnavailable:
            _log.warning("Could not note that %d wake-ups went out; they may be sent again.", len(sent))
