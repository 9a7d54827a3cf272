"""What is known about a dataset, without its rows: the one form in which checks, planner and trainer see them all.

The service's own datasets and those that clients brought are described alike. Facts travel with a spec, as
`dataset.facts`, to the planner and the trainer, which know no database; the spec on record has the dataset's id alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from hornbeam.datasets.builtin import BUILTIN
from schemas.datasets import BuiltinDataset
from schemas.stored_datasets import Column, ColumnKind

Value = bool | int | float | str
Shape = tuple[int | None, ...]

LABEL = "label"
"""The column of labels in the service's own datasets, and in folders of files."""

_SPLITS = ("validation", "test")
_NUMERIC = frozenset({ColumnKind.NUMBER, ColumnKind.BOOLEAN})
_TEXTUAL = frozenset({ColumnKind.CATEGORY, ColumnKind.TEXT})


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column."""

    kind: ColumnKind
    dtype: str = "float"
    """As Arrow names it."""
    shape: Shape = ()
    """Of one value; None where it varies."""
    missing: int = 0
    first_missing: int | None = None
    """The number of the first row without a value, from 1; None where there is none, or nobody knows it."""
    values: tuple[Value, ...] | None = None
    """All values; None where there are many. A class's number is its value's place here."""
    counts: tuple[int, ...] | None = None
    """How often each of `values` is there; None where that is not known."""

    @property
    def is_numeric(self) -> bool:
        """Whether each value is one number."""
        return self.kind in _NUMERIC

    @property
    def is_text(self) -> bool:
        """Whether each value is text."""
        return self.kind in _TEXTUAL

    @property
    def is_integer(self) -> bool:
        """Whether each value is a whole number."""
        return "int" in self.dtype


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A whole dataset."""

    name: str
    """What messages call it."""
    rows: int
    columns: dict[str, ColumnFacts]
    target: str | None = None
    """What is predicted where a spec does not say."""
    sha256: str = ""
    """Of the table; empty for the service's own."""

    def rows_without(self, name: str) -> str:
        """Which rows have no value in a column, up to the verb: `2 of 9 rows (the first: row 3) have`."""
        column = self.columns[name]
        begins, verb = ("", "has") if column.missing == 1 else ("the first: ", "have")
        which = "" if column.first_missing is None else f" ({begins}row {column.first_missing:,})"
        return f"{column.missing:,} of {self.rows:,} rows{which} {verb}"


_FACTS: TypeAdapter[DatasetFacts] = TypeAdapter(DatasetFacts)


@cache
def builtin_facts(name: BuiltinDataset) -> DatasetFacts:
    """The facts about one of the service's own datasets."""
    schema = BUILTIN[name]
    columns = {feature: ColumnFacts(ColumnKind.NUMBER) for feature in schema.feature_names}
    columns[LABEL] = ColumnFacts(ColumnKind.NUMBER)
    if schema.classes is not None:
        columns[LABEL] = ColumnFacts(ColumnKind.CATEGORY, "string", values=schema.classes)
    return DatasetFacts(name.value, schema.rows, columns, LABEL)


def synthetic_facts(synthetic: Mapping[str, Any]) -> DatasetFacts:
    """The facts about rows that will be drawn."""
    columns = {f"x{number}": ColumnFacts(ColumnKind.NUMBER) for number in range(synthetic["columns"])}
    columns[LABEL] = ColumnFacts(ColumnKind.NUMBER)
    if synthetic["task"] == "classification":
        columns[LABEL] = ColumnFacts(ColumnKind.CATEGORY, "int32", values=tuple(range(synthetic["classes"])))
    return DatasetFacts("synthetic", synthetic["rows"], columns, LABEL)


def stored_facts(name: str, rows: int, columns: Sequence[Column], *, sha256: str) -> DatasetFacts:
    """The facts about a dataset that a client brought, of which only folders of files have a target by themselves."""
    found = {column.name: _column_facts(column) for column in columns}
    return DatasetFacts(name, rows, found, LABEL if LABEL in found else None, sha256)


def _column_facts(column: Column) -> ColumnFacts:
    return ColumnFacts(
        kind=column.kind,
        dtype=column.dtype,
        shape=tuple(column.shape),
        missing=column.missing,
        first_missing=column.first_missing,
        values=None if column.values is None else tuple(value.value for value in column.values),
        counts=None if column.values is None else tuple(value.count for value in column.values),
    )


def as_json(facts: DatasetFacts) -> dict[str, Any]:
    """The facts, to go with a spec."""
    plain: dict[str, Any] = _FACTS.dump_python(facts, mode="json")
    return plain


def stored_parts(dataset: Mapping[str, Any] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each part of a normalised `dataset` whose source a client has brought, with its pointer: itself, and splits."""
    if dataset is None:
        return
    parts = ((f"/dataset/{name}", dataset.get(name) or {}) for name in _SPLITS)
    for where, part in (("/dataset", dataset), *parts):
        if "id" in part.get("source", ()):
            yield where, part


def with_facts(spec: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A normalised spec as it goes to a planner or a trainer.

    Args:
        spec: As it is on record.
        facts: In JSON, by the datasets' ids.
    """
    added = {where: {**part, "facts": facts[part["source"]["id"]]} for where, part in stored_parts(spec["dataset"])}
    return _with_parts(spec, added)


def without_facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A normalised spec as it goes on record: facts are the datasets' own."""
    bare = {
        where: {name: value for name, value in part.items() if name != "facts"}
        for where, part in stored_parts(spec["dataset"])
    }
    return _with_parts(spec, bare)


def _with_parts(spec: Mapping[str, Any], parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if spec["dataset"] is None:
        return dict(spec)
    dataset = dict(parts.get("/dataset", spec["dataset"]))
    dataset |= {name: parts[f"/dataset/{name}"] for name in _SPLITS if f"/dataset/{name}" in parts}
    return {**spec, "dataset": dataset}


def facts_of(part: Mapping[str, Any]) -> DatasetFacts:
    """The facts about the dataset that a normalised `dataset`, or one of its splits, names as its source."""
    source = part["source"]
    if "builtin" in source:
        return builtin_facts(BuiltinDataset(source["builtin"]))
    if "synthetic" in source:
        return synthetic_facts(source["synthetic"])
    return _FACTS.validate_python(part["facts"])
