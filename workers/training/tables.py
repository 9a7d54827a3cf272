"""The columns of a dataset as NumPy arrays, and those of the service's own datasets.

Leaves datasets that clients brought to `workers.training.arrow_tables`, and which columns there are, and what they are
for, to `workers.training.data`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import sklearn.datasets
from numpy.typing import NDArray

from hornbeam.datasets.facts import LABEL, DatasetFacts, Value
from schemas.datasets import BuiltinDataset
from schemas.jobs import ErrorOrigin
from workers.training.columns import AnyColumn, Array
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
    def texts(self, names: Sequence[str]) -> Array:
        """Columns of text side by side: str objects, (rows, columns); empty where there is no value."""

    @abstractmethod
    def codes(self, name: str, values: Sequence[Value]) -> NDArray[np.int32]:
        """The place of each row's value in `values`. Raises TrainingFailed for one that is not there."""

    @abstractmethod
    def keys(self, name: str) -> Array:
        """A column's values, to compare and to sort by."""


class BuiltinTable(Table):
    """One of the service's own datasets."""

    def __init__(self, name: BuiltinDataset, facts: DatasetFacts) -> None:
        self.facts = facts
        bunch = getattr(sklearn.datasets, f"load_{name.value}")()
        self._labels = np.ascontiguousarray(bunch.target, np.int32 if facts.columns[LABEL].values else np.float32)
        self._features = np.ascontiguousarray(bunch.data, np.float32)
        self._names = [column for column in facts.columns if column != LABEL]
        digest = hashlib.sha256(self._features.tobytes())
        digest.update(self._labels.tobytes())
        self.digest = digest.hexdigest()

    def numbers(self, names: Sequence[str]) -> Array:
        """See Table."""
        if list(names) == self._names:
            return self._features
        return np.stack([self.keys(name).astype(np.float32) for name in names], axis=1)

    def arrays(self, name: str) -> Array:
        """See Table."""
        raise KeyError(name)

    def texts(self, names: Sequence[str]) -> Array:
        """See Table."""
        raise KeyError(*names)

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
