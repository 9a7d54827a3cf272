"""Archives of images: one directory a class, or a CSV of labels beside them.

Leaves archives to `archives`, looking at an image to `pictures`, and the CSV to `csv_files`.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from hornbeam.ingest.archives import Archive, Member, open_archive
from hornbeam.ingest.kinds import field
from hornbeam.ingest.labels import Labels, labels_in
from hornbeam.ingest.pictures import SUFFIXES, PictureCheck
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import FileRefused, quoted, refused, warning
from schemas.problems import Finding
from schemas.stored_datasets import ColumnKind

BATCH_BYTES = 8 * 2**20
BATCH_FILES = 4096
MOST_FINDINGS = 20
"""So many damaged members are told at once."""
LABEL_FILES = frozenset({".csv", ".tsv"})


class ImagesReader:
    """Reads an archive of images."""

    def __init__(self, task: Task, archive: Archive | None = None) -> None:
        self._task = task
        self._archive = archive

    def open(self) -> Reading:
        """Begin at the beginning."""
        task = self._task
        archive = self._archive or open_archive(task.arrival, task.compression, task.limits)
        images = [member for member in archive.members if member.suffix in SUFFIXES]
        label_files = [member for member in archive.members if member.suffix in LABEL_FILES]
        others = [member for member in archive.members if member.suffix not in SUFFIXES | LABEL_FILES]
        if not images:
            raise refused("images.none", "The archive holds no images.", "Use JPEG, PNG, BMP, GIF or WebP.")
        if len(label_files) > 1:
            names = " and ".join(quoted(member.name) for member in label_files[:2])
            raise refused("images.label_files", f"The archive holds more than one table of labels: {names}.")
        self._check = PictureCheck(self._task.limits.pixels)
        findings = _passed_over(others)
        if label_files:
            labels = labels_in(archive, label_files[0], images, self._task)
            columns = list(labels.table.schema)
            findings += labels.findings
            batches = self._labelled(archive, labels)
        else:
            columns = [pa.field("label", pa.string())] if any(member.folder for member in images) else []
            findings += _unlabelled(images)
            batches = self._by_folder(archive, images)
        fields = [pa.field("image", pa.binary()), *columns, field("path", pa.string(), ColumnKind.TEXT)]
        options = self._task.options.model_copy(update={"format": self._task.format})
        return Reading(fields, batches, options, pictures={"image": self._check}, findings=findings)

    def _by_folder(self, archive: Archive, images: list[Member]) -> Iterator[Any]:
        labelled = any(member.folder for member in images)
        for members, contents in self._looked_at(archive, {member.name for member in images}):
            labels = [pa.array([member.folder for member in members], pa.string())] if labelled else []
            yield _batch([pa.array(contents, pa.binary()), *labels, _paths(members)])

    def _labelled(self, archive: Archive, labels: Labels) -> Iterator[Any]:
        for members, contents in self._looked_at(archive, labels.rows):
            rows = labels.table.take([labels.rows[member.name] for member in members]).combine_chunks()
            told = [column.chunk(0) if column.num_chunks else pa.nulls(0, column.type) for column in rows.columns]
            yield _batch([pa.array(contents, pa.binary()), *told, _paths(members)])

    def _looked_at(self, archive: Archive, wanted: Any) -> Iterator[tuple[list[Member], list[bytes]]]:
        """Images that were found good, some at a time; damaged ones are told together, at the end."""
        members: list[Member] = []
        contents: list[bytes] = []
        findings: list[Finding] = []
        size = 0
        for member, data in archive.contents(wanted):
            try:
                self._check.look(data, f"The image {quoted(member.name)}")
            except FileRefused as refusal:
                findings += refusal.findings
                if len(findings) >= MOST_FINDINGS:
                    break
                continue
            members.append(member)
            contents.append(data)
            size += len(data)
            if size >= BATCH_BYTES or len(members) >= BATCH_FILES:
                yield members, contents
                members, contents, size = [], [], 0
        if findings:
            raise FileRefused(*findings)
        if members:
            yield members, contents


def _batch(columns: list[Any]) -> Any:
    return pa.record_batch(columns, names=[str(number) for number in range(len(columns))])


def _paths(members: list[Member]) -> Any:
    return pa.array([member.name for member in members], pa.string())


def _passed_over(others: list[Member]) -> list[Finding]:
    if not others:
        return []
    names = ", ".join(quoted(member.name) for member in others[:3])
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    message = f"The archive holds files that are no images, and were left out: {names}{more}."
    return [warning("archive.passed_over", message)]


def _unlabelled(images: list[Member]) -> list[Finding]:
    if any(member.folder for member in images):
        astray = [member.name for member in images if not member.folder]
        if not astray:
            return []
        raise refused(
            "images.no_class",
            f"The image {quoted(astray[0])} lies in no directory; the others lie in directories named for their class.",
            "Put it into the directory of its class.",
        )
    return [
        warning(
            "images.no_labels",
            "The images have no labels: they lie in no directories, and there is no CSV beside them.",
            "Put the images of each class into a directory of its own.",
        )
    ]
