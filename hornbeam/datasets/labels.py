"""What each output of a model is to predict, as it stands in the columns of a dataset.

Works on the normalised `dataset` of a spec. Leaves reading the rows to `workers.training.data`, and whether an output
fits its labels to `workers.training.checks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hornbeam.datasets.columns import UnfitColumns, in_words
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, Value, facts_of
from schemas.stored_datasets import ColumnKind

_FEW = 20
"""Whole numbers with no more values than these are taken for classes where a spec does not say."""


class LabelKind(StrEnum):
    """How labels are handed to the loss."""

    CLASSES = "classes"
    """int32 numbers of classes, (rows,)."""
    ONE_HOT = "one_hot"
    """float32, (rows, classes)."""
    MULTI_LABEL = "multi_label"
    """float32 of zeros and ones, (rows, columns)."""
    NUMBERS = "numbers"
    """float32, (rows,) for a column by its name, (rows, columns) for a list of them, (rows, ...) for an array."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What one output is to predict."""

    columns: tuple[str, ...]
    kind: LabelKind
    shape: tuple[int, ...] = ()
    """Of one row's label."""
    classes: tuple[Value, ...] | None = None
    """What the numbers of classes stand for."""

    @property
    def dtype(self) -> str:
        """As Keras names it."""
        return "int32" if self.kind is LabelKind.CLASSES else "float32"


def labels_of(dataset: Mapping[str, Any], output: str | None) -> Labels:
    """What an output is to predict. Raises UnfitColumns for columns that can't be predicted so.

    Args:
        dataset: Normalised, its columns known to exist.
        output: Its name; None for the only one.
    """
    facts = facts_of(dataset)
    target = target_of(dataset, facts, output)
    if isinstance(target, str):
        return _labels((target,), facts, None, is_listed=False)
    return _labels(tuple(target["columns"]), facts, target.get("kind"), is_listed=True)


def target_of(dataset: Mapping[str, Any], facts: DatasetFacts, output: str | None) -> Any:
    """What the spec says of an output: a column, or columns with their kind. Raises UnfitColumns where nothing does."""
    target = dataset.get("target")
    if isinstance(target, Mapping) and "columns" not in target:
        target = target.get(output if output is not None else next(iter(target)))
    if target is None:
        target = facts.target
    if target is None:
        raise UnfitColumns("nothing says what is to be predicted")
    return target


def class_labels(dataset: Mapping[str, Any]) -> Labels | None:
    """The labels by whose classes rows are weighed, and parts kept alike: of the first output that predicts classes.

    They are numbers of classes, also where the output is compared with one-hot codes.

    Args:
        dataset: Normalised, its columns known to exist.
    """
    target = dataset.get("target")
    asked: list[tuple[Mapping[str, Any], str | None]] = [(dataset, None)]
    if isinstance(target, Mapping) and "columns" not in target:
        # An output that is left out predicts what it would without a target.
        asked = [*((dataset, output) for output in target), ({**dataset, "target": None}, None)]
    for about, output in asked:
        try:
            labels = labels_of(about, output)
        except UnfitColumns:
            continue
        if labels.kind in (LabelKind.CLASSES, LabelKind.ONE_HOT):
            return replace(labels, kind=LabelKind.CLASSES, shape=())
    return None


def _labels(columns: tuple[str, ...], facts: DatasetFacts, wanted: str | None, *, is_listed: bool) -> Labels:
    found = [facts.columns[name] for name in columns]
    kind = LabelKind(wanted) if wanted else _usual_kind(found)
    if kind in (LabelKind.CLASSES, LabelKind.ONE_HOT):
        if len(columns) > 1:
            raise UnfitColumns(f"{len(columns)} columns can't be one label: each class is a value of one column")
        values = found[0].values
        if values is None:
            raise UnfitColumns(f"{columns[0]!r} is {in_words(found[0])} with too many values to be classes")
        return Labels(columns, kind, (len(values),) if kind is LabelKind.ONE_HOT else (), values)
    _check_numbers(columns, found)
    if kind is LabelKind.MULTI_LABEL:
        _check_labels(columns, found)
    if len(found) == 1 and found[0].kind is ColumnKind.ARRAY:
        return Labels(columns, kind, tuple(size or 1 for size in found[0].shape))
    return Labels(columns, kind, (len(columns),) if is_listed else ())


def _check_numbers(columns: Sequence[str], found: Sequence[ColumnFacts]) -> None:
    for name, column in zip(columns, found, strict=True):
        if not column.is_numeric and not (len(found) == 1 and column.kind is ColumnKind.ARRAY):
            raise UnfitColumns(f"{name!r} is {in_words(column)}, and no number")


def _check_labels(columns: Sequence[str], found: Sequence[ColumnFacts]) -> None:
    for name, column in zip(columns, found, strict=True):
        other = [value for value in column.values or () if value not in (0, 1)]
        if other:
            raise UnfitColumns(f"{name!r} has {other[0]!r}, and a label is there (1) or not (0)")


def _usual_kind(found: Sequence[ColumnFacts]) -> LabelKind:
    first = found[0]
    if len(found) > 1 or first.kind is ColumnKind.ARRAY:
        return LabelKind.NUMBERS
    if first.kind is ColumnKind.NUMBER:
        few = first.is_integer and first.values is not None and len(first.values) <= _FEW
        return LabelKind.CLASSES if few else LabelKind.NUMBERS
    return LabelKind.CLASSES
