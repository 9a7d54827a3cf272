"""Leaves a part alone for a moment after it failed: a dead broker then costs one timeout a second, not one a call."""

import time
from collections.abc import Callable


class Circuit:
    """Open (calls are skipped) for `pause` seconds after each failure. Safe to share between threads."""

    def __init__(self, pause: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._closed_from = float("-inf")
        self._is_failing = False

    @property
    def is_open(self) -> bool:
        """Whether to skip the call."""
        return self._clock() < self._closed_from

    def failed(self) -> bool:
        """Note a failure. True for the first in a row, which is worth a line in the log."""
        self._closed_from = self._clock() + self._pause
        is_first, self._is_failing = not self._is_failing, True
        return is_first

    def worked(self) -> None:
        """Note that a call went well."""
        self._is_failing = False
