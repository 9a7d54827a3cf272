"""What the API and the process that reads a file say to each other: JSON lines over its stdin and stdout.

The API writes an `IngestRequest`, then a line with the number of bytes that are there whenever more of the file has
arrived, and `END` when it is whole; if stdin ends before that, nobody wants the table any more. The process answers
with one `IngestAnswer`, and leaves the table in its `workdir`.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.problems import Finding
from schemas.stored_datasets import Column, DatasetFormat, ReadingOptions

END = "end"
TABLE = "table.arrow"
"""The table's file in `workdir`: Arrow IPC, uncompressed."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IngestLimits(_Message):
    """What a file may hold at most; whatever is more is told as a finding."""

    rows: int = 1_000_000_000
    columns: int = 10_000
    cell_bytes: int = 16 * 2**20
    """Of one value: a text, an encoded image."""
    members: int = 1_000_000
    """Files in an archive."""
    expansion: int = 100
    """How many times larger than itself a compressed file may become."""
    table_bytes: int = 64 * 2**30
    pixels: int = 64_000_000
    """Of one image."""
    memory_bytes: int = 2 * 2**30
    seconds: int = 3600
    """Of CPU time."""


class IngestRequest(_Message):
    """A file to read."""

    path: str
    """Local; the file may still grow."""
    name: str
    """The client's name for it: its ending tells the format."""
    media_type: str | None = None
    options: ReadingOptions = ReadingOptions()
    workdir: str
    limits: IngestLimits = IngestLimits()


class Profile(_Message):
    """What was found in a file."""

    format: DatasetFormat
    options: ReadingOptions
    """With what was guessed filled in, so that another reading gives the same table."""
    rows: int
    columns: list[Column]
    target: str | None = None
    preview: list[list[Any]] = Field(default_factory=list)
    """The first hundred rows as JSON; images and long arrays in words."""


class IngestAnswer(_Message):
    """How it went: a profile, or at least one finding that is an error."""

    profile: Profile | None = None
    findings: list[Finding] = Field(default_factory=list)
    table_bytes: int = 0
    table_sha256: str = ""
