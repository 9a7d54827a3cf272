"""A layer that fills in missing numbers with what it learnt from the training rows.

Keras has none, and a row with a NaN makes the loss one. Leaves text, whose missing values are empty, to Keras's
lookups.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field

from hornbeam.components.registry import register_layer

_BYTES_AT_ONCE = 128 * 2**20
_NUMBER_BYTES = 8


@register_layer
class Imputation(keras.layers.Layer):  # type: ignore[misc]
    """Puts a number in the place of every NaN: for each column the mean, median or most frequent of its training rows.

    The input is (batch, ..., columns), and so is the output; with `add_indicator` as many columns follow, 1 where there
    was nothing and 0 where there was something. Without `fill_value` it learns from the training rows, as Keras's
    Normalization does, leaving missing values out; a column of nothing but missing values is filled with 0.

    Little & Rubin (2019), "Statistical Analysis with Missing Data", 3rd edition, section 4.2.1 (mean imputation), and
    van Buuren (2018), "Flexible Imputation of Missing Data", section 1.3.7 (indicators).

    Args:
        strategy: What is learnt.
        fill_value: The number to use, instead of learning one.
        add_indicator: Whether to tell the model which values were missing.
    """

    def __init__(
        self,
        strategy: Literal["mean", "median", "most_frequent"] = "mean",
        fill_value: Annotated[float, Field(ge=-1e30, le=1e30)] | None = None,
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.strategy = strategy
        self.fill_value = fill_value
        self.add_indicator = add_indicator

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make room for what is learnt. Raises ValueError for an input that is no rows of columns."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(f"Imputation takes (batch, ..., columns), not {tuple(input_shape)}.")
        initial = keras.initializers.Constant(self.fill_value or 0.0)
        self.fill = self.add_weight(shape=(input_shape[-1],), initializer=initial, trainable=False, name="fill")

    def adapt(self, data: Any) -> None:
        """Learn from rows, (rows, ..., columns), with NaN where there is nothing; or from batches of such rows.

        Args:
            data: An array, or something that gives the batches each time that it is iterated over. For a mean it is
                gone through once; for what needs all of a column's values at once, as often as memory asks for it.
        """
        batches = [data] if hasattr(data, "shape") else data
        if not self.built:
            self.build((None, *np.shape(next(iter(batches)))[1:]))
        learn = _means if self.strategy == "mean" else self._one_by_one
        self.fill.assign(learn(batches).astype(np.float32))

    def call(self, inputs: Any) -> Any:
        """The filled columns, with their indicators where these are wanted."""
        missing = ops.isnan(inputs)
        filled = ops.where(missing, ops.cast(self.fill, inputs.dtype), inputs)
        if not self.add_indicator:
            return filled
        return ops.concatenate([filled, ops.cast(missing, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's, twice as wide with indicators."""
        *before, columns = input_shape
        return (*before, columns * 2 if self.add_indicator and columns is not None else columns)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        own = {"strategy": self.strategy, "fill_value": self.fill_value, "add_indicator": self.add_indicator}
        return {**super().get_config(), **own}

    def _one_by_one(self, batches: Iterable[Any]) -> np.ndarray:
        """What each column's own values say, some columns at a time."""
        rows = sum(math.prod(np.shape(batch)[:-1]) for batch in batches)
        at_once = max(1, _BYTES_AT_ONCE // max(1, rows * _NUMBER_BYTES))
        learnt: list[float] = []
        for first in range(0, self.fill.shape[0], at_once):
            # Copies: a view would hold on to all of the batch's columns.
            some = np.concatenate([flat[:, first : first + at_once].copy() for flat in _flat(batches)])
            learnt += [self._learnt(column[~np.isnan(column)]) for column in some.T]
        return np.array(learnt)

    def _learnt(self, there: np.ndarray) -> float:
        if not len(there):
            return 0.0
        if self.strategy == "median":
            return float(np.median(there))
        values, counts = np.unique(there, return_counts=True)
        return float(values[np.argmax(counts)])


def _means(batches: Iterable[Any]) -> np.ndarray:
    """The mean of what is there in each column, 0 where nothing is."""
    sums = [(np.nansum(flat, axis=0), np.sum(~np.isnan(flat), axis=0)) for flat in _flat(batches)]
    total, count = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
    means: np.ndarray = total / np.maximum(count, 1)
    return means


def _flat(batches: Iterable[Any]) -> Iterator[np.ndarray]:
    """Batches as rows of columns."""
    for batch in batches:
        rows = np.asarray(batch, np.float64)
        yield rows.reshape(-1, rows.shape[-1])
