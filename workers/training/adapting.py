"""Lets layers learn from the training rows before the training: means, bins, vocabularies.

Each learns what arrives at it, while the model is put together and before anything is called on what it gives, so that
all shapes behind it are right. What is not a weight goes into each checkpoint, for a later attempt to take up. Leaves
which layers learn, and where they may stand, to `hornbeam.specs.learning`.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from hornbeam.specs.learning import learns
from workers.training.assembly import Observer, Tensors
from workers.training.build import build_error
from workers.training.columns import AnyColumn, Array, Column, Numbers, taken
from workers.training.failures import plain_message

log = logging.getLogger("workers.training")

Learnt = dict[str, dict[str, Any]]
"""What layers learnt and hold in no weight, as JSON, by the layers' pointers."""

_ROWS_AT_ONCE = 1024
_BYTES_AT_ONCE = 32 * 2**20
_WHOLE_BYTES = 128 * 2**20
"""What a layer learns from as a whole."""
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
            _adapt(layer, rows)
        except Exception as error:
            message = f"Layer {spec['name']!r} ({spec['type']}) can't learn from the data: {plain_message(error)}"
            raise build_error(pointer, "layer.cannot_learn", message) from error
        self.learnt[pointer] = _state(layer)
        log.info("%s (%s) learnt from %d training rows", spec["name"], spec["type"], len(rows))

    def inside(self, tensors: Tensors, inputs: Tensors) -> Observer:
        """The same, on the rows as they arrive at an inner model."""
        return Learning(lambda: {name: self._arriving(tensor, inputs) for name, tensor in tensors.items()}, self.learnt)

    def _arriving(self, tensor: Any, inputs: Tensors) -> AnyColumn:
        """The rows of a tensor: (rows, …), computed as they are asked for where layers stand before it."""
        features = self._features()
        for name, given in inputs.items():
            if given is tensor:
                return features[name]
        sources = keras.utils.get_source_inputs(tensor)
        needed = {name: given for name, given in inputs.items() if any(given is source for source in sources)}
        before = keras.Model(list(needed.values()), tensor)
        return _Arriving(before, [features[name] for name in needed], tensor)


class _Arriving(Column):
    """The rows of a tensor that layers stand before, computed each time that they are asked for.

    Args:
        before: The model up to the tensor; it takes a list.
        columns: What goes into it.
        tensor: What comes out.
    """

    def __init__(self, before: Any, columns: Sequence[AnyColumn], tensor: Any) -> None:
        self._before, self._columns = before, columns
        self.shape, self.dtype = (len(columns[0]), *tensor.shape[1:]), np.dtype(numpy_dtype(tensor))
        self.at_once = min(map(_rows_at_once, columns))

    def __getitem__(self, numbers: Numbers) -> Array:
        made = [rows for _, rows in through(self._before, [taken(column, numbers) for column in self._columns])]
        return np.concatenate(made).astype(self.dtype, copy=False)


class _Batches:
    """All rows of a column, some at a time, as often as they are gone through."""

    def __init__(self, column: AnyColumn) -> None:
        self._column, self._step = column, _rows_at_once(column)

    def __iter__(self) -> Iterator[Array]:
        for first in range(0, len(self._column), self._step):
            yield self._column[np.arange(first, min(first + self._step, len(self._column)))]


def _adapt(layer: Any, rows: AnyColumn) -> None:
    """Let a layer learn: from all rows at once, and where these could fill the memory, from batches.

    How large they are decides, and not how much memory there is: wherever it is trained, the layer learns the same.
    """
    batches = _Batches(rows)
    if rows.dtype == object and isinstance(rows, Column):
        layer.adapt(_text(rows, batches))
    elif _bytes(rows) <= _WHOLE_BYTES and None not in rows.shape[1:]:
        layer.adapt(rows if isinstance(rows, np.ndarray) else np.concatenate(list(batches)))
    else:
        _adapt_to_batches(layer, batches)


def _adapt_to_batches(layer: Any, batches: _Batches) -> None:
    # Keras sums up batches in the type that the layer computes in, and a half's is too small for that.
    policy, layer.dtype_policy = layer.dtype_policy, "float32"
    try:
        layer.adapt(batches)
    finally:
        layer.dtype_policy = policy
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()  # what it computes with has the type of its policy


def _text(column: Column, batches: Iterable[Array]) -> Any:
    """Text, for a layer that counts words."""
    import tensorflow as tf  # noqa: PLC0415 - only where there is text

    signature = tf.TensorSpec((None, *column.shape[1:]), tf.string)
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)


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


def numpy_dtype(tensor: Any) -> str:
    """What NumPy keeps the values of a symbolic tensor in: text as objects, and halves, which it has no type for."""
    if tensor.dtype == "string":
        return "object"
    return "float32" if tensor.dtype in ("float16", "bfloat16") else str(tensor.dtype)


def _rows_at_once(column: AnyColumn) -> int:
    if isinstance(column, _Arriving) and None in column.shape[1:]:
        return column.at_once
    return 1 if None in column.shape[1:] else max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // _row_bytes(column)))


def _bytes(column: AnyColumn) -> int:
    return len(column) * _row_bytes(column)


def _row_bytes(column: AnyColumn) -> int:
    """What a row takes, if what varies in size is small."""
    return column.dtype.itemsize * math.prod(size or 1 for size in column.shape[1:])


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
