"""What a reader is given, and what it hands over: columns, batches of rows, and how it read them.

Leaves each format to its reader, and what becomes of the batches to `answering`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from hornbeam.ingest.compression import Compression
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.pictures import PictureCheck
from hornbeam.ingest.protocol import IngestLimits
from schemas.problems import Finding
from schemas.stored_datasets import DatasetFormat, ReadingOptions


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read, recognised."""

    arrival: Arrival
    format: DatasetFormat
    compression: Compression | None
    options: ReadingOptions
    limits: IngestLimits


@dataclass(slots=True)
class Reading:
    """A file that is being read."""

    fields: list[Any]
    """An Arrow field for each column, as the reader has it."""
    batches: Iterator[Any]
    """Record batches of those columns; they may raise FileRefused, or ReadAgain."""
    options: ReadingOptions
    """With what was found out filled in."""
    pictures: dict[str, PictureCheck] = field(default_factory=dict)
    """For columns of images that the reader checks itself, what it has found."""
    findings: list[Finding] = field(default_factory=list)
    """What deserves a look; a reader may add to them until the last batch."""


class Reader(Protocol):
    """Reads one file. After ReadAgain it is opened once more; how often it raises that is bounded."""

    def __init__(self, task: Task) -> None: ...

    def open(self) -> Reading:
        """Begin at the beginning. Raises FileRefused."""
        ...
