"""Writes down, in order, from a thread of its own: training goes on while the database or the file store is away.

Leaves what is written to the callers. A write may be tried more than once, so it must bear being repeated.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from hornbeam.errors import LeaseLost, Unavailable

Write = Callable[[], object]

RETRY_SECONDS = 0.5
FULL = 10_000
"""Writes that may wait before the trainer's messages are left in the pipe."""

_log = logging.getLogger(__name__)


class Scribe:
    """One attempt's writes.

    Once a write meets LeaseLost nothing more is written: `is_lost`. Any other error than an outage is one of ours:
    it is kept in `failure`, and nothing more is written either.
    """

    def __init__(self, *, after_write: Write) -> None:
        """Start.

        Args:
            after_write: Called after each write that went well.
        """
        self.is_lost = False
        self.failure: Exception | None = None
        self._after_write = after_write
        self._failing_since: float | None = None
        self._waiting: deque[Write] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that one should stop listening to the trainer."""
        return len(self._waiting) >= FULL

    @property
    def stuck_seconds(self) -> float:
        """For how long the write whose turn it is has failed."""
        since = self._failing_since
        return 0.0 if since is None else time.monotonic() - since

    def write(self, write: Write) -> None:
        """Have something written after all that was handed over before."""
        with self._changed:
            if not (self._is_closed or self.is_lost or self.failure):
                self._waiting.append(write)
                self._changed.notify_all()

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is left to write, or never will be. False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self) -> None:
        """Stop, and drop what has not been written."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                write = self._waiting[0]
            if not self._try(write):
                return

    def _try(self, write: Write) -> bool:
        """Write, and take it off the list. False when it was the last."""
        try:
            write()
            self._after_write()
        except Unavailable as error:
            self._wait_out(error)
            return True
        except LeaseLost:
            self.is_lost = True
        except Exception as error:  # noqa: BLE001 - kept in `failure`, which ends the attempt
            _log.exception("A write failed for good.")
            self.failure = error
        else:
            self._failing_since = None
            with self._changed:
                # `close` may have emptied it meanwhile.
                if self._waiting:
                    self._waiting.popleft()
                self._changed.notify_all()
            return True
        self.close()
        return False

    def _wait_out(self, error: Unavailable) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            _log.warning("Cannot write for now: %s", error.message)
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, RETRY_SECONDS)
