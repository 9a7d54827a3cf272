"""JSON from strangers: size, encoding and nesting are bounded before it is parsed, and it must mean one thing only.

Duplicate keys, NaN, numbers out of range and text that no database takes are refused, each with a pointer. Leaves
what the document should contain to `hornbeam.specs.shape`.
"""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from hornbeam.errors import InvalidSpec
from hornbeam.specs.findings import MOST_FINDINGS, pointer
from hornbeam.specs.wording import quoted
from schemas.problems import Finding

_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""Whole strings, whose brackets don't count. It matches at every quote: no backtracking."""
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_DEEPEST = 100
"""However the installation is set up: the parser and those who walk its result recurse."""
_KERAS_JSON_DEEPEST = 40
"""Of model.keras_json, which Keras nests deeper than a spec is."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Lone surrogates are no characters, and PostgreSQL stores no NUL."""
_LONGEST_INTEGER = 20
_INT64 = range(-(2**63), 2**63)


class Limits(Protocol):
    """What a body may be at most; `hornbeam.settings.Settings` has it."""

    @property
    def max_body_bytes(self) -> int:
        """The largest body."""

    @property
    def max_nesting(self) -> int:
        """How deep objects and lists may nest."""


class _Ambiguous(dict[str, Any]):
    """An object that has a key twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]


class _Reader:
    """Python's parser, with an eye on keys and numbers that should not be there."""

    def __init__(self) -> None:
        self.is_clean = True
        """Whether every object has each key once and every number is finite and fits into 64 bits."""

    def read(self, text: str) -> Any:
        """The value. Raises json.JSONDecodeError."""
        return json.loads(
            text,
            object_pairs_hook=self._object,
            parse_int=self._integer,
            parse_float=self._number,
            parse_constant=self._number,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        self.is_clean = False
        return _Ambiguous(pairs)

    def _integer(self, digits: str) -> int:
        # Numbers with thousands of digits take Python long to read, and are out of range anyway.
        number = int(digits) if len(digits) <= _LONGEST_INTEGER else _INT64.stop
        self.is_clean = self.is_clean and number in _INT64
        return number

    def _number(self, text: str) -> float:
        number = float(text)
        self.is_clean = self.is_clean and math.isfinite(number)
        return number


def parse_json(body: bytes, limits: Limits) -> tuple[dict[str, Any], list[Finding]]:
    """The object in `body`, with findings about values in it that JSON should not hold.

    Raises InvalidSpec where there is no object to speak of.
    """
    if len(body) > limits.max_body_bytes:
        raise _refusal("body.too_large", f"The body is larger than {limits.max_body_bytes} bytes.")
    depth = _depth(body)
    deepest = max(limits.max_nesting, _KERAS_JSON_DEEPEST) if b'"keras_json"' in body else limits.max_nesting
    if depth > min(deepest, _DEEPEST):
        raise _too_deep(limits)
    reader = _Reader()
    document = _decoded(body, reader)
    if not isinstance(document, dict):
        raise _refusal("json.not_an_object", "The body must be a JSON object: {…}.")
    if depth > limits.max_nesting and _depth_beside_keras_json(document) > limits.max_nesting:
        raise _too_deep(limits)
    if reader.is_clean and b"\\u" not in body:
        return document, []  # most bodies: looking for blemishes takes longer than reading
    return document, list(itertools.islice(_blemishes(document, ()), MOST_FINDINGS + 1))


def _too_deep(limits: Limits) -> InvalidSpec:
    return _refusal("json.too_deep", f"Objects and lists nest deeper than {limits.max_nesting} levels.")


def _refusal(code: str, message: str, suggestion: str | None = None) -> InvalidSpec:
    return InvalidSpec([Finding(pointer="", code=code, message=message, suggestion=suggestion)])


def _depth(body: bytes) -> int:
    """How deep brackets nest, without parsing: 100,000 of them must not exhaust a stack."""
    deepest = depth = 0
    for bracket in _STRINGS.sub(b"", body).translate(None, delete=_NO_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _depth_beside_keras_json(document: dict[str, Any]) -> int:
    """How deep all nests but what Keras itself wrote, which takes twice the levels of a spec."""
    model = document.get("model")
    if isinstance(model, dict):
        document = {**document, "model": {**model, "keras_json": None}}
    return _depth_of(document)


def _depth_of(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(_depth_of, items), default=0)


def _decoded(body: bytes, reader: _Reader) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal("json.not_utf8", f"The body is not UTF-8: byte {error.start} does not fit.") from error
    if not text.strip():
        raise _refusal("json.malformed", "The body is empty.", "Send a job spec as a JSON object.")
    try:
        return reader.read(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _refusal("json.malformed", f"The body is not JSON: {error.msg} ({where}).", _hint(text)) from error


def _hint(text: str) -> str | None:
    if text.startswith("\ufeff"):
        return "Leave out the byte order mark at the beginning."
    if text.lstrip()[0] not in "{[" and ":" in text:
        return "YAML is not accepted here: `hornbeam submit FILE` converts it."
    return None


def _blemishes(value: Any, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """Everything below `value` that a document should not hold."""
    if isinstance(value, dict):
        if isinstance(value, _Ambiguous):
            yield from _repeated_keys(value, path)
        for key, item in value.items():
            yield from _bad_text(key, path)
            yield from _blemishes(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _blemishes(item, (*path, index))
    elif isinstance(value, str):
        yield from _bad_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        message = "NaN, Infinity and numbers beyond 1.8e308 are not JSON."
        yield Finding(pointer=pointer(*path), code="json.not_finite", message=message)
    elif isinstance(value, int) and value not in _INT64:
        message = "An integer must fit into 64 bits."
        yield Finding(pointer=pointer(*path), code="json.number_too_large", message=message)


def _repeated_keys(value: _Ambiguous, path: tuple[str | int, ...]) -> Iterator[Finding]:
    for key in value.repeated:
        message = f"The key {quoted(key)} stands here more than once."
        yield Finding(pointer=pointer(*path, key), code="json.duplicate_key", message=message)


def _bad_text(text: str, path: tuple[str | int, ...]) -> Iterator[Finding]:
    if _UNSTORABLE.search(text):
        message = "Text must not hold NUL characters or halves of surrogate pairs."
        yield Finding(pointer=writable(pointer(*path)), code="json.bad_text", message=message)


def writable(where: str) -> str:
    """A pointer, up to the first key that cannot itself be written down."""
    match = _UNSTORABLE.search(where)
    return where if match is None else where[: where.rindex("/", 0, match.start())]
