"""The narrowest type that fits all values of a column of text.

Leaves reading the text, and what the types mean, to others.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TYPES = (pa.int64(), pa.bool_(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.float64())
"""From the narrowest on; what fits none of them stays text."""


_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_LOOKED_AT = 10_000
_MOSTLY = 0.9


def odd_one_out(text: Any) -> int | None:
    """Where the first text stands that is no number, among texts that nearly all are; None where that is not so."""
    text = text.slice(0, _LOOKED_AT)
    numbers = pc.match_substring_regex(text, _NUMBER)
    share = pc.mean(numbers.cast(pa.float64())).as_py()
    if share is None or not _MOSTLY <= share < 1:
        return None
    return int(pc.index(numbers, value=False).as_py())


class NarrowestTypes:
    """Looks at batches of text columns one after the other."""

    def __init__(self, columns: int) -> None:
        self._possible: list[list[Any]] = [list(_TYPES) for _ in range(columns)]
        self._seen = [False] * columns

    def look_at(self, batch: Any) -> None:
        """Take the next rows."""
        for number, array in enumerate(batch.columns):
            if array.null_count == len(array):
                continue
            self._seen[number] = True
            trimmed = pc.utf8_trim_whitespace(array) if self._possible[number] else array
            self._possible[number] = [type_ for type_ in self._possible[number] if _fits(trimmed, type_)]

    def types(self) -> list[Any]:
        """One for each column; null for those without values."""
        return [
            (possible[0] if possible else pa.string()) if seen else pa.null()
            for possible, seen in zip(self._possible, self._seen, strict=True)
        ]


def _fits(text: Any, type_: Any) -> bool:
    try:
        text.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True
