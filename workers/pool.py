"""Celery's thread pool, which tells Celery's event loop when a slot becomes free.

Without prefetching, Celery fetches a message only while a thread is idle; but its loop finds out that one has become
idle when it next wakes up, up to a second later. Leaves everything else to Celery.
"""

import os
from typing import Any

from celery.concurrency.thread import ApplyResult, TaskPool


class SlotPool(TaskPool):  # type: ignore[misc]
    """A thread per slot. Celery makes it from its path in `worker_pool`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._rope, False)

    def register_with_event_loop(self, hub: Any) -> None:
        """Celery calls this each time its loop begins."""
        hub.add_reader(self._bell, self._silence)

    def on_apply(self, *args: Any, **kwargs: Any) -> ApplyResult:
        """Run a task, and ring when it is over and its request is off Celery's books."""
        result = super().on_apply(*args, **kwargs)
        result.f.add_done_callback(lambda _: self._ring())
        return result

    def _ring(self) -> None:
        try:
            os.write(self._rope, b"!")
        except BlockingIOError:
            return  # it rings already

    def _silence(self) -> None:
        os.read(self._bell, 4096)
