"""Feeds for TensorFlow: `tf.data` pipelines, each made for where the rows lie.

Small data is gathered an epoch at a time, other columns are asked for each batch, and what TensorFlow decodes goes
row by row. Only where TensorFlow is the backend.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.training.columns import AnyColumn, Array, Column
from workers.training.data import Rows
from workers.training.feeds import Feed, RowNumbers, columns_of, steps_of

SMALL_BYTES = 64 * 2**20
_ALIGNED = 64
"""Bytes; as `EIGEN_MAX_ALIGN_BYTES`."""


def tensorflow_feed(rows: Rows, batch_size: int) -> Feed:
    """The fastest feed for the columns of these rows."""
    columns = keras.tree.flatten(columns_of(rows))
    if any(isinstance(column, Column) and column.is_piped for column in columns):
        return PipedFeed(rows, batch_size)
    return GatheredFeed(rows, batch_size) if _are_small(columns) else AskedFeed(rows, batch_size)


def _are_small(columns: Sequence[Any]) -> bool:
    """Whether all rows are in memory, and so few that one epoch's copies of them do no harm."""
    return (
        not any(isinstance(column, Column) for column in columns)
        and sum(array.nbytes for array in columns) <= SMALL_BYTES
    )


class GatheredFeed(Feed):
    """Rows in memory, brought into their order when an epoch begins.

    Its pipelines have no function in them: TensorFlow would optimise that anew for each iterator, and Keras makes two
    an epoch. That took a tenth of a small training.
    """

    def __init__(self, rows: Rows, batch_size: int) -> None:
        self._columns, self._batch_size = columns_of(rows), batch_size
        self.data = _Epochs(self._pipeline(self._columns))

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Have the next iterator take these rows."""
        numbers = order[skip * self._batch_size :]
        self.data.current = self._pipeline(keras.tree.map_structure(lambda column: column[numbers], self._columns))

    def _pipeline(self, columns: Any) -> Any:
        with tf.device("cpu:0"):
            return _with_options(_batches(columns, self._batch_size).prefetch(2))


class _Epochs(tf.data.Dataset):  # type: ignore[misc]
    """Announces what a whole epoch holds, and iterates over the current one."""

    def __init__(self, whole: Any) -> None:
        self.current = self._whole = whole
        super().__init__(whole._variant_tensor)  # noqa: SLF001 - what a subclass hands to its base

    def _inputs(self) -> list[Any]:
        return [self._whole]

    @property
    def element_spec(self) -> Any:
        """The type of a batch."""
        return self._whole.element_spec

    def __iter__(self) -> Any:
        return iter(self.current)


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
        self._columns, self._batch_size = columns_of(rows), batch_size
        with tf.device("cpu:0"):
            self._order = tf.Variable(np.arange(len(rows)), trainable=False, dtype=tf.int64)
            self._skip = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.data = self._pipeline(rows)

    def _pipeline(self, rows: Rows) -> Any:
        raise NotImplementedError

    def begin(self, order: RowNumbers, skip: int) -> None:
        """Set the variables for the next iterator."""
        self._order.assign(order)
        self._skip.assign(skip)


class AskedFeed(_OrderedFeed):
    """Columns that are asked for the rows of each batch: one call into Python."""

    def _pipeline(self, rows: Rows) -> Any:
        gather = _gathering(self._columns)

        def batch(step: Any) -> Any:
            first = (step + self._skip) * self._batch_size
            return gather(self._order[first : first + self._batch_size])

        # Nothing in it needs to be converted, which takes 50 ms.
        batch = tf.autograph.experimental.do_not_convert(batch)
        return _with_options(tf.data.Dataset.range(steps_of(rows, self._batch_size)).map(batch).prefetch(2))


class PipedFeed(_OrderedFeed):
    """Rows that TensorFlow decodes, as many at once as there are cores."""

    def _pipeline(self, rows: Rows) -> Any:
        from workers.training.row_pipelines import parallel, row_maker  # noqa: PLC0415 - it imports Arrow

        row, count, batch_size = row_maker(self._columns), len(rows), self._batch_size

        def is_there(place: Any) -> Any:
            return place + self._skip * batch_size < count

        def row_at(place: Any) -> Any:
            return row(self._order[place + self._skip * batch_size])

        places = tf.data.Dataset.range(count).take_while(is_there)
        made = places.map(row_at, num_parallel_calls=tf.data.AUTOTUNE)
        return parallel(made.batch(batch_size).prefetch(2))


def _gathering(columns: Any) -> Callable[[Any], Any]:
    flat = keras.tree.flatten(columns)
    types = [tf.string if column.dtype == object else tf.as_dtype(column.dtype) for column in flat]

    def rows(numbers: RowNumbers) -> list[Any]:
        return [_rows(column, numbers) for column in flat]

    def gather(numbers: Any) -> Any:
        gathered = tf.numpy_function(rows, [numbers], types, stateful=False)
        for tensor, column in zip(gathered, flat, strict=True):
            tensor.set_shape((None, *column.shape[1:]))
        return keras.tree.pack_sequence_as(columns, gathered)

    return gather


def _rows(column: AnyColumn, numbers: RowNumbers) -> Array:
    """Some rows, of an array where TensorFlow takes them as they lie: it copies what is not aligned."""
    if isinstance(column, Column) or column.dtype == object:
        return column[numbers]
    shape = (len(numbers), *column.shape[1:])
    room = np.empty(math.prod(shape) * column.itemsize + _ALIGNED, np.uint8)
    first = -room.ctypes.data % _ALIGNED
    rows = room[first : first + room.size - _ALIGNED].view(column.dtype).reshape(shape)
    # Else it would gather beside `out`, to leave that alone should a number be wrong.
    return np.take(column, numbers, axis=0, out=rows, mode="clip")


def _with_options(pipeline: Any) -> Any:
    """One thread, and nothing tuned: there is no choice to make."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = 1
    return pipeline.with_options(options)
