"""Feeds for TensorFlow: `tf.data` pipelines, each made for where the rows lie.

Small data is gathered an epoch at a time, other columns batch by batch, and what TensorFlow decodes goes row by row.
Only where TensorFlow is the backend.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.training.batch_memory import BatchMemory
from workers.training.columns import AnyColumn, Array, Column
from workers.training.data import Rows
from workers.training.feeds import Feed, RowNumbers, columns_of, steps_of

GATHERED_BYTES, COPIED_BYTES = 16 * 2**20, 64 * 2**20
"""Up to so many, an epoch's rows are gathered at once, and there is a copy of all rows in TensorFlow."""


def tensorflow_feed(rows: Rows, batch_size: int) -> Feed:
    """The fastest feed for the columns of these rows."""
    columns = keras.tree.flatten(columns_of(rows))
    if any(isinstance(column, Column) and column.is_piped for column in columns):
        return PipedFeed(rows, batch_size)
    size = _bytes(columns)
    return (
        GatheredFeed(rows, batch_size)
        if size <= GATHERED_BYTES
        else BatchedFeed(rows, batch_size, size <= COPIED_BYTES)
    )


def _bytes(columns: Sequence[Any]) -> float:
    """What the columns hold; without end where some are not in memory."""
    return sum(math.inf if isinstance(column, Column) else _array_bytes(column) for column in columns)


def _array_bytes(array: Array) -> int:
    return array.nbytes if array.dtype != object else array.nbytes + sum(map(len, array.ravel()))


class GatheredFeed(Feed):
    """Rows in memory, brought into their order when an epoch begins.

    Its pipelines have no function in them: TensorFlow would optimise that anew for each iterator, and Keras makes two
    an epoch. That took a tenth of a small training.
    """

    def __init__(self, rows: Rows, batch_size: int) -> None:
        self._columns, self._batch_size = columns_of(rows), batch_size
        spec = keras.tree.map_structure(
            lambda column: tf.TensorSpec((None, *column.shape[1:]), _dtype(column)), self._columns
        )
        self.data = _Epochs(steps_of(rows, batch_size), spec, lambda: self._pipeline(self._columns))

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Have the next iterator take these rows."""
        numbers = order[skip * self._batch_size :]
        self.data.begin(lambda: self._pipeline(keras.tree.map_structure(lambda column: column[numbers], self._columns)))

    def _pipeline(self, columns: Any) -> Any:
        with tf.device("cpu:0"):
            return _with_options(_batches(columns, self._batch_size).prefetch(2))


class _Epochs(tf.data.Dataset):  # type: ignore[misc]
    """Announces the batches of a whole epoch, and iterates over those of the current one.

    Args:
        steps: Batches of a whole epoch.
        spec: The type of a batch.
        make: Makes the pipeline of the first epoch, and of those that nothing else is made for.
    """

    def __init__(self, steps: int, spec: Any, make: Callable[[], Any]) -> None:
        self._spec, self._announced = spec, tf.data.Dataset.range(steps)
        self.begin(make)
        super().__init__(self._announced._variant_tensor)  # noqa: SLF001 - what a subclass hands to its base

    def begin(self, make: Callable[[], Any]) -> None:
        """Have the next iterators take what this makes."""
        self._make = make
        self._made: Any = None

    def _inputs(self) -> list[Any]:
        return [self._announced]

    @property
    def element_spec(self) -> Any:
        """The type of a batch."""
        return self._spec

    def __iter__(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return iter(self._made)


def _batches(columns: Any, batch_size: int) -> Any:
    """The whole batches, then the rest. None of a batch's shape says its size: steps are traced for any."""
    rows = len(keras.tree.flatten(columns)[0])
    whole = rows // batch_size

    def in_batches(column: Any) -> Any:
        return column[: whole * batch_size].reshape(whole, batch_size, *column.shape[1:])

    rest = tf.data.Dataset.from_tensors(keras.tree.map_structure(lambda column: column[whole * batch_size :], columns))
    batches = tf.data.Dataset.from_tensor_slices(keras.tree.map_structure(in_batches, columns))
    return batches.concatenate(rest.take(1 if rows % batch_size else 0))


class _OrderedFeed(Feed):
    """Row numbers in a variable, which each new iterator reads anew."""

    def __init__(self, rows: Rows, batch_size: int) -> None:
        with tf.device("cpu:0"):
            self._order = tf.Variable(np.arange(len(rows)), trainable=False, dtype=tf.int64)
            self._skip = tf.Variable(0, trainable=False, dtype=tf.int64)
            self.data = self._pipeline(rows, batch_size)

    @abstractmethod
    def _pipeline(self, rows: Rows, batch_size: int) -> Any: ...

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Set the variables for the next iterator."""
        self._order.assign(order)
        self._skip.assign(skip)


class BatchedFeed(_OrderedFeed):
    """Rows that are gathered batch by batch: by TensorFlow where it has a copy, else by asking the columns."""

    def __init__(self, rows: Rows, batch_size: int, is_copied: bool) -> None:
        self._gathering = _gathering_in_memory if is_copied else _gathering
        super().__init__(rows, batch_size)

    def _pipeline(self, rows: Rows, batch_size: int) -> Any:
        gather = self._gathering(columns_of(rows))

        def batch(step: Any) -> Any:
            first = (step + self._skip) * batch_size
            return gather(self._order[first : first + batch_size])

        # Nothing in it needs to be converted, which takes 50 ms.
        batch = tf.autograph.experimental.do_not_convert(batch)
        return _with_options(tf.data.Dataset.range(steps_of(rows, batch_size)).map(batch).prefetch(2))


class PipedFeed(_OrderedFeed):
    """Rows that TensorFlow decodes and preprocesses, several at once."""

    def _pipeline(self, rows: Rows, batch_size: int) -> Any:
        from workers.training.row_pipelines import mapped, row_maker  # noqa: PLC0415 - it imports Arrow

        row, count = row_maker(columns_of(rows)), len(rows)

        def is_there(place: Any) -> Any:
            return place + self._skip * batch_size < count

        def row_at(place: Any) -> Any:
            return row(self._order[place + self._skip * batch_size])

        places = tf.data.Dataset.range(count).take_while(is_there)
        pipeline = mapped(places, row_at).batch(batch_size).prefetch(2)
        # How many batches come out of it nobody knows before: Keras would take those of the first epoch for all that
        # there are in each, and the first may begin in its middle.
        return _Epochs(steps_of(rows, batch_size), pipeline.element_spec, lambda: pipeline)


def _gathering_in_memory(columns: Any) -> Callable[[Any], Any]:
    """Gathers rows without leaving TensorFlow."""
    held = keras.tree.map_structure(tf.constant, columns)
    return lambda numbers: keras.tree.map_structure(lambda column: tf.gather(column, numbers), held)


def _gathering(columns: Any) -> Callable[[Any], Any]:
    """Asks the columns for their rows: one call into Python for each batch."""
    flat = keras.tree.flatten(columns)
    types = [_dtype(column) for column in flat]
    memories = [BatchMemory() for _ in flat]

    def rows(numbers: RowNumbers) -> list[Any]:
        return [_rows(column, numbers, memory) for column, memory in zip(flat, memories, strict=True)]

    def gather(numbers: Any) -> Any:
        gathered = tf.numpy_function(rows, [numbers], types, stateful=False)
        for tensor, column in zip(gathered, flat, strict=True):
            tensor.set_shape((None, *column.shape[1:]))
        return keras.tree.pack_sequence_as(columns, gathered)

    return gather


def _rows(column: AnyColumn, numbers: RowNumbers, memory: BatchMemory) -> Array:
    """Some rows; of an array in memory where TensorFlow takes them as they lie."""
    if isinstance(column, Column) or column.dtype == object:
        return column[numbers]
    rows = memory.array((len(numbers), *column.shape[1:]), column.dtype)
    # Else it would gather beside `out`, to leave that alone should a number be wrong.
    return np.take(column, numbers, axis=0, out=rows, mode="clip")


def _dtype(column: AnyColumn) -> Any:
    return tf.string if column.dtype == object else tf.as_dtype(column.dtype)


def _with_options(pipeline: Any) -> Any:
    """One thread, and nothing tuned: there is no choice to make."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = 1
    return pipeline.with_options(options)
