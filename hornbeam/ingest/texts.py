"""Archives of text files: one directory a class.

Leaves archives to `archives`.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from hornbeam.ingest.archives import Archive, Member, open_archive
from hornbeam.ingest.kinds import field
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import FileRefused, quoted, refused
from schemas.problems import Finding
from schemas.stored_datasets import ColumnKind

_BATCH_BYTES = 8 * 2**20
_BATCH_FILES = 16_384
_MOST_FINDINGS = 20


class TextsReader:
    """Reads an archive of texts."""

    def __init__(self, task: Task, archive: Archive | None = None) -> None:
        self._task = task
        self._archive = archive

    def open(self) -> Reading:
        """Begin at the beginning."""
        task = self._task
        archive = self._archive or open_archive(task.arrival, task.compression, task.limits)
        if not archive.members:
            raise refused("file.no_rows", "The archive holds no files.")
        astray = [member.name for member in archive.members if not member.folder]
        if astray:
            raise refused(
                "texts.no_class",
                f"The text {quoted(astray[0])} lies in no directory: nothing tells its class.",
                "Put the texts of each class into a directory of its own.",
            )
        fields = [
            field("text", pa.string(), ColumnKind.TEXT),
            pa.field("label", pa.string()),
            field("path", pa.string(), ColumnKind.TEXT),
        ]
        options = task.options.model_copy(update={"format": task.format})
        return Reading(fields, self._batches(archive), options)

    def _batches(self, archive: Archive) -> Iterator[Any]:
        findings: list[Finding] = []
        members: list[Member] = []
        texts: list[str] = []
        size = 0
        for member, data in archive.contents({member.name for member in archive.members}):
            try:
                texts.append(text_of(data, member.name))
            except FileRefused as refusal:
                findings += refusal.findings
                if len(findings) >= _MOST_FINDINGS:
                    break
                continue
            members.append(member)
            size += len(data)
            if size >= _BATCH_BYTES or len(members) >= _BATCH_FILES:
                yield _batch(texts, members)
                texts, members, size = [], [], 0
        if findings:
            raise FileRefused(*findings)
        if members:
            yield _batch(texts, members)


def text_of(data: bytes, name: str) -> str:
    """A text; raises FileRefused for what is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(
            "text.not_utf8",
            f"The file {quoted(name)} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}.",
            "Save it as UTF-8.",
        ) from error
    if "\0" in text:
        raise refused("text.nul_byte", f"The file {quoted(name)} holds a NUL byte, which no text does.")
    return text


def _batch(texts: list[str], members: list[Member]) -> Any:
    columns = [texts, [member.folder for member in members], [member.name for member in members]]
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], names=["text", "label", "path"])
