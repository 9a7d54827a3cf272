"""What a trainer prints, as lines: in batches for the store, the last few for an error's `log_tail`.

Leaves dropping lines past a job's limit, and saying so, to the store.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence

Line = tuple[str, str]
"""The stream and the text."""

BATCH_SECONDS = 0.5
LONGEST_LINE = 4000
_TAIL = 20
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours, cursor movements, and characters that no terminal shows and PostgreSQL does not take."""


class LineSplitter:
    """Turns pieces of a stream into lines. A line longer than `longest` bytes is cut, and the rest of it dropped."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes."""
        *lines, rest = piece.split(b"\n")
        complete = []
        for line in lines:
            complete.append((self._rest + line)[: self._longest])
            self._rest = b""
        self._rest = (self._rest + rest)[: self._longest]
        return complete

    def end(self) -> list[bytes]:
        """What is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class JobLog:
    """The log of one attempt."""

    def __init__(self, write: Callable[[Sequence[Line]], None], *, keep: int) -> None:
        """Begin.

        Args:
            write: Takes a batch of lines.
            keep: How many lines are worth writing; the store keeps no more of a job.
        """
        self._write = write
        self._room = keep + 1  # the one too many has the store say that it is full
        self._batch: list[Line] = []
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._streams = {name: LineSplitter(LONGEST_LINE) for name in ("stdout", "stderr")}
        self._written_at = time.monotonic()

    @property
    def tail(self) -> list[str]:
        """The last lines, of all streams."""
        return list(self._tail)

    def feed(self, stream: str, piece: bytes) -> None:
        """Take in what the trainer wrote to `stdout` or `stderr`."""
        for line in self._streams[stream].feed(piece):
            self._add(stream, line)

    def remark(self, text: str) -> None:
        """Add a line of the service's own."""
        self._add("service", text.encode())

    def write_if_due(self) -> None:
        """Hand over a batch, at most every half second."""
        if self._batch and time.monotonic() - self._written_at >= BATCH_SECONDS:
            self._write_batch()

    def close(self) -> None:
        """Hand over everything."""
        for stream, splitter in self._streams.items():
            for line in splitter.end():
                self._add(stream, line)
        if self._batch:
            self._write_batch()

    def _add(self, stream: str, line: bytes) -> None:
        text = _CONTROL.sub("", line.rstrip(b"\r").decode(errors="replace").rsplit("\r", 1)[-1])
        self._tail.append(text)
        if self._room > 0:
            self._room -= 1
            self._batch.append((stream, text))

    def _write_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._written_at = time.monotonic()
        self._write(batch)
