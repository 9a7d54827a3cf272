"""Puts a job's examples together: the columns of each input, the labels of each output, split and weighed.

Everything here is a pure function of the spec and its datasets, so that a second attempt sees the same data. Leaves
reading files to `workers.training.tables`, and feeding batches to the backend to `workers.training.feeds`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hornbeam.datasets.columns import Feed, feeds
from hornbeam.datasets.facts import DatasetFacts, Value, facts_of
from hornbeam.datasets.labels import LabelKind, Labels, class_labels, labels_of
from hornbeam.datasets.splits import windows
from hornbeam.specs.column_graph import Preprocessing
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.outputs import output_names
from schemas.datasets import BuiltinDataset
from schemas.jobs import ErrorLocation, ErrorOrigin
from schemas.stored_datasets import ColumnKind
from workers.training.columns import AnyColumn, Array, Columns, Numbers, Windows, in_memory, taken
from workers.training.failures import failure
from workers.training.room import Files, Room
from workers.training.splitting import Parts, split
from workers.training.tables import Table, builtin_table, synthetic_table

Dataset = Mapping[str, Any]

log = logging.getLogger("workers.training")

_MOST_LISTED = 15
_SMALL_BYTES = 256 * 2**20
"""Windows that take no more are put into memory side by side: they overlap, and are larger than their rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples with their labels, one weight each where rows or classes are weighed."""

    features: Columns
    """float32, (rows, *shape), or text."""
    labels: Array | Mapping[str, Array]
    """As `hornbeam.datasets.labels.LabelKind` says."""
    weights: Array | None = None
    """float32, (rows,)."""
    numbers: Numbers | None = None
    """The row of the dataset that each label stands in, (rows,)."""

    def __len__(self) -> int:
        return len(next(iter(self.features.values())) if isinstance(self.features, Mapping) else self.features)

    def first(self, count: int) -> "Rows":
        """The first rows."""
        return _take(self, np.arange(min(count, len(self))))


@dataclass(frozen=True, slots=True)
class JobData:
    """The parts of a dataset."""

    facts: DatasetFacts
    train: Rows
    validation: Rows | None
    test: Rows | None
    digest: str
    """SHA-256 that stands for the dataset before the split."""
    parts: Parts
    """The rows of the dataset in each part."""


def load(spec: Mapping[str, Any], files: Files | None = None) -> JobData:
    """The data of a normalised spec. Raises TrainingFailed with origin `data`, or `spec` for weights."""
    room, dataset = Room(files or Files()), spec["dataset"]
    table = _open(dataset, room)
    classes = class_labels(dataset)
    strata = None if classes is None else _labels(classes, table, None)
    parts = split(dataset, table.facts.rows, spec["training"]["seed"], strata=strata, keys=table.keys)
    examples = _Examples(spec, table)
    train = examples.of(parts.train)
    weights = _class_weights(strata, examples.labelled(parts.train), classes, spec["training"].get("class_weight"))
    if weights is not None:
        train = replace(train, weights=weights if train.weights is None else train.weights * weights)
    return JobData(
        facts=table.facts,
        train=train,
        validation=_part(examples, parts.validation, dataset, "validation", room),
        test=_part(examples, parts.test, dataset, "test", room),
        digest=table.digest,
        parts=parts,
    )


def order(seed: int, epoch: int, rows: int) -> NDArray[np.int64]:
    """The order in which epoch `epoch` (from 1) takes the rows: it depends on these three numbers alone.

    The formula is `Generator(PCG64(SeedSequence([seed, epoch]))).permutation(rows)`, with NumPy's generators,
    whose streams are the same on every machine.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    return generator.permutation(rows)


def class_weights(
    labels: Array, classes: int | None, wanted: str | Mapping[str, float] | None
) -> NDArray[np.float32] | None:
    """The weight of each row, or None where all count alike.

    `balanced` weighs a class n / (classes * n of the class), as scikit-learn does, over the rows of `labels`.
    A class that a mapping leaves out weighs 1.

    Args:
        labels: The class of each row.
        classes: How many there are; None where labels are no classes.
        wanted: The spec's `training.class_weight`.
    """
    if wanted is None:
        return None
    if classes is None:
        raise failure(
            ErrorOrigin.SPEC,
            "class_weight.no_classes",
            "Classes can't be weighed: the dataset is for regression.",
            where=ErrorLocation(pointer="/training/class_weight"),
            suggestion="Leave class_weight out.",
        )
    table = np.ones(classes, np.float32)
    if isinstance(wanted, str):
        counts = np.bincount(labels, minlength=len(table))
        present = np.maximum(counts, 1)
        table = (len(labels) / (np.count_nonzero(counts) * present)).astype(np.float32)
    else:
        for number, weight in wanted.items():
            table[_class_number(number, len(table))] = weight
    return np.asarray(table[labels], np.float32)


def _class_number(text: str, classes: int) -> int:
    if text.isdecimal() and int(text) < classes:
        return int(text)
    raise failure(
        ErrorOrigin.SPEC,
        "class_weight.unknown_class",
        f"There is no class {text!r}: classes are numbered from 0 to {classes - 1}.",
        where=ErrorLocation(pointer="/training/class_weight"),
    )


def _open(part: Dataset, room: Room) -> Table:
    """The table that a normalised `dataset`, or one of its splits, names as its source."""
    facts, source = facts_of(part), part["source"]
    if "builtin" in source:
        return builtin_table(BuiltinDataset(source["builtin"]), facts)
    if "synthetic" in source:
        return synthetic_table(source["synthetic"], facts)
    # Only now: Arrow starts threads, and the zygote that imported this module has none.
    from workers.training.arrow_tables import ArrowTable  # noqa: PLC0415

    return ArrowTable(Path(room.files.tables[source["id"]]), facts, room)


class _Examples:
    """The examples of a table, as a spec wants them."""

    def __init__(self, spec: Mapping[str, Any], table: Table, *, is_weighed: bool = True) -> None:
        self.spec, self.table, self.dataset = spec, table, spec["dataset"]
        self.window = self.dataset.get("window")
        inputs = list(spec["model"].get("inputs") or (INPUT,))
        is_raw = self.dataset.get("preprocess") is not None
        found = Preprocessing(self.dataset, inputs).feeds if is_raw else feeds(self.dataset, inputs)
        self._features = {name: _features(feed, table) for name, feed in found.items()}
        self._labels = {output: _labels(labels, table, output) for output, labels in _wanted(spec).items()}
        weights = self.dataset.get("weights") if is_weighed else None
        self._weights = None if weights is None else _weights(weights, table)

    def of(self, numbers: Numbers) -> Rows:
        """The examples that these rows make."""
        features = {name: self._windowed(column, numbers) for name, column in self._features.items()}
        own = self.labelled(numbers)
        labels = {output: column[own] for output, column in self._labels.items()}
        return Rows(
            features if len(features) > 1 else next(iter(features.values())),
            labels[None] if None in labels else {str(name): array for name, array in labels.items()},
            None if self._weights is None else self._weights[own],
            own,
        )

    def labelled(self, numbers: Numbers) -> Numbers:
        """The rows that hold the labels of the examples: the rows themselves, or those ahead of each window."""
        if self.window is None:
            return numbers
        ahead: int = self.window["length"] - 1 + self.window["horizon"]
        return self._firsts(numbers) + ahead

    def _windowed(self, column: AnyColumn, numbers: Numbers) -> AnyColumn:
        if self.window is None:
            return taken(column, numbers)
        made = Windows(column, self._firsts(numbers), self.window["length"])
        taken_bytes = made.dtype.itemsize * int(np.prod([size or 1 for size in made.shape], dtype=np.int64))
        return in_memory(made) if taken_bytes <= _SMALL_BYTES and isinstance(column, np.ndarray) else made

    def _firsts(self, numbers: Numbers) -> Numbers:
        """The first row of each window in consecutive rows."""
        if len(numbers) and numbers[-1] - numbers[0] + 1 != len(numbers):
            message = "Windows need rows that follow each other, and the split takes some out of the middle."
            raise failure(ErrorOrigin.DATA, "data.split_impossible", message, where=ErrorLocation(pointer="/dataset"))
        stride = int(self.window["stride"]) if self.window is not None else 1
        firsts: Numbers = numbers[0] + np.arange(windows(len(numbers), self.window), dtype=np.int64) * stride
        return firsts


def _features(feed: Feed, table: Table) -> AnyColumn:
    first = table.facts.columns[feed.columns[0]]
    if first.kind is ColumnKind.ARRAY:
        return table.arrays(feed.columns[0])
    if first.kind is ColumnKind.IMAGE:
        return table.images(feed.columns[0], feed.shape or ())
    return table.texts(feed.columns) if feed.dtype == "string" else table.numbers(feed.columns)


def _wanted(spec: Mapping[str, Any]) -> dict[str | None, Labels]:
    """What each output is to predict; None is the only one."""
    dataset, names = spec["dataset"], output_names(spec["model"])
    if names:
        return {name: labels_of(dataset, name) for name in names}
    return {None: labels_of(dataset, next(iter(spec["model"].get("outputs") or ()), None))}


def _labels(labels: Labels, table: Table, output: str | None) -> Array:
    if labels.kind in (LabelKind.CLASSES, LabelKind.ONE_HOT):
        codes = table.codes(labels.columns[0], labels.classes or ())
        return codes if labels.kind is LabelKind.CLASSES else np.eye(len(labels.classes or ()), dtype=np.float32)[codes]
    if len(labels.columns) == 1 and table.facts.columns[labels.columns[0]].kind is ColumnKind.ARRAY:
        values = in_memory(table.arrays(labels.columns[0]))
    else:
        values = in_memory(table.numbers(labels.columns))
        values = values if labels.shape else values[:, 0]
    _check_finite(values, labels.columns, output)
    return values


def _weights(name: str, table: Table) -> Array:
    """A weight for each row of the table."""
    weights = in_memory(table.numbers([name]))[:, 0]
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        message = f"Row {bad[0] + 1} has {weights[bad[0]]:g} in {name!r}, and a weight is a number not below 0."
        where = ErrorLocation(pointer="/dataset/weights")
        raise failure(ErrorOrigin.DATA, "data.weight_unfit", message, where=where)
    return weights


def _check_finite(values: Array, columns: Sequence[str], output: str | None) -> None:
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(bad):
        message = f"Row {bad[0] + 1} has no finite number in {', '.join(map(repr, columns))}, which is to be predicted."
        where = ErrorLocation(pointer="/dataset/target" if output is None else f"/dataset/target/{output}")
        suggestion = "Leave such rows out of the file."
        raise failure(ErrorOrigin.DATA, "data.target_not_finite", message, where=where, suggestion=suggestion)


def _tell_unseen(codes: Array, names: Sequence[Value], column: str) -> None:
    """The log says which classes no training row has: a model can't learn them, and may be measured on them."""
    unseen = np.flatnonzero(np.bincount(codes, minlength=len(names)) == 0)
    if len(unseen):
        log.warning(
            "no training row has %s in %r", ", ".join(repr(names[code]) for code in unseen[:_MOST_LISTED]), column
        )


def _part(examples: _Examples, numbers: Numbers | None, dataset: Dataset, part: str, room: Room) -> Rows | None:
    """The rows of a part, without weights: they are measured as they are."""
    wanted = dataset.get(part)
    if wanted is None:
        return None
    if numbers is None:  # another dataset, whose classes are numbered as the training's are
        other = _open(wanted, room)
        examples, numbers = _Examples(examples.spec, other, is_weighed=False), np.arange(other.facts.rows)
    return replace(examples.of(numbers), weights=None)


def _class_weights(
    strata: Array | None, numbers: Numbers, classes: Labels | None, wanted: Any
) -> NDArray[np.float32] | None:
    """The weights of the training rows, of which these hold the labels."""
    if strata is None or classes is None:
        return class_weights(np.zeros(0, np.int32), None, wanted)
    codes, names = strata[numbers], classes.classes or ()
    _tell_unseen(codes, names, classes.columns[0])
    return class_weights(codes, len(names), wanted)


def _take(rows: Rows, numbers: Numbers) -> Rows:
    def chosen(columns: Any) -> Any:
        if isinstance(columns, Mapping):
            return {name: taken(column, numbers) for name, column in columns.items()}
        return taken(columns, numbers)

    return Rows(chosen(rows.features), chosen(rows.labels), None if rows.weights is None else rows.weights[numbers])
