"""Feeds a model's `fit` with the rows of one epoch after another, in the order that (seed, epoch) decides.

The rows stay where they are: an epoch is a list of row numbers, from which each batch is gathered. TensorFlow
gets a `tf.data` pipeline (`workers.training.tensorflow_feeds`); other backends a `PyDataset`. Leaves the order itself
to `workers.training.data`.
"""

from abc import ABC, abstractmethod
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from workers.training.data import Rows

RowNumbers = NDArray[np.int64]


class Feed(ABC):
    """The training data of a `fit`. It always announces whole epochs; whoever skips batches ends the epoch early."""

    data: Any
    """What `fit` takes as `x`."""

    @abstractmethod
    def begin(self, order: RowNumbers, skip: int) -> None:
        """Take the rows of the next epoch in this order, without the first `skip` batches."""


def make_feed(rows: Rows, batch_size: int) -> Feed:
    """The fastest feed for the backend at hand."""
    if keras.config.backend() != "tensorflow":
        return ArrayFeed(rows, batch_size)
    from workers.training.tensorflow_feeds import tensorflow_feed  # noqa: PLC0415 - only where it is the backend

    return tensorflow_feed(rows, batch_size)


class ArrayFeed(Feed):
    """Batches gathered by NumPy, for backends without `tf.data`."""

    def __init__(self, rows: Rows, batch_size: int) -> None:
        self.data = _Batches(rows, batch_size)

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Hand the order to the batches."""
        self.data.begin(order, skip)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, rows: Rows, batch_size: int) -> None:
        super().__init__()
        self._columns, self._batch_size = columns_of(rows), batch_size
        self._steps = steps_of(rows, batch_size)
        self.begin(np.arange(len(rows)), 0)

    def begin(self, order: RowNumbers, skip: int) -> None:
        self._order, self._skip = order, skip

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        first = (index + self._skip) * self._batch_size
        numbers = self._order[first : first + self._batch_size]
        return keras.tree.map_structure(lambda column: column[numbers], self._columns)


def steps_of(rows: Rows, batch_size: int) -> int:
    """Batches of an epoch, the last of which may be smaller."""
    return -(-len(rows) // batch_size)


def columns_of(rows: Rows) -> tuple[Any, ...]:
    """What `fit` takes of each batch: features, labels, and weights where there are some."""
    return (rows.features, rows.labels) if rows.weights is None else (rows.features, rows.labels, rows.weights)
