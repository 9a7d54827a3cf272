"""What the values of a column mean, and how they are stored: each kind has few Arrow types, whatever the format was.

Numbers stay integers or floats of their width (halves become floats, decimals doubles) with NaN as null; text is
`string`; moments are `timestamp[us]` in UTC; arrays are flattened into fixed-size lists, with their shape in the
field's metadata. Leaves arrays whose shape only the values tell to `shapes`, and statistics to `profiling`.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hornbeam.ingest.pictures import PictureCheck
from hornbeam.ingest.refusals import quoted, refused
from hornbeam.ingest.shapes import NestedLists
from schemas.stored_datasets import ColumnKind

KIND = b"hornbeam.kind"
SHAPE = b"hornbeam.shape"
MOMENT = pa.timestamp("us")

Convert = Callable[[Any], Any]


def field(name: str, type_: Any, kind: ColumnKind, shape: Sequence[int | None] = ()) -> Any:
    """An Arrow field that says what its values mean."""
    metadata = {KIND: kind.value.encode()}
    if kind in (ColumnKind.ARRAY, ColumnKind.IMAGE):
        metadata[SHAPE] = json.dumps(list(shape)).encode()
    return pa.field(name, type_, metadata=metadata)


def shape_of(arrow_field: Any) -> list[int | None] | None:
    """The shape that a field's metadata tells; None where it tells none."""
    told = (arrow_field.metadata or {}).get(SHAPE)
    return None if told is None else list(json.loads(told))


def _told_kind(arrow_field: Any) -> ColumnKind | None:
    """The kind that a field's metadata tells."""
    told = (arrow_field.metadata or {}).get(KIND)
    return None if told is None else ColumnKind(told.decode())


class Conversion:
    """How one column gets from a reader into the table."""

    def __init__(
        self, source: Any, wanted: ColumnKind | None = None, *, pixels: int = 2**26, checked: PictureCheck | None = None
    ) -> None:
        """How a column is stored.

        Args:
            source: The Arrow field as the reader has it.
            wanted: What the client says that it is.
            pixels: How many an image may have.
            checked: Of images that the reader has looked at itself.

        Raises:
            FileRefused: If the values cannot be of that kind, or of any.
        """
        self.name: str = source.name
        family = _family(source.type)
        if family is None:
            raise refused(
                "column.type",
                f"Column {quoted(self.name)} holds {source.type}; only single values and arrays of numbers are read.",
                "Write nested values as columns of their own.",
            )
        self._family = family
        self.kind: ColumnKind | None = wanted or _told_kind(source) or _NATURAL[family]
        """None: text, and its values tell whether they are categories."""
        found = _CONVERSIONS.get((family, self.kind or ColumnKind.TEXT))
        if found is None:
            raise refused(
                "kind.impossible",
                f"Column {quoted(self.name)} holds {_WORDS[family]}, which cannot be read as {self.kind}.",
                f"Leave its kind out, or use {_possible(family)}.",
                pointer=kind_pointer(self.name),
            )
        self._convert = found
        self._lists = NestedLists(self.name, shape_of(source)) if family == "list" else None
        self._pictures = checked or PictureCheck(pixels)
        self._to_look_at = checked is None and self.kind is ColumnKind.IMAGE
        self.type: Any = None
        """As it is stored; known after the first values."""

    @property
    def shape(self) -> list[int | None]:
        """Of one value; for arrays known after the first of them."""
        if self._lists:
            return list(self._lists.shape or [])
        return self._pictures.shape if self.kind is ColumnKind.IMAGE else []

    def __call__(self, array: Any, first_row: int) -> Any:
        """The values as they are stored.

        Raises:
            FileRefused: If one cannot be converted; it is named by its row, the array's first being `first_row`.
        """
        try:
            converted = self._lists(array, first_row) if self._lists else self._convert(array)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            place = self._first_that_fails(array)
            value = array[place].as_py()
            raise refused(
                f"column.not_{self.kind}",
                f"Row {first_row + place}, column {quoted(self.name)}: {quoted(str(value))} is not {_A[self.kind]}.",
                "Correct the value, or give the column another kind.",
                pointer=kind_pointer(self.name),
            ) from error
        self.type = converted.type
        if self._to_look_at:
            for place, value in enumerate(converted):
                if value.is_valid:
                    where = f"The image in row {first_row + place}, column {quoted(self.name)},"
                    self._pictures.look(value.as_py(), where)
        return converted

    def _first_that_fails(self, array: Any) -> int:
        """Where the first value stands that cannot be converted: by halves, so that no value is looked at in Python."""
        good, bad = 0, len(array)
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                self._convert(array.slice(good, middle - good))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                bad = middle
            else:
                good = middle
        return good


def kind_pointer(name: str) -> str:
    """Where in a request the kind of a column stands."""
    return "/options/kinds/" + name.replace("~", "~0").replace("/", "~1")


def without_nan(array: Any) -> Any:
    """Floats with null for NaN. The sum tells whether there is any, in one fast pass."""
    total = pc.sum(array).as_py()
    if total is None or total == total:
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def _family(type_: Any) -> str | None:
    for family, is_one in _FAMILIES.items():
        if is_one(type_):
            return family
    return None


def _is_text(type_: Any) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _is_numeric_list(type_: Any) -> bool:
    while pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        type_ = type_.value_type
        if _is_number(type_):
            return True
    return False


def _is_number(type_: Any) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_))


_FAMILIES: dict[str, Callable[[Any], bool]] = {
    "nothing": pa.types.is_null,
    "integer": pa.types.is_integer,
    "float": pa.types.is_floating,
    "decimal": pa.types.is_decimal,
    "boolean": pa.types.is_boolean,
    "text": _is_text,
    "time": lambda type_: bool(pa.types.is_time(type_) or pa.types.is_duration(type_)),
    "moment": lambda type_: bool(pa.types.is_date(type_) or pa.types.is_timestamp(type_)),
    "bytes": lambda type_: bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_)),
    "list": _is_numeric_list,
}

_WORDS = {
    "nothing": "no values",
    "integer": "whole numbers",
    "float": "numbers",
    "decimal": "numbers",
    "boolean": "booleans",
    "text": "text",
    "time": "times of day",
    "moment": "moments",
    "bytes": "bytes",
    "list": "arrays",
}

_A = {
    ColumnKind.NUMBER: "a number",
    ColumnKind.BOOLEAN: "a boolean",
    ColumnKind.CATEGORY: "text",
    ColumnKind.TEXT: "text",
    ColumnKind.DATETIME: "a date or a time as ISO 8601 writes it",
    ColumnKind.ARRAY: "an array",
    ColumnKind.IMAGE: "an image",
    None: "text",
}

_NATURAL: dict[str, ColumnKind | None] = {
    "nothing": ColumnKind.NUMBER,
    "integer": ColumnKind.NUMBER,
    "float": ColumnKind.NUMBER,
    "decimal": ColumnKind.NUMBER,
    "boolean": ColumnKind.BOOLEAN,
    "text": None,
    "time": None,
    "moment": ColumnKind.DATETIME,
    "bytes": ColumnKind.IMAGE,
    "list": ColumnKind.ARRAY,
}


def _cast(type_: Any) -> Convert:
    return lambda array: array.cast(type_)


def _as_it_is(array: Any) -> Any:
    return array


def _float(array: Any) -> Any:
    return without_nan(array.cast(pa.float32()) if pa.types.is_float16(array.type) else array)


def _double(array: Any) -> Any:
    return without_nan(array.cast(pa.float64()))


def _text(array: Any) -> Any:
    return array.cast(pa.string())


def _text_of_floats(array: Any) -> Any:
    return _float(array).cast(pa.string())


def _number_of_text(array: Any) -> Any:
    return _double(pc.utf8_trim_whitespace(_text(array)))


def _boolean_of_text(array: Any) -> Any:
    return pc.utf8_trim_whitespace(_text(array)).cast(pa.bool_())


def _boolean_of_numbers(array: Any) -> Any:
    if not pc.all(pc.or_(pc.equal(array, 0), pc.equal(array, 1)), min_count=0).as_py():
        raise pa.ArrowInvalid("neither 0 nor 1")
    return array.cast(pa.bool_())


def _moment(array: Any) -> Any:
    # Beyond a microsecond nothing is kept.
    return array.cast(MOMENT, safe=False)


def _moment_of_text(array: Any) -> Any:
    text = pc.utf8_trim_whitespace(_text(array))
    try:
        return text.cast(MOMENT)
    except pa.ArrowInvalid:
        return text.cast(pa.timestamp("us", "UTC")).cast(MOMENT)


_CONVERSIONS: dict[tuple[str, ColumnKind], Convert] = {
    ("nothing", ColumnKind.NUMBER): _cast(pa.float64()),
    ("nothing", ColumnKind.BOOLEAN): _cast(pa.bool_()),
    ("nothing", ColumnKind.DATETIME): _cast(MOMENT),
    ("integer", ColumnKind.NUMBER): _as_it_is,
    ("integer", ColumnKind.BOOLEAN): _boolean_of_numbers,
    ("float", ColumnKind.NUMBER): _float,
    ("float", ColumnKind.BOOLEAN): _boolean_of_numbers,
    ("decimal", ColumnKind.NUMBER): _double,
    ("boolean", ColumnKind.BOOLEAN): _as_it_is,
    ("boolean", ColumnKind.NUMBER): _cast(pa.uint8()),
    ("text", ColumnKind.NUMBER): _number_of_text,
    ("text", ColumnKind.BOOLEAN): _boolean_of_text,
    ("text", ColumnKind.DATETIME): _moment_of_text,
    ("moment", ColumnKind.DATETIME): _moment,
    ("bytes", ColumnKind.IMAGE): _cast(pa.binary()),
    ("list", ColumnKind.ARRAY): _as_it_is,
} | {
    (family, kind): _text_of_floats if family == "float" else _text
    for family in ("nothing", "integer", "float", "decimal", "boolean", "text", "time", "moment")
    for kind in (ColumnKind.CATEGORY, ColumnKind.TEXT)
}


def _possible(family: str) -> str:
    return " or ".join(kind for of, kind in _CONVERSIONS if of == family)
