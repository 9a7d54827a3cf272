"""A layer that fills in missing numbers with what it learnt from the training rows.

Keras has none, and a row with a NaN makes the loss one. Leaves text, whose missing values are empty, to Keras's
lookups.
"""

from typing import Annotated, Any, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field

from hornbeam.components.registry import register_layer


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
        """Learn from rows, (rows, ..., columns), with NaN where there is nothing."""
        rows = np.asarray(data, np.float64)
        if not self.built:
            self.build((None, *rows.shape[1:]))
        rows = rows.reshape(-1, rows.shape[-1])
        self.fill.assign(np.array([self._learnt(column) for column in rows.T], np.float32))

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

    def _learnt(self, column: np.ndarray) -> float:
        there = column[~np.isnan(column)]
        if not len(there):
            return 0.0
        if self.strategy == "most_frequent":
            values, counts = np.unique(there, return_counts=True)
            return float(values[np.argmax(counts)])
        return float(np.mean(there) if self.strategy == "mean" else np.median(there))
