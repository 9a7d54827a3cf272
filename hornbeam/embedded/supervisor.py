"""Keeps the parts of a stack running: what exits is started again, sooner the first time than the tenth.

Leaves what the parts are to `stack`, and a process as such to `child`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hornbeam.embedded.child import Part, trim_log
from hornbeam.errors import InstallationError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A part that ran for so long counts as well: when it exits, the pauses begin anew."""


class Observer(Protocol):
    """Whoever wants to know how a stack is doing."""

    def listening(self, url: str) -> None:
        """The parts are started, and requests are taken in at this address."""
        ...

    def ready(self, seconds: float) -> None:
        """Jobs can be trained, so many seconds after the start."""
        ...

    def restarting(self, part: Part, status: int | None, seconds: float) -> None:
        """A part exited with this status, or would not start (None), and is tried again in so many seconds."""
        ...


@dataclass(slots=True)
class _Watched:
    """A part, and how often it let us down."""

    part: Part
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    due_at: float | None = None
    """When to start it again; None while it runs."""


class Supervisor:
    """Call `look` a few times a second, always from the thread that called `start`: the parts die with it."""

    def __init__(self, parts: Sequence[Part], observer: Observer) -> None:
        self._watched = [_Watched(part) for part in parts]
        self._observer = observer

    @property
    def pids(self) -> dict[str, int]:
        """The process of each part that was started."""
        return {watched.part.name: watched.part.pid for watched in self._watched if watched.part.pid is not None}

    def start(self) -> None:
        """Start the parts in order. Raises InstallationError when one can't be started the first time."""
        for watched in self._watched:
            watched.started_at = time.monotonic()
            watched.part.start()

    def look(self) -> None:
        """Start what exited, when it is due; keep the logs bounded."""
        now = time.monotonic()
        for watched in self._watched:
            trim_log(watched.part.log_path)
            if watched.due_at is not None and now >= watched.due_at:
                self._start_again(watched, now)
            elif watched.due_at is None and (status := watched.part.poll()) is not None:
                # What it started does not outlive it.
                watched.part.kill()
                self._put_off(watched, status, now)

    def _start_again(self, watched: _Watched, now: float) -> None:
        watched.due_at, watched.started_at = None, now
        try:
            watched.part.start()
        except (InstallationError, OSError):
            self._put_off(watched, None, now)

    def _put_off(self, watched: _Watched, status: int | None, now: float) -> None:
        steady = now - watched.started_at >= STEADY_SECONDS
        pause = FIRST_PAUSE if steady else watched.pause
        watched.due_at, watched.pause = now + pause, min(pause * 2, LONGEST_PAUSE)
        self._observer.restarting(watched.part, status, pause)
