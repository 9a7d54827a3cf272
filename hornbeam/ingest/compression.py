"""Compressed files as streams of what is in them, counted: more than a bounded expansion is refused.

Leaves the members of archives to `archives`.
"""

import lzma
from enum import StrEnum
from typing import Any, Protocol

import pyarrow as pa

from hornbeam.ingest.incoming import Arrival, IncomingFile
from hornbeam.ingest.refusals import refused

GRACE = 2**20
"""Bytes that any compressed file may become, however small it is."""


class Readable(Protocol):
    """What the readers read from; `read` comes up short at the end only."""

    def read(self, size: int = ..., /) -> bytes:
        """So many bytes."""
        ...


class Compression(StrEnum):
    """How a whole file is compressed."""

    GZIP = "gzip"
    BZIP2 = "bz2"
    XZ = "xz"
    ZSTANDARD = "zstd"


_MAGIC = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\xfd7zXZ\x00": Compression.XZ,
    b"\x28\xb5\x2f\xfd": Compression.ZSTANDARD,
}


def compression_of(head: bytes) -> Compression | None:
    """How a file with these first bytes is compressed."""
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), None)


def open_plain(arrival: Arrival, compression: Compression | None, expansion: int) -> Readable:
    """What is in a file, from its beginning.

    Args:
        arrival: The file.
        compression: How it is compressed.
        expansion: How many times larger than the bytes that were read it may become.
    """
    file = arrival.open()
    return file if compression is None else Decompressed(file, compression, expansion)


class Decompressed:
    """A compressed file as a stream. Reading raises FileRefused where it is damaged, or expands too far."""

    def __init__(self, file: IncomingFile, compression: Compression, expansion: int) -> None:
        self._file = file
        self._compression = compression
        self._expansion = expansion
        self._produced = 0
        self._inner = _decompressing(file, compression)

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes of what is inside; -1 is not allowed, since nobody knows how many those are."""
        if size < 0:
            raise ValueError("a decompressed file is read in pieces")
        pieces: list[bytes] = []
        while size > 0 and (piece := self._piece(min(size, 2**20))):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        try:
            piece: bytes = self._inner.read(size)
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowInvalid) as error:
            raise refused(
                "file.compression_damaged",
                f"The {self._compression} data breaks off or is damaged, {self._produced} bytes into what it holds.",
                "Compress the file and send it again.",
            ) from error
        self._produced += len(piece)
        if self._produced > self._expansion * self._file.tell() + GRACE:
            raise refused(
                "file.expansion",
                f"The file becomes more than {self._expansion} times larger when it is decompressed.",
                "Send it without compression.",
            )
        return piece


def _decompressing(file: Any, compression: Compression) -> Any:
    if compression is Compression.XZ:
        return lzma.LZMAFile(file)
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), compression.value)
