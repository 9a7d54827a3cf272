"""Whether a worker is stopping, and how long it still has."""

import threading
import time


class Draining:
    """Begins once, and never ends. Safe to share between threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = threading.Event()
        self._deadline = float("inf")

    def begin(self) -> None:
        """Stop taking jobs, and give back those that run."""
        if not self._begun.is_set():
            self._deadline = time.monotonic() + self._seconds
            self._begun.set()

    @property
    def is_on(self) -> bool:
        """Whether it has begun."""
        return self._begun.is_set()

    @property
    def seconds_left(self) -> float:
        """What is left of the time that a stopping worker gives its jobs; infinite before it stops."""
        return self._deadline - time.monotonic()

    def wait(self, timeout: float) -> bool:
        """Wait for it to begin; whether it has."""
        return self._begun.wait(timeout)
