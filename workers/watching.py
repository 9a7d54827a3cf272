"""Watches a child: reads its pipes as soon as there is something, and ends it when it has to end.

The wait blocks on the pipes, so a message is handled within microseconds; every tenth of a second at most somebody
else gets a turn (`each_tick`). Leaves what the messages mean to whoever takes them.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Protocol

from pydantic import ValidationError

from workers.joblog import LineSplitter
from workers.launcher import Child, Exit
from workers.messages import Message, decode

TICK_SECONDS = 0.1
LONGEST_MESSAGE = 2**20
_PIECE = 2**16
_PIPES_HOLD = 2**20
_LEAVE_SECONDS = 10.0
"""What a trainer that has said its last word gets to leave."""


class Listener(Protocol):
    """Who hears what a child says."""

    def take(self, message: Message) -> None:
        """A message."""

    def malformed(self, line: bytes) -> None:
        """A line on the message pipe that is no message."""

    def output(self, stream: str, piece: bytes) -> None:
        """Something on `stdout` or `stderr`."""

    def each_tick(self) -> None:
        """A tenth of a second has passed, or a message came."""

    @property
    def is_full(self) -> bool:
        """Whether to leave messages in the pipe for now."""

    @property
    def is_over(self) -> bool:
        """Whether the child has said its last word."""


class Ender:
    """Ends a child: asks first, and kills its process group when the time that it was given is over."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._kill_at: float | None = None

    def ask(self, grace: float) -> None:
        """Ask the child to stop within `grace` seconds; asking again can only shorten the time."""
        if self._kill_at is None:
            self._child.signal(signal.SIGTERM)
        self.allow(grace)

    def allow(self, grace: float) -> None:
        """Kill the child in `grace` seconds, unless it goes by itself."""
        deadline = time.monotonic() + grace
        self._kill_at = deadline if self._kill_at is None else min(self._kill_at, deadline)

    def kill(self) -> None:
        """Kill the child now."""
        self._kill_at = 0.0
        self.kill_if_due()

    def kill_if_due(self) -> None:
        """Kill the child when its time is over."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._child.signal(signal.SIGKILL)


class Watching:
    """One child's life, from the first message to the exit."""

    def __init__(self, child: Child, listener: Listener) -> None:
        self.ender = Ender(child)
        self._child = child
        self._listener = listener
        self._lines = LineSplitter(LONGEST_MESSAGE)
        self._readers: dict[int, Callable[[bytes], None]] = {
            child.messages: self._hear,
            child.stdout: lambda piece: listener.output("stdout", piece),
            child.stderr: lambda piece: listener.output("stderr", piece),
        }
        self._open = set(self._readers)

    def until_gone(self) -> Exit:
        """Watch until the child has exited and its pipes are read, and close them."""
        with contextlib.closing(self._child), selectors.DefaultSelector() as selector:
            for descriptor in (*self._readers, self._child.gone):
                selector.register(descriptor, selectors.EVENT_READ)
            is_leaving = False
            while self._child.exit is None:
                self._wait(selector)
                self._listener.each_tick()
                if self._listener.is_over and not is_leaving:
                    is_leaving = True
                    self.ender.allow(_LEAVE_SECONDS)
                self.ender.kill_if_due()
            self._read_rest()
            return self._child.exit

    def _wait(self, selector: selectors.BaseSelector) -> None:
        if self._listener.is_full:
            # Reading no more, the trainer waits in its next write; that is better than to grow without end.
            time.sleep(TICK_SECONDS)
            return
        for key, _ in selector.select(TICK_SECONDS):
            descriptor = key.fd
            if descriptor in self._open and self._read(descriptor) == 0:
                selector.unregister(descriptor)
                self._open.discard(descriptor)

    def _read(self, descriptor: int) -> int | None:
        """Take what is there; 0 at the end of the stream, None when there is nothing for now."""
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return None
        self._readers[descriptor](piece)
        return len(piece)

    def _read_rest(self) -> None:
        """What was in the pipes when the child exited; no more than pipes hold, should a stray process write on."""
        for descriptor in self._open:
            for _ in range(_PIPES_HOLD // _PIECE + 1):
                if not self._read(descriptor):
                    break
        for line in self._lines.end():
            self._listener.malformed(line)

    def _hear(self, piece: bytes) -> None:
        for line in self._lines.feed(piece):
            try:
                message = decode(line)
            except ValidationError:
                self._listener.malformed(line)
            else:
                self._listener.take(message)
