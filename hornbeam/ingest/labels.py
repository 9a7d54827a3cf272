"""The table of labels beside images in an archive: whose row is which image's.

Leaves reading the table to `csv_files`, and the images to `images`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from hornbeam.ingest.archives import Archive, Member
from hornbeam.ingest.csv_files import CsvReader
from hornbeam.ingest.reading import Task
from hornbeam.ingest.refusals import ReadAgain, listed, quoted, refused, warning
from schemas.problems import Finding
from schemas.stored_datasets import ColumnKind, DatasetFormat

NAMES = ("file", "path", "filename", "file_name", "image")
"""Of the column that names the images; else it is the first."""
TAKEN = frozenset({"image", "path"})
"""Names of our own columns."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a table says about images."""

    table: Any
    """Without the column that names them."""
    rows: dict[str, int]
    """By the name of the image."""
    findings: list[Finding]


class _InMemory:
    """What `Arrival` is for a file that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self) -> io.BytesIO:
        return io.BytesIO(self._data)


def labels_in(archive: Archive, member: Member, images: Sequence[Member], task: Task) -> Labels:
    """Read the table of labels.

    Args:
        archive: Which holds it.
        member: Itself.
        images: That are in the archive.
        task: How it is to be read.

    Raises:
        FileRefused: If it cannot be read, or names images that are not there.
    """
    [(_, data)] = archive.contents({member.name})
    table, key = _read(data, member, task)
    where = quoted(member.name)
    found = _Finder(images, member.path.parent)
    rows: dict[str, int] = {}
    for number, value in enumerate(table.column(key).to_pylist()):
        image = found.called(value)
        if image is None:
            raise refused(
                "labels.no_image",
                f"Row {number + 1} of {where}, column {quoted(key)}: the archive holds no image {quoted(str(value))}.",
                "Name the images by their path in the archive.",
            )
        if image in rows:
            raise refused(
                "labels.twice",
                f"Rows {rows[image] + 1} and {number + 1} of {where} are about the same image, {quoted(image)}.",
            )
        rows[image] = number
    unlisted = [image.name for image in images if image.name not in rows]
    findings = []
    if unlisted:
        message = f"{len(unlisted)} images are not in {where}, and were left out: {listed(unlisted, 3)}."
        findings.append(warning("labels.unlisted", message))
    rest = table.drop_columns([key])
    clash = TAKEN & set(rest.column_names)
    if clash:
        raise refused("labels.column_name", f"A column of {where} is called {quoted(min(clash))}, as one of ours is.")
    return Labels(rest, rows, findings)


def _read(data: bytes, member: Member, task: Task) -> tuple[Any, str]:
    """The table, and the name of the column that names the images, which is read as text."""
    format_ = DatasetFormat.TSV if member.suffix == ".tsv" else DatasetFormat.CSV
    source: Any = _InMemory(data)
    names = [field.name for field in CsvReader(Task(source, format_, None, task.options, task.limits)).open().fields]
    key = next((name for known in NAMES for name in names if name.lower() == known), names[0])
    kinds = {**task.options.kinds, key: ColumnKind.TEXT}
    options = task.options.model_copy(update={"kinds": kinds})
    reader = CsvReader(Task(source, format_, None, options, task.limits))
    while True:
        try:
            reading = reader.open()
            batches = list(reading.batches)
        except ReadAgain:
            continue
        schema = pa.schema(reading.fields)
        return pa.Table.from_batches([pa.record_batch(batch.columns, schema=schema) for batch in batches], schema), key


class _Finder:
    """Finds images by what a table calls them: the path in the archive or beside the table, or the name alone."""

    def __init__(self, images: Sequence[Member], folder: PurePosixPath) -> None:
        self._folder = folder
        self._paths = {image.name for image in images}
        self._names: dict[str, str | None] = {}
        for image in images:
            for name in {image.path.name, image.path.stem}:
                self._names[name] = None if name in self._names else image.name

    def called(self, name: str | None) -> str | None:
        if not name:
            return None
        for path in (str(PurePosixPath(name)), str(self._folder / name)):
            if path in self._paths:
                return path
        return self._names.get(PurePosixPath(name).name)
