"""Feeds a model's `fit` with the rows of one epoch after another, in the order that (seed, epoch) decides.

The rows stay where they are: an epoch is a list of row numbers, from which each batch is gathered. TensorFlow
gets a `tf.data` pipeline, whose steps need no Python; other backends a `PyDataset`. Leaves the order itself to
`workers.training.data`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from workers.training.columns import Column
from workers.training.data import Rows

RowNumbers = NDArray[np.int64]

_SMALL_BYTES = 64 * 2**20


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
    return TensorFlowFeed(rows, batch_size)


class TensorFlowFeed(Feed):
    """A `tf.data` pipeline over row numbers that lie in a variable, which each new iterator reads anew."""

    def __init__(self, rows: Rows, batch_size: int) -> None:
        import tensorflow as tf  # noqa: PLC0415 - only where it is the backend

        columns = _columns(rows)
        with tf.device("cpu:0"):
            self._order = tf.Variable(np.arange(len(rows)), trainable=False, dtype=tf.int64)
            self._skip = tf.Variable(0, trainable=False, dtype=tf.int64)
            if any(isinstance(column, Column) and column.is_piped for column in keras.tree.flatten(columns)):
                self.data = self._row_by_row(columns, len(rows), batch_size)
                return
            gather = _gathering_in_memory(columns) if _is_small(columns) else _gathering(columns)

        def batch(step: Any) -> Any:
            first = (step + self._skip) * batch_size
            return gather(self._order[first : first + batch_size])

        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1
        self.data = tf.data.Dataset.range(_steps(rows, batch_size)).map(batch).prefetch(2).with_options(options)

    def _row_by_row(self, columns: Any, count: int, batch_size: int) -> Any:
        """Rows that TensorFlow decodes, as many at once as there are cores."""
        import tensorflow as tf  # noqa: PLC0415 - only where it is the backend

        from workers.training.row_pipelines import parallel, row_maker  # noqa: PLC0415 - it imports Arrow

        row = row_maker(columns)

        def is_there(place: Any) -> Any:
            return place + self._skip * batch_size < count

        def row_at(place: Any) -> Any:
            return row(self._order[place + self._skip * batch_size])

        places = tf.data.Dataset.range(count).take_while(is_there)
        made = places.map(row_at, num_parallel_calls=tf.data.AUTOTUNE)
        return parallel(made.batch(batch_size).prefetch(2))

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Set the variables for the next iterator."""
        self._order.assign(order)
        self._skip.assign(skip)


def _is_small(columns: Any) -> bool:
    """Whether all rows are in memory, and so few that another copy does no harm.

    TensorFlow keeps one, and makes more for a moment, each time that an epoch begins.
    """
    flat = keras.tree.flatten(columns)
    return (
        not any(isinstance(column, Column) for column in flat) and sum(array.nbytes for array in flat) <= _SMALL_BYTES
    )


def _gathering_in_memory(columns: Any) -> Callable[[Any], Any]:
    """Gathers rows without leaving TensorFlow."""
    import tensorflow as tf  # noqa: PLC0415 - only where it is the backend

    held = keras.tree.map_structure(tf.constant, columns)
    return lambda numbers: keras.tree.map_structure(lambda column: tf.gather(column, numbers), held)


def _gathering(columns: Any) -> Callable[[Any], Any]:
    """Asks the columns for their rows: one call into Python for each batch."""
    import tensorflow as tf  # noqa: PLC0415 - only where it is the backend

    flat = keras.tree.flatten(columns)
    types = [tf.string if column.dtype == object else tf.as_dtype(column.dtype) for column in flat]

    def rows(numbers: RowNumbers) -> list[Any]:
        return [column[numbers] for column in flat]

    def gather(numbers: Any) -> Any:
        gathered = tf.numpy_function(rows, [numbers], types, stateful=False)
        for tensor, column in zip(gathered, flat, strict=True):
            tensor.set_shape((None, *column.shape[1:]))
        return keras.tree.pack_sequence_as(columns, gathered)

    return gather


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
        self._columns, self._batch_size = _columns(rows), batch_size
        self._steps = _steps(rows, batch_size)
        self.begin(np.arange(len(rows)), 0)

    def begin(self, order: RowNumbers, skip: int) -> None:
        self._order, self._skip = order, skip

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Any:
        first = (index + self._skip) * self._batch_size
        numbers = self._order[first : first + self._batch_size]
        return keras.tree.map_structure(lambda column: column[numbers], self._columns)


def _steps(rows: Rows, batch_size: int) -> int:
    return -(-len(rows) // batch_size)


def _columns(rows: Rows) -> tuple[Any, ...]:
    return (rows.features, rows.labels) if rows.weights is None else (rows.features, rows.labels, rows.weights)
