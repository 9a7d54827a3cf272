"""Holds an answer back until there is something new, for the `wait` of polls."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from hornbeam.queue.base import Watch
from service.stopping import Stopping

T = TypeVar("T")

_LOOK_SECONDS = 2.0
"""A waiting poll looks this often without being told to: nobody announces that the queue has moved on."""


class Waiting:
    """Looks again whenever a job may have changed."""

    def __init__(self, watch: Watch, stopping: Stopping) -> None:
        self._watch = watch
        self._stopping = stopping

    async def until(
        self, job_id: str, seconds: float, look: Callable[[], Awaitable[T]], is_news: Callable[[T], bool]
    ) -> T:
        """What `look` sees as soon as that is news, else what it sees after `seconds`, or when the process stops."""
        seen = await look()
        if is_news(seen) or seconds <= 0:
            return seen
        deadline = time.monotonic() + seconds
        async with self._watch.watching(job_id) as signals:
            while not self._stopping.is_set and (left := deadline - time.monotonic()) > 0:
                await self._pause(signals, left)
                seen = await look()
                if is_news(seen):
                    break
        return seen

    async def _pause(self, signals: AsyncIterator[Any], left: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with self._stopping.at_most(min(left, _LOOK_SECONDS)):
                await anext(signals)
