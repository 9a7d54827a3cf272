"""Layers for convolutional and residual networks: channel attention, and residual branches that are left out at random.

Leaves everything about sequences to `hornbeam.components.transformer`.
"""

from typing import Annotated, Any

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.registry import Holds, register_layer
from schemas.catalog import ComponentKind


@register_layer
class SqueezeExcitation(keras.layers.Layer):  # type: ignore[misc]
    """Rescales each channel by a gate that is computed from the means of all channels.

    With z the mean of every channel over all positions, the output is `x * g(W2 a(W1 z + b1) + b2)`, where W1 reduces
    the channels by `ratio`, a is `activation` and g is `gate_activation`. The input is (batch, positions…, channels)
    with one to three axes of positions, and so is the output. Steps of a sequence that are masked do not count.

    Hu, Shen, Albanie, Sun & Wu (2017), "Squeeze-and-Excitation Networks", arXiv:1709.01507, equations 2 to 4. The
    biases, which the equations leave out, are those of the authors' code.

    Args:
        ratio: How many times fewer units than channels the gate's hidden layer has; at least one unit is left.
        activation: The activation of the hidden layer.
        gate_activation: The activation that makes the gate.
    """

    def __init__(
        self,
        ratio: Annotated[int, Field(ge=1)] = 16,
        activation: Annotated[str, Holds(ComponentKind.ACTIVATION)] = "relu",
        gate_activation: Annotated[str, Holds(ComponentKind.ACTIVATION)] = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ratio = ratio
        self.activation = keras.activations.get(activation)
        self.gate_activation = keras.activations.get(gate_activation)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the gate's two layers. Raises ValueError for an input without positions or of unknown channels."""
        if not 3 <= len(input_shape) <= 5 or input_shape[-1] is None:
            raise ValueError(
                "SqueezeExcitation takes (batch, positions…, channels) with one to three axes of positions and a "
                f"known number of channels, not {tuple(input_shape)}."
            )
        channels = input_shape[-1]
        units = max(1, channels // self.ratio)
        self.squeeze = keras.layers.Dense(units, self.activation, dtype=self.dtype_policy, name="squeeze")
        self.excite = keras.layers.Dense(channels, self.gate_activation, dtype=self.dtype_policy, name="excite")
        self.squeeze.build((input_shape[0], channels))
        self.excite.build((input_shape[0], units))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The rescaled input, of its shape."""
        positions = tuple(range(1, len(inputs.shape) - 1))
        gate = self.excite(self.squeeze(_means(inputs, positions, mask)))
        return inputs * ops.expand_dims(gate, positions)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {
            **super().get_config(),
            "ratio": self.ratio,
            "activation": keras.activations.serialize(self.activation),
            "gate_activation": keras.activations.serialize(self.gate_activation),
        }


def _means(inputs: Any, positions: tuple[int, ...], mask: Any) -> Any:
    """The mean of each channel over the positions that the mask, `(batch, positions…)` or `(batch, steps)`, leaves."""
    if mask is None:
        return ops.mean(inputs, axis=positions)
    # In float32: a float16 sum over a long sequence overflows.
    counted = ops.cast(mask, "float32")
    counted = ops.expand_dims(counted, tuple(range(len(mask.shape), len(inputs.shape))))
    counted = ops.broadcast_to(counted, (*ops.shape(inputs)[:-1], 1))
    total = ops.sum(ops.cast(inputs, "float32") * counted, axis=positions)
    return ops.cast(total / ops.maximum(ops.sum(counted, axis=positions), 1.0), inputs.dtype)


@register_layer(aliases=("DropPath", "drop_path"))
class StochasticDepth(keras.layers.Layer):  # type: ignore[misc]
    """Sets whole rows of a batch to zero at random while training, which leaves a residual branch out for them.

    Put it at the end of a branch, before the addition. A row is kept with the probability `1 - rate` and then divided
    by it, so that the expected output is the input; without training the output is the input. The paper instead
    multiplies by that probability without training, which is the same up to a scale.

    Huang, Sun, Liu, Sedra & Weinberger (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382, equations 2
    and 5; by row rather than by batch as in Larsson, Maire & Shakhnarovich (2016), "FractalNet", arXiv:1605.07648.

    Args:
        rate: The probability that a row is set to zero.
        seed: The seed of its random numbers.
    """

    def __init__(
        self,
        rate: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The input with rows of zeros in training, the input itself otherwise."""
        if not training or self.rate == 0:
            return inputs
        by_row = (None, *(1 for _ in inputs.shape[1:]))
        return keras.random.dropout(inputs, self.rate, noise_shape=by_row, seed=self.seed_generator)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@register_layer
class LayerScale(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a weight of its own that begins small, so that a deep residual network starts shallow.

    Put it at the end of a residual branch, before the addition: the output is `x * s`, with one s for each number of
    the last axis. The output has the input's shape.

    Touvron, Cord, Sablayrolles, Synnaeve & Jégou (2021), "Going deeper with Image Transformers", arXiv:2103.17239,
    equation 4.

    Args:
        initial_value: What every weight begins as.
    """

    def __init__(self, initial_value: Annotated[float, Field(ge=-1, le=1)] = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_value = initial_value
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make a weight for each channel."""
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.initial_value), name="scale"
        )

    def call(self, inputs: Any) -> Any:
        """The scaled channels."""
        return inputs * self.scale

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "initial_value": self.initial_value}
