"""What an output of a model is measured by, and what has to be kept of each prediction for that.

Only so much is kept of each row as its label takes: a number for two classes, the class for more, the numbers
themselves for regression. Leaves calling the model to `workers.training.evaluation.measuring`.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hornbeam.datasets.facts import Value
from hornbeam.datasets.labels import LabelKind, Labels
from workers.training.checks import Output
from workers.training.columns import Array
from workers.training.ends import End

_SCORES_AROUND_ZERO = frozenset({"Hinge", "SquaredHinge"})


class TaskKind(StrEnum):
    """What is measured."""

    TWO_CLASSES = "two_classes"
    CLASSES = "classes"
    MULTI_LABEL = "multi_label"
    NUMBERS = "numbers"
    OTHER = "other"
    """Nothing: the output is not compared with its labels number by number, as an embedding is not."""


@dataclass(frozen=True, slots=True)
class Task:
    """One output, and what it is measured by."""

    output: str | None
    """None where it is the only one."""
    kind: TaskKind
    columns: tuple[str, ...] = ()
    """What is predicted."""
    classes: tuple[Value, ...] = ()
    """What the numbers of classes stand for; longer than the dataset's where the output has units to spare."""
    threshold: float = 0.0
    """Scores above it mean the second class, or that a label is there."""
    is_one_hot: bool = False
    """Whether labels are one-hot."""

    def kept(self, outputs: Array) -> Array:
        """What is kept of a batch of predictions: float32 scores or numbers, or int32 classes, -1 for NaN."""
        numbers = np.asarray(outputs, np.float32)
        if self.kind is TaskKind.TWO_CLASSES:
            return numbers[:, 0] if numbers.shape[-1] == 1 else numbers[:, 1] - numbers[:, 0]
        if self.kind is TaskKind.CLASSES:
            return np.where(np.isnan(numbers).any(axis=-1), -1, numbers.argmax(axis=-1)).astype(np.int32)
        return numbers.reshape(len(numbers), -1)

    def truth(self, labels: Array) -> Array:
        """The labels in the form that `kept` has: int32 classes, or numbers, (rows, columns)."""
        if self.kind in (TaskKind.TWO_CLASSES, TaskKind.CLASSES):
            return labels.argmax(axis=-1).astype(np.int32) if self.is_one_hot else labels
        return labels.reshape(len(labels), -1)


def task_of(end: End, shape: tuple[int | None, ...]) -> Task:
    """What an output of this shape, batch first, is measured by."""
    labels = end.labels
    if labels is None or end.loss is None:
        return Task(end.name, TaskKind.OTHER)
    if labels.kind in (LabelKind.CLASSES, LabelKind.ONE_HOT):
        return _classes(end, labels, shape)
    wanted = int(np.prod(labels.shape, dtype=np.int64))
    sizes = [size for size in shape[1:] if size is not None]
    if len(sizes) != len(shape) - 1 or int(np.prod(sizes, dtype=np.int64)) != wanted:
        return Task(end.name, TaskKind.OTHER, labels.columns)
    if labels.kind is LabelKind.MULTI_LABEL:
        return Task(end.name, TaskKind.MULTI_LABEL, labels.columns, threshold=_threshold(end, shape))
    return Task(end.name, TaskKind.NUMBERS, labels.columns)


def _classes(end: End, labels: Labels, shape: tuple[int | None, ...]) -> Task:
    classes, units, one_hot = labels.classes or (), shape[-1], labels.kind is LabelKind.ONE_HOT
    if len(shape) != 2 or units is None:
        return Task(end.name, TaskKind.OTHER, labels.columns)
    if units == 1 and len(classes) == 2 and not one_hot:
        return Task(end.name, TaskKind.TWO_CLASSES, labels.columns, classes, _threshold(end, shape))
    if units == 1 and not one_hot:  # a regression on the numbers of classes, which is allowed
        return Task(end.name, TaskKind.NUMBERS, labels.columns)
    if units < len(classes) or _is_embedding(end):
        return Task(end.name, TaskKind.OTHER, labels.columns)
    named = classes + tuple(f"unit {unit}" for unit in range(len(classes), units))
    kind = TaskKind.TWO_CLASSES if units == 2 and len(classes) == 2 else TaskKind.CLASSES
    return Task(end.name, kind, labels.columns, named, 0.0, one_hot)


def _is_embedding(end: End) -> bool:
    return end.loss is not None and end.loss["type"] == "hornbeam>SupervisedContrastive"


def _threshold(end: End, shape: tuple[int | None, ...]) -> float:
    """Where a score means as much for as against: 0.5 of a probability, 0 of a logit."""
    loss = end.loss or {}
    around_zero = loss.get("from_logits") or loss.get("type") in _SCORES_AROUND_ZERO
    return 0.0 if around_zero or Output(shape, end).activation == "tanh" else 0.5
