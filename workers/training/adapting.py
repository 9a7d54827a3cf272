"""Lets layers learn from the training rows before the training: means, bins, vocabularies.

Each learns what arrives at it, while the model is put together and before anything is called on what it gives, so that
all shapes behind it are right. What is not a weight goes into each checkpoint, for a later attempt to take up. Leaves
which layers learn, and where they may stand, to `hornbeam.specs.learning`.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from hornbeam.specs.learning import learns
from workers.training.assembly import Observer, Tensors
from workers.training.build import build_error
from workers.training.columns import AnyColumn, Array, Column, in_memory
from workers.training.failures import plain_message

log = logging.getLogger("workers.training")

Learnt = dict[str, dict[str, Any]]
"""What layers learnt and hold in no weight, as JSON, by the layers' pointers."""

_ROWS_AT_ONCE = 1024
_BYTES_AT_ONCE = 32 * 2**20
_WITH_VOCABULARY = (keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.TextVectorization)


class Learning(Observer):
    """Adapts the layers of a model that is being assembled, or restores what they learnt in an earlier attempt.

    A layer that is shared learns from its first call. Layers before it run as they do when a model predicts: nothing
    is augmented or dropped out.

    Args:
        features: The training rows by the model's inputs; asked for by the first layer that learns.
        learnt: What an earlier attempt learnt, which is not learnt again; what is learnt now is added.
    """

    def __init__(self, features: Callable[[], Mapping[str, AnyColumn]], learnt: Learnt) -> None:
        self._features, self.learnt = features, learnt

    def calling(self, layer: Any, spec: Mapping[str, Any], pointer: str, tensors: Any, inputs: Tensors) -> None:
        """Let the layer learn, if it has to. Raises BuildError where it can't."""
        if not learns(spec):
            return
        if pointer in self.learnt:
            _restore(layer, self.learnt[pointer])
            return
        (tensor,) = keras.tree.flatten(tensors)
        rows = self._arriving(tensor, inputs)
        try:
            layer.adapt(_in_batches(rows) if isinstance(rows, Column) else rows)
        except Exception as error:
            message = f"Layer {spec['name']!r} ({spec['type']}) can't learn from the data: {plain_message(error)}"
            raise build_error(pointer, "layer.cannot_learn", message) from error
        self.learnt[pointer] = _state(layer)
        log.info("%s (%s) learnt from %d training rows", spec["name"], spec["type"], len(rows))

    def inside(self, tensors: Tensors, inputs: Tensors) -> Observer:
        """The same, on the rows as they arrive at an inner model."""
        return Learning(lambda: {name: self._arriving(tensor, inputs) for name, tensor in tensors.items()}, self.learnt)

    def _arriving(self, tensor: Any, inputs: Tensors) -> AnyColumn:
        """The rows of a tensor: (rows, …); text that memory has no room for stays where it is."""
        features = self._features()
        for name, given in inputs.items():
            if given is tensor:
                column = features[name]
                return column if column.dtype == object else in_memory(column)
        sources = keras.utils.get_source_inputs(tensor)
        needed = {name: given for name, given in inputs.items() if any(given is source for source in sources)}
        before = keras.Model(list(needed.values()), tensor)
        return np.concatenate([made for _, made in through(before, [features[name] for name in needed])])


def _in_batches(column: Column) -> Any:
    """Text, some rows at a time, for a layer that counts words."""
    import tensorflow as tf  # noqa: PLC0415 - only where there is text

    def batches() -> Iterator[Array]:
        for first in range(0, len(column), _ROWS_AT_ONCE):
            yield column[np.arange(first, min(first + _ROWS_AT_ONCE, len(column)))]

    return tf.data.Dataset.from_generator(batches, output_signature=tf.TensorSpec((None, *column.shape[1:]), tf.string))


def through(model: Any, columns: Sequence[AnyColumn]) -> Iterator[tuple[int, Any]]:
    """Send rows through a model, some at a time, as it predicts: the number of the first, and what came out as arrays.

    Rows that differ in size go one by one.

    Args:
        model: Takes a list.
        columns: What goes in.
    """
    rows = len(columns[0])
    step = min(_rows_at_once(column) for column in columns)
    for first in range(0, rows, step):
        numbers = np.arange(first, min(first + step, rows))
        made = model([_tensor(column[numbers]) for column in columns], training=False)
        yield first, keras.tree.map_structure(keras.ops.convert_to_numpy, made)


def _rows_at_once(column: AnyColumn) -> int:
    if None in column.shape[1:]:
        return 1
    row_bytes = column.dtype.itemsize * math.prod(size or 1 for size in column.shape[1:])
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // row_bytes))


def _tensor(values: Array) -> Any:
    """Rows as the backend takes them; text needs TensorFlow."""
    if values.dtype != object:
        return keras.ops.convert_to_tensor(values)
    import tensorflow as tf  # noqa: PLC0415 - only where there is text

    return tf.constant(values)


def _state(layer: Any) -> dict[str, Any]:
    """What a layer learnt, as far as it is not in its weights."""
    if isinstance(layer, keras.layers.Discretization):
        return {"bin_boundaries": list(layer.bin_boundaries)}
    if isinstance(layer, _WITH_VOCABULARY):
        return {"vocabulary": [word if isinstance(word, str) else int(word) for word in layer.get_vocabulary()]}
    return {}


def _restore(layer: Any, state: Mapping[str, Any]) -> None:
    """Give a new layer what it learnt before; weights come with all others."""
    if "bin_boundaries" in state:
        layer.bin_boundaries = state["bin_boundaries"]
    elif "vocabulary" in state:
        layer.set_vocabulary(state["vocabulary"])
