"""A file that may still be arriving, as a seekable file object whose reads wait for what is not there yet.

Leaves what the bytes mean to the readers, and what they decompress to to `compression`.
"""

import io
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from hornbeam.ingest.protocol import END
from hornbeam.ingest.refusals import Abandoned, refused


class Arrival:
    """How much of a file is there. Thread-safe: Arrow reads in a thread of its own, and another one follows stdin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._changed = threading.Condition()
        self._arrived = 0
        self._whole = False
        self._abandoned = False

    @classmethod
    def of_whole(cls, path: Path) -> Self:
        """A file that is there."""
        arrival = cls(path)
        arrival.follow([f"{path.stat().st_size}\n", END])
        return arrival

    def follow(self, lines: Iterable[str]) -> None:
        """Take note of what the lines tell until the end of the file; lines that end before it abandon the reading."""
        for line in lines:
            told = line.strip()
            with self._changed:
                self._whole = told == END
                if not self._whole:
                    self._arrived = max(self._arrived, int(told))
                self._changed.notify_all()
            if self._whole:
                return
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def wait_for(self, size: int) -> int:
        """Wait until so many bytes are there, or all; the number of those that are. Raises Abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrived >= size or self._whole or self._abandoned)
            if self._abandoned:
                raise Abandoned
            return self._arrived

    def wait_until_whole(self) -> int:
        """Wait for the end; the size of the file. Raises Abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._whole or self._abandoned)
            if self._abandoned:
                raise Abandoned
            return self._arrived

    def open(self) -> "IncomingFile":
        """The file from its beginning. It may be opened many times."""
        return IncomingFile(self)


class IncomingFile(io.RawIOBase):
    """Reads never come up short before the end of the file: where a block ends does not depend on the arrival."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self._file = arrival.path.open("rb", buffering=0)
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is; seeking from the end waits for the end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._arrival.wait_until_whole()
        if offset < 0:
            raise OSError("a position before the beginning of the file")
        self._position = offset
        return offset

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or as many as there are before the end."""
        if size is None or size < 0:
            size = max(self._arrival.wait_until_whole() - self._position, 0)
        size = max(min(self._arrival.wait_for(self._position + size) - self._position, size), 0)
        data = os.pread(self._file.fileno(), size, self._position) if size else b""
        if len(data) < size:
            data += self._rest(size - len(data), self._position + len(data))
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """As `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _rest(self, size: int, position: int) -> bytes:
        """What one system call did not bring: it brings 2 GiB at most."""
        pieces = []
        while size:
            piece = os.pread(self._file.fileno(), size, position)
            if not piece:
                raise refused(
                    "file.cut_off", f"The file ends at byte {position}, before what was announced.", "Send it again."
                )
            pieces.append(piece)
            size -= len(piece)
            position += len(piece)
        return b"".join(pieces)
