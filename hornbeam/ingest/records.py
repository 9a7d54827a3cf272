"""TFRecord files of examples, read by the features that the client declares.

Leaves the wire format of an example to `examples`.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa

from hornbeam.ingest.compression import Readable, open_plain
from hornbeam.ingest.examples import Feature, NotAnExample, features_of
from hornbeam.ingest.kinds import field
from hornbeam.ingest.reading import Reading, Task
from hornbeam.ingest.refusals import FileRefused, listed, quoted, refused, warning
from schemas.problems import Finding
from schemas.stored_datasets import ColumnKind, RecordFeature

_HEADER = 12
_BATCH_ROWS = 16_384
_BATCH_BYTES = 8 * 2**20
_NUMBERS: dict[str, tuple[np.dtype[Any], Any]] = {
    "float32": (np.dtype("f4"), pa.float32()),
    "int64": (np.dtype("i8"), pa.int64()),
}
_WORDS = {"float32": "floats", "int64": "integers", "string": "bytes", "image": "bytes"}


def masked_crc(data: bytes) -> int:
    """The checksum that a TFRecord file has of the length and of the data: CRC-32C, turned and shifted."""
    crc = google_crc32c.value(data)
    return int(((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def begins_as_records(head: bytes) -> bool:
    """Whether a file with these first bytes is a TFRecord file: the checksum of its first length is right."""
    return len(head) >= _HEADER and masked_crc(head[:8]) == struct.unpack("<I", head[8:12])[0]


class RecordsReader:
    """Reads the examples of a TFRecord file while it arrives."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self) -> Reading:
        """Begin at the beginning."""
        task = self._task
        features = task.options.record_features
        records = self._records(open_plain(task.arrival, task.compression, task.limits.expansion))
        first = next(records, None)
        if first is None:
            raise refused("file.no_rows", "The file holds no records.")
        there = _example(first, 1)
        if not features:
            raise refused(
                "records.no_features",
                f"`record_features` has to tell what the examples hold. The first one has {_told(there)}.",
                "Declare each feature's dtype and shape.",
                pointer="/options/record_features",
            )
        _check_rows(features, task.limits.cell_bytes)
        options = task.options.model_copy(update={"format": task.format})
        fields = [_field(name, feature) for name, feature in features.items()]
        return Reading(fields, self._batches(there, records), options, findings=_left_out(features, there))

    def _records(self, stream: Readable) -> Iterator[bytes]:
        """The data of each record. Raises FileRefused for one that is damaged."""
        number = 1
        offset = 0
        most = 4 * self._task.limits.cell_bytes
        while header := stream.read(_HEADER):
            where = f"Record {number}, at byte {offset},"
            if len(header) < _HEADER:
                raise _cut_off(where)
            if masked_crc(header[:8]) != struct.unpack("<I", header[8:])[0]:
                raise _wrong_checksum(where)
            (size,) = struct.unpack("<Q", header[:8])
            if size > most:
                raise refused("records.too_large", f"{where} has {size} bytes; {most} are allowed.")
            data = stream.read(size + 4)
            if len(data) < size + 4:
                raise _cut_off(where)
            if masked_crc(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
                raise _wrong_checksum(where)
            yield data[:-4]
            number += 1
            offset += _HEADER + size + 4

    def _batches(self, first: dict[str, Feature], records: Iterator[bytes]) -> Iterator[Any]:
        features = self._task.options.record_features
        columns: dict[str, list[Any]] = {name: [] for name in features}
        rows = size = 0
        example: dict[str, Feature] | None = first
        number = 1
        while example is not None:
            for name, feature in features.items():
                columns[name].append(_value(example.get(name), feature, f"Record {number}, feature {quoted(name)}"))
            rows += 1
            if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
                yield _batch(columns, features)
                columns, rows, size = {name: [] for name in features}, 0, 0
            number += 1
            data = next(records, None)
            size += len(data or b"")
            example = None if data is None else _example(data, number)
        if rows:
            yield _batch(columns, features)


def _example(data: bytes, number: int) -> dict[str, Feature]:
    try:
        return features_of(data)
    except NotAnExample as error:
        raise refused("records.not_example", f"Record {number} is not a tf.train.Example: {error}.") from error


def _value(found: Feature | None, feature: RecordFeature, where: str) -> Any:
    """What a row has of a feature: None, bytes, text, a number or an array of numbers."""
    if found is None or len(found) == 0:
        return None
    numbers = _NUMBERS.get(feature.dtype)
    if _word(found) != _WORDS[feature.dtype]:
        raise refused(
            "records.feature_type",
            f"{where} holds {_word(found)}, not {_WORDS[feature.dtype]}.",
            "Correct its dtype in `record_features`.",
        )
    wanted = math.prod(feature.shape)
    if len(found) != wanted:
        raise refused(
            "records.feature_shape",
            f"{where} has {len(found)} values; its shape, {feature.shape}, has {wanted}.",
            "Correct its shape in `record_features`.",
        )
    if numbers:
        return found if feature.shape else found[0]
    return found[0] if feature.dtype == "image" else _decoded(found[0], where)


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refused(
            "records.not_utf8",
            f"{where}: byte {error.start} of the text is not UTF-8.",
            "Where it is an image, say so with `dtype: image`.",
        ) from error


def _batch(columns: Mapping[str, list[Any]], features: Mapping[str, RecordFeature]) -> Any:
    return pa.record_batch([_array(columns[name], features[name]) for name in features], names=list(features))


def _array(values: list[Any], feature: RecordFeature) -> Any:
    if not feature.shape or feature.dtype not in _NUMBERS:
        return pa.array(values, _type(feature))
    present = [value for value in values if value is not None]
    dtype, number = _NUMBERS[feature.dtype]
    flat = pa.array(np.concatenate(present).astype(dtype, copy=False) if present else np.empty(0, dtype), number)
    arrays = pa.FixedSizeListArray.from_arrays(flat, math.prod(feature.shape))
    if len(present) == len(values):
        return arrays
    places = iter(range(len(present)))
    return arrays.take(pa.array([None if value is None else next(places) for value in values], pa.int64()))


def _type(feature: RecordFeature) -> Any:
    if feature.dtype == "image":
        return pa.binary()
    if feature.dtype == "string":
        return pa.string()
    number = _NUMBERS[feature.dtype][1]
    return pa.list_(number, math.prod(feature.shape)) if feature.shape else number


def _field(name: str, feature: RecordFeature) -> Any:
    if feature.shape and feature.dtype in _NUMBERS:
        return field(name, _type(feature), ColumnKind.ARRAY, feature.shape)
    return pa.field(name, _type(feature))


def _check_rows(features: Mapping[str, RecordFeature], most: int) -> None:
    for name, feature in features.items():
        pointer = f"/options/record_features/{name.replace('~', '~0').replace('/', '~1')}/shape"
        if math.prod(feature.shape) * 8 > most:
            raise refused("cell.too_large", f"The shape of feature {quoted(name)} is too large.", pointer=pointer)
        if feature.shape and feature.dtype not in _NUMBERS:
            raise refused(
                "records.shape_of_text",
                f"Feature {quoted(name)} is {feature.dtype}: only numbers have a shape.",
                "Leave its shape out.",
                pointer=pointer,
            )


def _left_out(features: Mapping[str, RecordFeature], there: Mapping[str, Feature]) -> list[Finding]:
    others = sorted(set(there) - set(features))
    if not others:
        return []
    return [warning("records.left_out", f"The examples hold features that are not declared: {listed(others)}.")]


def _told(there: Mapping[str, Feature]) -> str:
    told = [f"{quoted(name)} ({len(value)} {_word(value)})" for name, value in sorted(there.items())]
    return ", ".join(told[:20]) or "no features"


def _word(found: Feature) -> str:
    if isinstance(found, list):
        return "bytes" if found else "nothing"
    return "floats" if found.dtype.kind == "f" else "integers"


def _cut_off(where: str) -> FileRefused:
    return refused("records.cut_off", f"{where} is cut off.", "Send the file again.")


def _wrong_checksum(where: str) -> FileRefused:
    return refused(
        "records.checksum", f"{where} does not fit its checksum.", "The file is damaged, or is not a TFRecord file."
    )
