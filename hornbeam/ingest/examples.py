"""`tf.train.Example` as protocol buffers write it, read without TensorFlow: the few messages that it consists of.

Leaves the records that hold examples, and what their features mean, to `records`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

Feature = list[bytes] | Any
"""A list of bytes, or an array of float32 or int64."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


class NotAnExample(Exception):
    """The bytes are no Example."""


def features_of(data: bytes) -> dict[str, Feature]:
    """The features of a serialised Example, by name; one without values is an empty list. Raises NotAnExample."""
    found: dict[str, Feature] = {}
    view = memoryview(data)
    for features in _submessages(view, 1):
        for entry in _submessages(features, 1):
            name, feature = "", memoryview(b"")
            for number, wire, value in _fields(entry):
                if number == 1 and wire == _LENGTH:
                    name = _text(value)
                elif number == 2 and wire == _LENGTH:
                    feature = value
            found[name] = _feature(feature)
    return found


def _text(value: Any) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as error:
        raise NotAnExample("a name is not UTF-8") from error


def _feature(data: memoryview) -> Feature:
    found: Feature = []
    for number, wire, value in _fields(data):
        if wire != _LENGTH:
            continue
        if number == _BYTES_LIST:
            found = [bytes(item) for item in _submessages(value, 1)]
        elif number == _FLOAT_LIST:
            found = _floats(value)
        elif number == _INT64_LIST:
            found = _integers(value)
    return found


def _floats(data: memoryview) -> Any:
    pieces = [bytes(value) for number, wire, value in _fields(data) if number == 1 and wire in (_LENGTH, _FIXED32)]
    joined = b"".join(pieces)
    if len(joined) % 4:
        raise NotAnExample("floats are cut off")
    return np.frombuffer(joined, "<f4")


def _integers(data: memoryview) -> Any:
    pieces = []
    for number, wire, value in _fields(data):
        if number == 1 and wire == _LENGTH:
            pieces.append(packed_integers(value))
        elif number == 1 and wire == _VARINT:
            pieces.append(np.array([value], np.uint64).view(np.int64))
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def packed_integers(data: Any) -> Any:
    """Varints that stand one after the other, as int64. Raises NotAnExample."""
    raw = np.frombuffer(data, np.uint8)
    if not len(raw):
        return np.empty(0, np.int64)
    ends = np.flatnonzero(raw < 0x80)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise NotAnExample("integers are cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise NotAnExample("an integer is too long")
    places = np.arange(len(raw)) - np.repeat(starts, lengths)
    parts = (raw & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    return np.add.reduceat(parts, starts).view(np.int64)


def _submessages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, wire, value in _fields(data):
        if number == wanted and wire == _LENGTH:
            yield value


def _fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and value of each field of a message."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
            yield number, wire, value
            continue
        if wire == _LENGTH:
            size, place = _varint(data, place)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise NotAnExample(f"wire type {wire}")
        if size > len(data) - place:
            raise NotAnExample("a field is cut off")
        yield number, wire, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number, and the place behind it."""
    value = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise NotAnExample("a number is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), place
        shift += 7
