"""Reads a file from its recognition to the answer.

Leaves speaking to the API, and the limits of the process, to `__main__`.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from hornbeam.ingest.duplicates import duplicate_rows
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.kinds import Conversion, kind_pointer
from hornbeam.ingest.noticing import noticed, proposed_target
from hornbeam.ingest.preview import preview
from hornbeam.ingest.protocol import TABLE, IngestAnswer, IngestRequest, Profile
from hornbeam.ingest.reading import Reader, Reading
from hornbeam.ingest.recognising import recognise
from hornbeam.ingest.refusals import FileRefused, ReadAgain, listed, quoted, refused
from hornbeam.ingest.tables import Written, write_table
from schemas.stored_datasets import Column

BEGINNINGS = 10
"""More than any reader asks for."""


def answer(request: IngestRequest, arrival: Arrival) -> IngestAnswer:
    """Read a file into `workdir`; raises Abandoned where its arrival is abandoned, and OSError where the disk fails."""
    try:
        return _read(request, recognise(request, arrival))
    except FileRefused as refusal:
        return IngestAnswer(findings=list(refusal.findings))
    except MemoryError:
        message = f"Reading the file takes more than the {request.limits.memory_bytes} bytes of memory allowed for it."
        return IngestAnswer(findings=list(refused("file.memory", message).findings))


def _read(request: IngestRequest, reader: Reader) -> IngestAnswer:
    table = Path(request.workdir) / TABLE
    for _ in range(BEGINNINGS):
        try:
            reading = reader.open()
            conversions = conversions_of(request, reading)
            written = write_table(table, conversions, reading.batches, request.limits)
        except ReadAgain:
            continue
        return _told(reading, conversions, written, table)
    raise refused("file.unsteady", "The file cannot be read: it begins differently each time.")


def conversions_of(request: IngestRequest, reading: Reading) -> list[Conversion]:
    """How each column gets into the table; raises FileRefused for kinds of columns that do not exist."""
    names = [field.name for field in reading.fields]
    if len(names) > request.limits.columns:
        raise refused(
            "file.too_many_columns", f"The file has {len(names)} columns; {request.limits.columns} are allowed."
        )
    _check_kinds(list(request.options.kinds), names)
    return [
        Conversion(
            field,
            request.options.kinds.get(field.name),
            pixels=request.limits.pixels,
            checked=reading.pictures.get(field.name),
        )
        for field in reading.fields
    ]


def _check_kinds(told: Sequence[str], names: Sequence[str]) -> None:
    for name in told:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            meant = f"Did you mean {quoted(close[0])}?" if close else f"There are {listed(names)}."
            raise refused(
                "kind.unknown_column", f"There is no column {quoted(name)}.", meant, pointer=kind_pointer(name)
            )


def _told(reading: Reading, conversions: Sequence[Conversion], written: Written, table: Path) -> IngestAnswer:
    columns = [
        column if column.kind != "image" else column.model_copy(update={"shape": conversion.shape})
        for column, conversion in zip(written.profile.described(), conversions, strict=True)
    ]
    target = proposed_target(columns)
    profile = Profile(
        format=reading.options.format,
        options=reading.options.model_copy(update={"kinds": _kinds(columns)}),
        rows=written.profile.rows,
        columns=columns,
        target=target,
        preview=preview(table),
    )
    findings = [*reading.findings, *noticed(written.profile, columns, target, duplicate_rows(table))]
    return IngestAnswer(profile=profile, findings=findings, table_bytes=written.size, table_sha256=written.sha256)


def _kinds(columns: Sequence[Column]) -> dict[str, object]:
    return {column.name: column.kind for column in columns}
