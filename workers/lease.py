"""Renews an attempt's lease from a thread of its own, and brings back what the client wants meanwhile.

A database that is away for a while costs nothing: the reconcilers call a lease lost only when they have seen it
stand still for its whole length. Leaves acting on orders to the supervisor.
"""

import logging
import threading
import time

from hornbeam.errors import LeaseLost, StoreUnavailable
from hornbeam.jobs.record import Attempt, Orders
from hornbeam.settings import Settings
from hornbeam.storage.base import Store
from schemas.jobs import Progress

_log = logging.getLogger(__name__)


class Lease:
    """One attempt's hold on its job."""

    def __init__(self, store: Store, attempt: Attempt, settings: Settings) -> None:
        """Start renewing; the claim was the first time."""
        self.orders = Orders()
        self.is_lost = False
        self.progress: Progress | None = None
        """Goes along with the next renewal."""
        self._store, self._attempt, self._settings = store, attempt, settings
        self._renewed_at = time.monotonic()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._renew_for_ever, name=f"lease-{attempt.job_id}", daemon=True)
        self._thread.start()

    @property
    def is_out_of_touch(self) -> bool:
        """Whether the database has been out of reach for as long as the lease lasts: others may take the job."""
        return time.monotonic() - self._renewed_at > self._settings.lease_seconds

    def renew_soon(self) -> None:
        """Renew now rather than at the next heartbeat: there may be orders."""
        self._wake.set()

    def close(self) -> None:
        """Stop renewing: the attempt is finished, or given up."""
        self._is_closed = True
        self._wake.set()

    def _renew_for_ever(self) -> None:
        while True:
            self._wake.wait(self._settings.heartbeat_seconds)
            self._wake.clear()
            if self._is_closed:
                return
            try:
                self._renew()
            except LeaseLost:
                self.is_lost = True
                return
            except StoreUnavailable as error:
                _log.warning("Cannot renew the lease of %s: %s", self._attempt.job_id, error.message)

    def _renew(self) -> None:
        progress, self.progress = self.progress, None
        # Taken before the call: that is the latest moment from which the others may count.
        began = time.monotonic()
        self.orders = self._store.heartbeat(
            self._attempt, lease_seconds=self._settings.lease_seconds, progress=progress
        )
        self._renewed_at = began
