"""Whether another dataset, on which a part of a spec is measured, has what the training's dataset has.

Works on the normalised spec, with the facts in its `dataset`. Leaves the splits of one dataset to
`hornbeam.specs.data`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.components.catalog import closest
from hornbeam.datasets.columns import UnfitColumns, feature_columns, in_words
from hornbeam.datasets.facts import ColumnFacts, DatasetFacts, facts_of
from hornbeam.datasets.labels import Labels, labels_of
from hornbeam.specs.column_graph import brings_to_size
from hornbeam.specs.findings import Report
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.outputs import output_names
from hornbeam.specs.wording import quoted
from schemas.stored_datasets import ColumnKind

_PARTS = ("validation", "test")
_MOST_LISTED = 15

Spec = Mapping[str, Any]


def check_other_data(normalised: Spec, report: Report) -> None:
    """The columns, kinds and classes of each dataset that a part of the spec's comes from."""
    dataset = normalised["dataset"]
    for part in _PARTS:
        split = dataset.get(part)
        if split is not None and "source" in split:
            _Check(dataset, normalised["model"], f"/dataset/{part}/source", report).run(facts_of(split))


class _Check:
    def __init__(self, dataset: Spec, model: Spec, where: str, report: Report) -> None:
        self._dataset, self._model, self._where, self._report = dataset, model, where, report
        self._own = facts_of(dataset)

    def run(self, other: DatasetFacts) -> None:
        """Report what the other dataset lacks, or has otherwise."""
        labels = list(self._labels())
        targets = [name for one in labels for name in one.columns]
        for name in dict.fromkeys([*self._features(), *targets]):
            self._check_column(name, other)
        for one in labels:
            if all(name in other.columns for name in one.columns):
                self._check_labels(one, other)

    def _features(self) -> Iterator[str]:
        for columns in feature_columns(self._dataset, self._own, list(self._model.get("inputs") or (INPUT,))).values():
            yield from columns

    def _labels(self) -> Iterator[Labels]:
        names = output_names(self._model)
        outputs: list[str | None] = [*names] or [next(iter(self._model.get("outputs") or ()), None)]
        for output in outputs:
            try:
                yield labels_of(self._dataset, output)
            except UnfitColumns:
                continue  # that is reported elsewhere

    def _check_column(self, name: str, other: DatasetFacts) -> None:
        found, own = other.columns.get(name), self._own.columns[name]
        if found is None:
            near = closest(name, list(other.columns))
            listed = f"There is: {', '.join(list(other.columns)[:_MOST_LISTED])}."
            message = f"{other.name} has no column {quoted(name)}, which the training's dataset has."
            suggestion = f"Did you mean {near!r}?" if near else listed
            self._report.error(self._where, "dataset.unknown_column", message, suggestion)
        elif not _is_alike(found, own, brings_to_size((self._dataset["preprocess"] or {}).get(name, ()))):
            message = f"{quoted(name)} is {_described(found)} in {other.name}, and {_described(own)} in the training's."
            self._report.error(self._where, "dataset.other_kind", message)
        elif found.missing and found.kind in (ColumnKind.IMAGE, ColumnKind.ARRAY):
            message = f"In {other.name}, {other.rows_without(name)} nothing in {quoted(name)}."
            self._report.error(self._where, "dataset.missing_values", message, "Leave those rows out of the file.")

    def _check_labels(self, labels: Labels, other: DatasetFacts) -> None:
        for name in labels.columns:
            if other.columns[name].missing:
                message = f"In {other.name}, {other.rows_without(name)} no value in {quoted(name)}."
                self._report.error(self._where, "dataset.missing_labels", message, "Leave those rows out of the file.")
        values = other.columns[labels.columns[0]].values
        if labels.classes is None or values is None:
            return
        unseen = [value for value in values if value not in labels.classes]
        if unseen:
            shown = ", ".join(quoted(str(value)) for value in unseen[:_MOST_LISTED])
            message = f"{other.name} has {shown} in {quoted(labels.columns[0])}, and no row of the training's has."
            listed = ", ".join(str(value) for value in labels.classes[:_MOST_LISTED])
            self._report.error(self._where, "dataset.unseen_classes", message, f"The training knows: {listed}.")


def _is_alike(found: ColumnFacts, own: ColumnFacts, is_resized: bool) -> bool:
    if found.is_numeric or found.is_text:
        return (found.is_numeric, found.is_text) == (own.is_numeric, own.is_text)
    if found.kind is ColumnKind.IMAGE and own.kind is ColumnKind.IMAGE:
        return is_resized or found.shape[:2] == own.shape[:2]  # colours are brought to the training's
    return found.kind is own.kind and found.shape == own.shape


def _described(column: ColumnFacts) -> str:
    shape = " x ".join("any" if size is None else str(size) for size in column.shape)
    return f"{in_words(column)} of {shape}" if shape else in_words(column)
