"""How findings speak: values, kinds and lists in plain English. What a client sent is quoted short and in ASCII."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.catalog import ComponentKind

_LONGEST_QUOTE = 60
_VOWELS = "aeio"


def quoted(text: str) -> str:
    """A client's text, safe to show: look-alike letters and control characters become visible escapes."""
    shown = text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
    return ascii(shown)


def described(value: Any) -> str:
    """A JSON value in a few words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, int | float):
        return json.dumps(value)
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"


def any_of(words: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def literal(value: Any) -> str:
    """A value that may be written, as a client would write it in YAML."""
    return repr(value) if isinstance(value, str) else json.dumps(value)


def a_kind(kind: ComponentKind) -> str:
    """`a layer`, `an optimizer`."""
    return f"{'an' if kind.value[0] in _VOWELS else 'a'} {kind.value}"
