"""Which columns of a dataset each input of a model takes, and in what shape they come out.

Works on the normalised `dataset` of a spec. Leaves what outputs predict to `hornbeam.datasets.labels`, and reading the
rows to `workers.training.data`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, Shape, facts_of
from schemas.stored_datasets import ColumnKind

Dataset = Mapping[str, Any]

FED = frozenset(ColumnKind) - {ColumnKind.DATETIME}
"""Kinds that can go into a model."""
_ALONE = frozenset({ColumnKind.ARRAY, ColumnKind.IMAGE})
"""Kinds whose values have a shape of their own: one column fills an input."""


class UnfitColumns(ValueError):
    """These columns can't go into one input; the message says why."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What goes into one input."""

    columns: tuple[str, ...]
    shape: Shape | None
    """Of one example; None where layers that preprocess it decide that."""
    dtype: str | None
    """As Keras names it; None likewise."""


def feeds(dataset: Dataset, inputs: Sequence[str]) -> dict[str, Feed]:
    """What goes into each input, as far as the dataset decides it. Raises UnfitColumns.

    Args:
        dataset: Normalised.
        inputs: The names of the model's inputs; a single one takes all that is not otherwise needed, where the spec
            does not say.
    """
    facts = facts_of(dataset)
    wanted = feature_columns(dataset, facts, inputs)
    if dataset.get("preprocess") is not None:
        return {name: Feed(tuple(columns), None, None) for name, columns in wanted.items()}
    return {name: _feed(columns, facts, dataset.get("window")) for name, columns in wanted.items()}


def feature_columns(dataset: Dataset, facts: DatasetFacts, inputs: Sequence[str]) -> dict[str, list[str]]:
    """The columns of each input, as far as the spec and the dataset say."""
    features = dataset.get("features")
    if isinstance(features, Mapping):
        return {name: list(columns) for name, columns in features.items()}
    if len(inputs) != 1:
        return {}
    return {inputs[0]: list(features) if features else default_features(dataset, facts)}


def default_features(dataset: Dataset, facts: DatasetFacts) -> list[str]:
    """All columns that can go into a model and are no target, no weight, mark no split, and do not name files."""
    taken = {*target_names(dataset, facts), *other_names(dataset)}
    if facts.target is not None and "path" in facts.columns:
        taken.add("path")
    return [name for name, column in facts.columns.items() if name not in taken and column.kind in FED]


def target_names(dataset: Dataset, facts: DatasetFacts) -> list[str]:
    """Every column that some output predicts."""
    target = dataset.get("target")
    named = [] if target is None else [name for columns in _targets(target) for name in columns]
    is_shared = target is None or (isinstance(target, Mapping) and "columns" not in target)
    # An output that a mapping leaves out predicts what it would without one.
    return [*named, facts.target] if is_shared and facts.target is not None else named


def other_names(dataset: Dataset) -> Iterator[str]:
    """Columns that weigh or split the rows."""
    if dataset.get("weights") is not None:
        yield dataset["weights"]
    for part in ("validation", "test"):
        split = dataset.get(part) or {}
        yield from (split[field] for field in ("column", "group", "time") if split.get(field) is not None)


def _targets(target: Any) -> Iterator[list[str]]:
    """The columns that each output predicts."""
    for part in [target] if isinstance(target, str) or "columns" in target else target.values():
        yield [part] if isinstance(part, str) else list(part["columns"])


def _feed(columns: Sequence[str], facts: DatasetFacts, window: Mapping[str, Any] | None) -> Feed:
    found = {name: facts.columns[name] for name in columns}
    shape, dtype = side_by_side(found)
    if None in shape:
        raise UnfitColumns(f"the values of {columns[0]!r} differ in size")
    return Feed(tuple(columns), shape if window is None else (window["length"], *shape), dtype)


def side_by_side(columns: Mapping[str, ColumnFacts]) -> tuple[Shape, str]:
    """The shape and dtype of one example of some columns."""
    found = list(columns.values())
    if len(found) == 1 and found[0].kind in _ALONE:
        return _own_shape(found[0]), "float32"
    if found and all(column.is_numeric for column in found):
        return (len(found),), "float32"
    if found and all(column.is_text for column in found):
        return (len(found),), "string"
    raise UnfitColumns(_why_unfit(columns))


def _own_shape(column: ColumnFacts) -> Shape:
    """Images of different kinds are read in colour."""
    if column.kind is ColumnKind.IMAGE:
        return (*column.shape[:2], column.shape[2] or 3)
    return column.shape


def _why_unfit(columns: Mapping[str, ColumnFacts]) -> str:
    if not columns:
        return "no column is left for it"
    (first, its), *rest = columns.items()
    other = next(((name, column) for name, column in rest if column.is_text != its.is_text), None)
    if other is None:
        odd = next((name for name, column in columns.items() if not column.is_numeric), first)
        return f"{odd!r} is {in_words(columns[odd])}, which stands alone" if rest else f"{first!r} is {in_words(its)}"
    return f"{first!r} is {in_words(its)}, and {other[0]!r} is {in_words(other[1])}"


def in_words(column: ColumnFacts) -> str:
    """What a column is."""
    words = {ColumnKind.ARRAY: "an array", ColumnKind.IMAGE: "an image", ColumnKind.NUMBER: "a number"}
    return words.get(column.kind, column.kind.value)
