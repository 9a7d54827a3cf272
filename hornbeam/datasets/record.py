"""Datasets and uploads as values: what the store hands out and takes in. Frozen, without behaviour.

Leaves the wire form to `schemas.stored_datasets` (the service translates), and the files to the artifact store: here
is only under which keys they are.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.problems import Finding
from schemas.stored_datasets import Column, DatasetFormat
from schemas.strict import JsonObject

FILES = "datasets/files"
TABLES = "datasets/tables"
UPLOADS = "datasets/uploads"
"""Below which keys the artifact store has files as they were sent, their tables, and parts of uploads."""


def file_key(sha256: str) -> str:
    """Where the file with these bytes is, whoever sent it under whatever name."""
    return f"{FILES}/{sha256}"


def table_key(table_sha256: str) -> str:
    """Where the table with these bytes is."""
    return f"{TABLES}/{table_sha256}.arrow"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read out of a file; another reading of it replaces all of this."""

    format: DatasetFormat
    asked: JsonObject
    """The options as the client gave them."""
    options: JsonObject
    """The same, with what was found out filled in: they give the same table again."""
    rows: int
    columns: tuple[Column, ...]
    target: str | None
    findings: tuple[Finding, ...]
    preview: tuple[list[Any], ...]
    """The first rows."""
    table_sha256: str
    table_bytes: int


@dataclass(frozen=True, slots=True)
class NewDataset:
    """A dataset that is about to be recorded; both its files are in the artifact store."""

    id: str
    name: str
    created_at: datetime
    size_bytes: int
    sha256: str
    """Of the file as it was sent."""
    reading: Reading
    media_type: str | None = None
    """What the client said that the file is."""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset as the database knows it. The first rows are read by themselves: see `DatasetStore.preview`."""

    id: str
    name: str
    version: int
    """Grows with each write to the dataset."""
    created_at: datetime
    size_bytes: int
    sha256: str
    media_type: str | None
    metadata: dict[str, str]
    format: DatasetFormat
    asked: JsonObject
    options: JsonObject
    rows: int
    columns: tuple[Column, ...]
    target: str | None
    findings: tuple[Finding, ...]
    table_sha256: str
    table_bytes: int

    @property
    def file_key(self) -> str:
        """Where the artifact store has the file as it was sent."""
        return file_key(self.sha256)

    @property
    def table_key(self) -> str:
        """Where the artifact store has the Arrow table."""
        return table_key(self.table_sha256)


@dataclass(frozen=True, slots=True)
class DatasetChanges:
    """What is to change of a dataset; None stays as it is."""

    name: str | None = None
    metadata: dict[str, str] | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class NewUpload:
    """An upload in parts that is about to begin."""

    id: str
    name: str
    created_at: datetime
    options: JsonObject = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    """Of the whole file, where the client has said it."""
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload in parts as the database knows it."""

    id: str
    name: str
    created_at: datetime
    options: JsonObject
    metadata: dict[str, str]
    size_bytes: int | None
    sha256: str | None
    touched_at: datetime
    """When its last part came."""
    completion: int
    """Grows each time that somebody begins to complete it, and is the token of whoever did."""
    completing_at: datetime | None
    """When who completes it was last heard of; None: nobody does."""
    dataset_id: str | None
    """What has become of it."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part of an upload that has arrived whole."""

    upload_id: str
    number: int
    size_bytes: int
    sha256: str
    key: str
    """Where the artifact store has it: another key each time, so that a part that is sent again replaces whole."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The right to complete an upload. `number` is the token."""

    upload_id: str
    number: int
