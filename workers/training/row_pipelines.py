"""Rows that are decoded and preprocessed by TensorFlow as they are fed: many at once, without Python between them.

For columns of images, whose decoding and resizing takes longer than anything else. Only where TensorFlow is the
backend. Leaves which layers there are to `workers.training.preprocessing`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.cores import cores
from workers.training.columns import AnyColumn, Array, Chosen, Column, Numbers, Shape
from workers.training.images import EncodedImages

_RIFF = b"RIFF"
"""Begins a WebP file, which TensorFlow does not read."""
_ROWS_AT_ONCE, _BYTES_AT_ONCE = 64, 16 * 2**20
_NUMBER_BYTES = 4
_HELD_BYTES = 256 * 2**20
"""Files of images that take no more are held in memory, where TensorFlow finds them without asking Python."""


class Pipeline:
    """Makes the rows that layers give for the rows of some columns.

    Args:
        model: The layers; takes a list of batches, and gives a dictionary.
        columns: What goes in, in the model's order.
    """

    def __init__(self, model: Any, columns: list[AnyColumn]) -> None:
        self._model, self._sources = model, [_source(column) for column in columns]
        row_bytes = sum(math.prod(tensor.shape[1:]) * _NUMBER_BYTES for tensor in model.outputs)
        self._at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(row_bytes, 1)))

    def row(self, number: Any) -> dict[str, Any]:
        """From a row's number to what the model takes of it, by its inputs; symbolic."""
        given = [tf.expand_dims(source(number), 0) for source in self._sources]
        made: dict[str, Any] = self._model(given, training=False)
        return {name: tf.squeeze(tensor, 0) for name, tensor in made.items()}

    def rows(self, numbers: Numbers) -> Any:
        """A `tf.data` pipeline of batches of these rows."""
        data = tf.data.Dataset.from_tensor_slices(numbers)
        return mapped(data, self.row).batch(self._at_once).prefetch(1)

    def all_rows(self, count: int) -> Iterator[tuple[int, dict[str, Array]]]:
        """All rows as arrays, some at a time, with the number of the first. Arrays of numbers can't be written to."""
        first = 0
        for batch in self.rows(np.arange(count)):
            yield first, {name: _seen(tensor) for name, tensor in batch.items()}
            first += self._at_once

    def column(self, name: str, shape: Shape, dtype: str) -> "Piped":
        """The rows of one input of the model, made anew each time that they are asked for."""
        return Piped(self, name, shape, dtype)


def _seen(tensor: Any) -> Array:
    """A tensor's own memory as an array: `numpy` copies it, which took half of the time of decoding."""
    return np.asarray(tensor.numpy() if tensor.dtype in (tf.string, tf.bfloat16) else memoryview(tensor))


class Piped(Column):
    """What a pipeline makes for one input of the model: made anew each time that it is asked for.

    Args:
        pipeline: Makes the rows.
        name: Of the input.
        shape: (rows, ...).
        dtype: Of each number.
    """

    def __init__(self, pipeline: Pipeline, name: str, shape: Shape, dtype: str) -> None:
        self.pipeline, self.name, self.shape, self.dtype = pipeline, name, shape, np.dtype(dtype)

    @property
    def is_piped(self) -> bool:
        """It is."""
        return True

    def __getitem__(self, numbers: Numbers) -> Array:
        return np.concatenate([batch[self.name].numpy() for batch in self.pipeline.rows(numbers)])


def mapped(data: Any, function: Callable[[Any], Any]) -> Any:
    """What a function makes of each element, in their order, with all the threads that a job may have.

    Twice as many calls as threads: with one for each, a thread may find nothing to do. Nothing is tuned: the end of an
    epoch would wait for the thread that tunes, which sleeps longer and longer.
    """
    threads = tf.config.threading.get_inter_op_parallelism_threads() or cores()
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.map(function, num_parallel_calls=2 * threads, deterministic=True).with_options(options)


def _source(column: AnyColumn) -> Callable[[Any], Any]:
    """From a row's number to its value, symbolic."""
    if isinstance(column, Chosen):
        of_all, at = _source(column.column), _numbers(column)
        return lambda number: of_all(at(number))
    if isinstance(column, EncodedImages):
        return _images(column)
    if isinstance(column, Column):
        return _gathered(column)
    held = tf.constant(column)
    return lambda number: held[number]


def _numbers(column: Chosen) -> Callable[[Any], Any]:
    """From a row's number to its number in the column that it is chosen of."""
    held = tf.constant(column.numbers)
    return lambda number: held[number]


def _images(column: EncodedImages) -> Callable[[Any], Any]:
    channels, encoded = column.shape[3], _encoded(column)

    def pixels(number: Any) -> Any:
        data = encoded(number)
        decoded = tf.cond(
            tf.strings.substr(data, 0, len(_RIFF)) == _RIFF,
            lambda: tf.numpy_function(lambda at: column[np.array([at])][0], [number], tf.float32),
            lambda: tf.cast(tf.io.decode_image(data, channels, expand_animations=False), tf.float32),
        )
        decoded.set_shape(column.shape[1:])
        return decoded

    return pixels


def _encoded(column: EncodedImages) -> Callable[[Any], Any]:
    """From an image's number to its file: from memory where there is room for all of them, else from the table."""
    if column.encoded_bytes <= _HELD_BYTES:
        held = tf.constant([column.encoded(number) for number in range(len(column))])
        return lambda number: held[number]

    def read(number: Any) -> Any:
        data = tf.numpy_function(lambda at: column.encoded(int(at)), [number], tf.string)
        data.set_shape(())
        return data

    return read


def _gathered(column: Column) -> Callable[[Any], Any]:
    dtype = tf.string if column.dtype == object else tf.as_dtype(column.dtype)

    def value(number: Any) -> Any:
        made = tf.numpy_function(lambda at: column[np.array([at])][0], [number], dtype)
        made.set_shape(column.shape[1:])
        return made

    return value


def has_images(columns: Iterable[AnyColumn]) -> bool:
    """Whether some of the columns are images that have to be decoded."""
    return any(isinstance(_chosen_of(column), EncodedImages) for column in columns)


def _chosen_of(column: AnyColumn) -> AnyColumn:
    return _chosen_of(column.column) if isinstance(column, Chosen) else column


def row_maker(columns: Any) -> Callable[[Any], Any]:
    """From a row's number to a row of all columns, in their structure; a pipeline makes all its parts once."""
    sources = [_row_source(column) for column in keras.tree.flatten(columns)]

    def row(number: Any) -> Any:
        made: dict[Pipeline, Mapping[str, Any]] = {}
        return keras.tree.pack_sequence_as(columns, [source(number, made) for source in sources])

    return row


def _row_source(column: AnyColumn) -> Callable[[Any, dict[Pipeline, Mapping[str, Any]]], Any]:
    """From a row's number, and what pipelines have made of that row, to the row's value."""
    if isinstance(column, Chosen) and isinstance(_chosen_of(column), Piped):
        of_all, at = _row_source(column.column), _numbers(column)
        return lambda number, _: of_all(at(number), {})
    if not isinstance(column, Piped):
        plain = _source(column)
        return lambda number, _: plain(number)

    def value(number: Any, made: dict[Pipeline, Mapping[str, Any]]) -> Any:
        if column.pipeline not in made:
            made[column.pipeline] = column.pipeline.row(number)
        return made[column.pipeline][column.name]

    return value
