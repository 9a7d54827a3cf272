"""What a file is: its first bytes tell the family, and the client, the name and the media type what of that family.

A file that is not what it is said to be is refused, rather than read as something that its sender did not mean. Leaves
reading it to the reader that is chosen here.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from hornbeam.ingest.archives import ARCHIVES, Archive, open_archive
from hornbeam.ingest.arrays import NpyReader, NpzReader
from hornbeam.ingest.compression import Compression, compression_of, open_plain
from hornbeam.ingest.csv_files import CsvReader
from hornbeam.ingest.images import ImagesReader
from hornbeam.ingest.incoming import Arrival
from hornbeam.ingest.json_lines import JsonLinesReader
from hornbeam.ingest.parquet import ParquetReader
from hornbeam.ingest.pictures import SUFFIXES as PICTURES
from hornbeam.ingest.protocol import IngestRequest
from hornbeam.ingest.reading import Reader, Task
from hornbeam.ingest.records import RecordsReader, begins_as_records
from hornbeam.ingest.refusals import FileRefused, quoted, refused
from hornbeam.ingest.texts import TextsReader
from schemas.stored_datasets import DatasetFormat as Format

_HEAD = 512
_TAR_MAGIC = slice(257, 262)
_BY_SUFFIX = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".npz": Format.NPZ,
    ".npy": Format.NPY,
    ".tfrecord": Format.TFRECORD,
    ".tfrecords": Format.TFRECORD,
}
_BY_MEDIA_TYPE = {
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.TSV,
    "application/jsonl": Format.JSONL,
    "application/x-ndjson": Format.JSONL,
    "application/jsonlines": Format.JSONL,
    "application/vnd.apache.parquet": Format.PARQUET,
}
_FAMILIES = {
    "text": (Format.CSV, Format.TSV, Format.JSONL),
    "Parquet": (Format.PARQUET,),
    "NPY": (Format.NPY,),
    "ZIP": (Format.NPZ, Format.IMAGES, Format.TEXTS),
    "TAR": (Format.IMAGES, Format.TEXTS),
    "TFRecord": (Format.TFRECORD,),
}
_COMPRESSED = (Format.CSV, Format.TSV, Format.JSONL, Format.TFRECORD, Format.IMAGES, Format.TEXTS)
_READERS: dict[Format, type[Reader]] = {
    Format.CSV: CsvReader,
    Format.TSV: CsvReader,
    Format.JSONL: JsonLinesReader,
    Format.PARQUET: ParquetReader,
    Format.NPY: NpyReader,
    Format.NPZ: NpzReader,
    Format.TFRECORD: RecordsReader,
}
_UNSUPPORTED = {
    b"\x89HDF": ("an HDF5 file", "Store the arrays with `numpy.savez`."),
    b"\xd0\xcf\x11\xe0": ("a file of an old Office program", "Save the sheet as CSV."),
    b"%PDF": ("a PDF", None),
    b"SQLite format 3": ("an SQLite database", "Write the table as CSV or Parquet."),
    b"Rar!": ("a RAR archive", "Pack the files as ZIP or TAR."),
    b"7z\xbc\xaf": ("a 7z archive", "Pack the files as ZIP or TAR."),
    b"ARROW1": ("an Arrow file", "Write the table as Parquet."),
    b"PARE": ("an encrypted Parquet file", "Write it without encryption."),
    b"\x89PNG": ("a single image", "Pack the images as ZIP or TAR."),
    b"\xff\xd8\xff": ("a single image", "Pack the images as ZIP or TAR."),
    b"GIF8": ("a single image", "Pack the images as ZIP or TAR."),
    b"<": ("HTML or XML", "Write the table as CSV."),
    b"[": ("a JSON array", "Write one object on each line: JSON Lines."),
} | {
    bytes([0x80, version]): ("a Python pickle, which is never loaded", "Use NPZ or Parquet.") for version in range(2, 6)
}


@dataclass(frozen=True, slots=True)
class _Looks:
    """What the first bytes tell."""

    family: str
    compression: Compression | None
    json: bool


def recognise(request: IngestRequest, arrival: Arrival) -> Reader:
    """The reader for a file; raises FileRefused where there is none, or the file is not what it is said to be."""
    told = _told(request)
    looks = _looks(request, arrival, told)
    possible = _FAMILIES[looks.family]
    if told and told not in possible:
        raise _mislabelled(told, looks)
    archive = None
    if not told:
        if looks.family in ("ZIP", "TAR"):
            archive = open_archive(arrival, looks.compression, request.limits)
            told = _of_archive(archive, may_be_npz=looks.family == "ZIP")
        else:
            told = Format.JSONL if looks.json else possible[0]
    if looks.compression and told not in _COMPRESSED:
        raise _mislabelled(told, looks)
    task = Task(arrival, told, looks.compression, request.options, request.limits)
    if told is Format.IMAGES:
        return ImagesReader(task, archive)
    return TextsReader(task, archive) if told is Format.TEXTS else _READERS[told](task)


def _told(request: IngestRequest) -> Format | None:
    """The format by the client, the name, the media type, whichever says something first."""
    if request.options.format:
        return request.options.format
    for suffix in reversed(PurePosixPath(request.name.lower()).suffixes):
        if suffix in _BY_SUFFIX:
            return _BY_SUFFIX[suffix]
        if suffix not in ARCHIVES:
            break
    media_type = (request.media_type or "").partition(";")[0].strip().lower()
    return _BY_MEDIA_TYPE.get(media_type)


def _looks(request: IngestRequest, arrival: Arrival, told: Format | None) -> _Looks:
    head = arrival.open().read(_HEAD)
    if not head:
        raise refused("file.empty", "The file is empty.")
    compression = compression_of(head)
    if compression:
        head = open_plain(arrival, compression, request.limits.expansion).read(_HEAD)
    return _Looks(_family(head, told), compression, head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"))


def _family(head: bytes, told: Format | None) -> str:
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(b"\x93NUMPY"):
        return "NPY"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "ZIP"
    if head[_TAR_MAGIC] == b"ustar":
        return "TAR"
    if begins_as_records(head):
        return "TFRecord"
    if told in (Format.CSV, Format.TSV) and head[:1] in (b"<", b"["):
        return "text"  # a name of a column may begin so
    for magic, (what, suggestion) in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise refused("file.unsupported", f"The file is {what}, which is not read.", suggestion)
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")) and told not in _FAMILIES["text"]:
        raise _unknown(told)
    return "text"


def _unknown(told: Format | None) -> FileRefused:
    formats = "CSV, TSV, JSON Lines, Parquet, NPZ, NPY, ZIP or TAR of images or texts, TFRecord"
    if told:
        return refused("file.mislabelled", f"The file is said to be {told}, but does not begin like one.")
    return refused("file.unknown", "The file is in no format that is known.", f"Send one of: {formats}.")


def _mislabelled(told: Format, looks: _Looks) -> FileRefused:
    what = f"{looks.family} compressed as {looks.compression}" if looks.compression else looks.family
    return refused(
        "file.mislabelled",
        f"The file is said to be {told}, but begins like {what}.",
        "Correct its name, or the `format` in its options; decompress a format that is compressed in itself.",
        pointer="/options/format",
    )


def _of_archive(archive: Archive, *, may_be_npz: bool) -> Format:
    """The format of an archive by what is in it."""
    if not archive.members:
        raise refused("file.no_rows", "The archive holds no files.")
    suffixes = Counter(member.suffix for member in archive.members)
    if may_be_npz and suffixes[".npy"] == suffixes.total():
        return Format.NPZ
    if any(suffix in PICTURES for suffix in suffixes):
        return Format.IMAGES
    if "[Content_Types].xml" in {member.name for member in archive.members}:
        raise refused(
            "file.unsupported", "The file is an Office document, which is not read.", "Save the sheet as CSV."
        )
    tables = [member.name for member in archive.members if member.suffix in _BY_SUFFIX]
    if tables:
        raise refused(
            "archive.of_tables",
            f"The archive holds {quoted(tables[0])}, and no images or texts.",
            "Send the file itself; CSV and JSON Lines may be compressed with gzip.",
        )
    return Format.TEXTS
