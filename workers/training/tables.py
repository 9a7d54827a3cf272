"""The columns of a dataset as NumPy arrays: those of the service's own datasets, and rows that are drawn by chance.

Leaves datasets that clients brought to `workers.training.arrow_tables`, and which columns there are, and what they are
for, to `workers.training.data`.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from hornbeam.datasets.facts import LABEL, DatasetFacts, Value
from schemas.datasets import BuiltinDataset
from schemas.jobs import ErrorOrigin
from workers.training.columns import AnyColumn, Array, Shape
from workers.training.failures import failure


class Table(ABC):
    """The rows of a dataset."""

    facts: DatasetFacts
    digest: str
    """SHA-256 that stands for all of its rows."""

    @abstractmethod
    def numbers(self, names: Sequence[str]) -> AnyColumn:
        """Columns of single numbers side by side: float32, (rows, columns); NaN where there is no value."""

    @abstractmethod
    def arrays(self, name: str) -> AnyColumn:
        """A column of arrays: float32, (rows, *shape)."""

    @abstractmethod
    def images(self, name: str, shape: Shape) -> AnyColumn:
        """A column of images: float32 from 0 to 255, (rows, *shape)."""

    @abstractmethod
    def texts(self, names: Sequence[str]) -> AnyColumn:
        """Columns of text side by side: str objects, (rows, columns); empty where there is no value."""

    @abstractmethod
    def codes(self, name: str, values: Sequence[Value]) -> NDArray[np.int32]:
        """The place of each row's value in `values`. Raises TrainingFailed for one that is not there."""

    @abstractmethod
    def keys(self, name: str) -> Array:
        """A column's values, to compare and to sort by."""


class MatrixTable(Table):
    """Numbers that are in memory, one column of which is the label.

    Args:
        facts: About them; the label is the last column.
        features: float32, (rows, columns).
        labels: int32 numbers of classes, or float32; (rows,).
        digest: What stands for them; their own bytes where it is left out.
    """

    def __init__(self, facts: DatasetFacts, features: Array, labels: Array, digest: str | None = None) -> None:
        self.facts, self._features, self._labels = facts, features, labels
        self._names = [column for column in facts.columns if column != LABEL]
        self.digest = digest or _digest(features, labels)

    def numbers(self, names: Sequence[str]) -> Array:
        """See Table."""
        if list(names) == self._names:
            return self._features
        return np.stack([self.keys(name).astype(np.float32) for name in names], axis=1)

    def arrays(self, name: str) -> Array:
        """See Table."""
        raise KeyError(name)

    def images(self, name: str, shape: Shape) -> Array:  # noqa: ARG002
        """See Table."""
        raise KeyError(name)

    def texts(self, names: Sequence[str]) -> Array:
        """See Table. The only column that may be text is that of the labels."""
        values = np.array([str(value) for value in self.facts.columns[LABEL].values or ()], object)
        return np.stack([values[self._labels] for _ in names], axis=1)

    def codes(self, name: str, values: Sequence[Value]) -> NDArray[np.int32]:
        """See Table. The labels are stored as numbers of classes; another dataset may number them otherwise."""
        own = self.facts.columns[name].values or ()
        places = {value: place for place, value in enumerate(values)}
        codes = np.array([places.get(value, -1) for value in own], np.int32)[self._labels.astype(np.int32)]
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            value = own[int(self._labels[row])]
            message = f"Row {row + 1} of {self.facts.name} has {value!r} in {name!r}, which no training row has."
            raise failure(ErrorOrigin.DATA, "data.unseen_class", message)
        return codes

    def keys(self, name: str) -> Array:
        """See Table."""
        return self._labels if name == LABEL else self._features[:, self._names.index(name)]


def builtin_table(name: BuiltinDataset, facts: DatasetFacts) -> MatrixTable:
    """One of the service's own datasets."""
    features, target = read_builtin(name)
    labels = np.ascontiguousarray(target, np.int32 if facts.columns[LABEL].values else np.float32)
    return MatrixTable(facts, features, labels)


@cache
def read_builtin(name: BuiltinDataset) -> tuple[Array, Array]:
    """The features and the target of a dataset as scikit-learn has it; once in a process, and not to be changed."""
    bunch = getattr(sklearn.datasets, f"load_{name.value}")()
    features = np.ascontiguousarray(bunch.data, np.float32)
    for array in (features, bunch.target):
        array.setflags(write=False)
    return features, bunch.target


def synthetic_table(synthetic: Mapping[str, Any], facts: DatasetFacts) -> MatrixTable:
    """Rows that are drawn by chance: a pure function of what a spec says of them.

    For classification a row of class k is `centre_k + (1 + noise) e`, the centres standard normal times 2 and e
    standard normal. For regression rows are standard normal, and the label is `x . w + sin(3 x_0) + noise e`, with w
    standard normal divided by the root of the number of columns.
    """
    chance = np.random.default_rng(synthetic["seed"])
    shape, noise = (synthetic["rows"], synthetic["columns"]), np.float32(synthetic["noise"])
    if synthetic["task"] == "classification":
        labels: Array = chance.integers(0, synthetic["classes"], shape[0], np.int32)
        centres = 2 * chance.standard_normal((synthetic["classes"], shape[1]), np.float32)
        features = (1 + noise) * chance.standard_normal(shape, np.float32)
        features += centres[labels]
    else:
        features = chance.standard_normal(shape, np.float32)
        slopes = chance.standard_normal(shape[1], np.float32) / np.float32(np.sqrt(shape[1]))
        labels = features @ slopes + np.sin(3 * features[:, 0])
        labels += noise * chance.standard_normal(shape[0], np.float32)
    said = json.dumps(dict(synthetic), sort_keys=True)
    return MatrixTable(facts, features, labels, hashlib.sha256(said.encode()).hexdigest())


def _digest(features: Array, labels: Array) -> str:
    digest = hashlib.sha256(features.tobytes())
    digest.update(labels.tobytes())
    return digest.hexdigest()
