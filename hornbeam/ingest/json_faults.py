"""Which line of a block of JSON Lines is wrong, and why: looked for in Python once Arrow has refused the block.

Leaves the reading itself to `json_lines`.
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from hornbeam.ingest.refusals import FileRefused, quoted, refused

_ONE_TYPE = "Give all values of a column one type; write null where there is none."


def explained(block: bytes, lines: int, types: Mapping[str, Any], said: str) -> FileRefused:
    """The finding about a block that Arrow refuses.

    Args:
        block: Whole lines.
        lines: That stand before it.
        types: Of the columns, as far as they are known.
        said: By Arrow.
    """
    expected = {name: _word(type_) for name, type_ in types.items() if not pa.types.is_null(type_)}
    for number, line in enumerate(block.split(b"\n"), start=lines + 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_without_duplicates)
        except _Twice as error:
            return refused("jsonl.duplicate_key", f"Line {number}: the key {quoted(str(error))} is there twice.")
        except (ValueError, RecursionError) as error:
            return refused(
                "jsonl.not_json", f"Line {number} is not JSON: {error}.", "Write one whole JSON object on each line."
            )
        if not isinstance(found, dict):
            return refused("jsonl.not_object", f"Line {number} is not an object.", "Write an object on each line.")
        for name, value in found.items():
            if fault := _fault(number, name, value, expected):
                return fault
    return refused("jsonl.damaged", f"The lines from {lines + 1} on cannot be read as JSON Lines: {said}.")


class _Twice(Exception):
    """A key is there twice."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _fault(line: int, name: str, value: Any, expected: dict[str, str]) -> FileRefused | None:
    """What is wrong with a value; the first of a column tells what the others have to be."""
    where = f"Line {line}, column {quoted(name)}"
    if isinstance(value, dict):
        return refused(
            "jsonl.nested", f"{where}: an object, which is no single value.", "Write its members as columns."
        )
    if value is None:
        return None
    word = _word_of(value)
    if expected.setdefault(name, word) != word:
        return refused("jsonl.mixed_types", f"{where}: {word}, where others are {expected[name]}.", _ONE_TYPE)
    if isinstance(value, list) and (mixed := _mixed_elements(value)):
        return refused("jsonl.mixed_types", f"{where}: an array of {mixed}.", _ONE_TYPE)
    return None


def _mixed_elements(values: list[Any]) -> str:
    words = sorted({_word_of(value) for value in values if value is not None})
    return " and ".join(words) if len(words) > 1 else ""


def _word_of(value: Any) -> str:
    if isinstance(value, bool):
        return "booleans"
    if isinstance(value, int | float):
        return "numbers"
    if isinstance(value, str):
        return "text"
    return "arrays" if isinstance(value, list) else "objects"


def _word(type_: Any) -> str:
    if pa.types.is_boolean(type_):
        return "booleans"
    if pa.types.is_string(type_) or pa.types.is_timestamp(type_):
        return "text"
    return "arrays" if pa.types.is_list(type_) else "numbers"
