"""Activations that Keras lacks. Each is an object with fixed parameters, which a saved model holds with its layer.

They compute in 32 bits or more, and give back the dtype that they got: half precision can't hold every frequency that a
spec may name, nor tell the angles apart that come of those that it can.
"""

from collections.abc import Callable
from typing import Annotated, Any, Self

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.registry import register_activation

_FLAT = 20.0
"""In widths of a bell, which is 0 in 32 bits from 15 on; further out its gradient would be infinite times 0."""


class _Activation:
    """What Keras asks of an object that it saves."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The activation with these parameters."""
        return cls(**config)


@register_activation
class Gaussian(_Activation):
    """The bell curve exp(-x^2 / (2 sigma^2)): for functions of coordinates, and where distance from zero counts.

    Source: Ramasinghe & Lucey (2021), "Beyond Periodicity: Towards a Unifying Framework for Activations in
    Coordinate-MLPs", arXiv:2111.15135.

    Args:
        sigma: The width of the bell.
    """

    def __init__(self, sigma: Annotated[float, Field(ge=1e-3, le=1e6)] = 1.0) -> None:
        self.sigma = sigma

    def __call__(self, x: Any) -> Any:
        """The activation of each number."""
        return _precisely(lambda x: ops.exp(-ops.square(ops.clip(x / self.sigma, -_FLAT, _FLAT)) / 2), x)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {"sigma": self.sigma}


@register_activation
class Sine(_Activation):
    """The sine sin(frequency x): for functions of coordinates with detail, such as images and sounds.

    Source: Sitzmann, Martel, Bergman, Lindell & Wetzstein (2020), "Implicit Neural Representations with Periodic
    Activation Functions", arXiv:2006.09661, which draws the kernels from a uniform distribution of +-sqrt(6 / inputs) /
    frequency, and those of the first layer of +-1 / inputs.

    Args:
        frequency: Called omega_0 in the paper, where it is 30.
    """

    def __init__(self, frequency: Annotated[float, Field(gt=0, le=1e6)] = 30.0) -> None:
        self.frequency = frequency

    def __call__(self, x: Any) -> Any:
        """The activation of each number."""
        return _precisely(lambda x: ops.sin(self.frequency * x), x)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {"frequency": self.frequency}


@register_activation
class Snake(_Activation):
    """The line with waves x + sin(frequency x)^2 / frequency: learns periods, and goes on beyond the training data.

    Source: Ziyin, Hartwig & Ueda (2020), "Neural Networks Fail to Learn Periodic Functions and How to Fix It",
    arXiv:2006.08195.

    Args:
        frequency: Called a in the paper, which advises 5 to 50 for periodic data.
    """

    def __init__(self, frequency: Annotated[float, Field(ge=1e-3, le=1e6)] = 1.0) -> None:
        self.frequency = frequency

    def __call__(self, x: Any) -> Any:
        """The activation of each number."""
        return _precisely(lambda x: x + ops.square(ops.sin(self.frequency * x)) / self.frequency, x)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {"frequency": self.frequency}


@register_activation
class SMU(_Activation):
    """The smooth maximum unit: a leaky ReLU without its corner.

    ((1 + alpha) x + (1 - alpha) x erf(mu (1 - alpha) x)) / 2. The larger mu, the closer it is to the leaky ReLU; with
    alpha 0 and mu 1 / sqrt(2) it is the GELU.

    Source: Biswas, Kumar, Banerjee & Pandey (2021), "SMU: smooth activation function for deep networks using smoothing
    maximum technique", arXiv:2111.04682, where mu is trained; here it is fixed.

    Args:
        alpha: The slope far below zero.
        mu: The sharpness of the bend at zero.
    """

    def __init__(
        self,
        alpha: Annotated[float, Field(ge=0, lt=1)] = 0.25,
        mu: Annotated[float, Field(gt=0, le=1e6)] = 1.0,
    ) -> None:
        self.alpha = alpha
        self.mu = mu

    def __call__(self, x: Any) -> Any:
        """The activation of each number."""
        rest = 1 - self.alpha
        return _precisely(lambda x: ((1 + self.alpha) * x + rest * x * ops.erf(self.mu * rest * x)) / 2, x)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {"alpha": self.alpha, "mu": self.mu}


@register_activation(aliases=("star_relu",))
class StarReLU(_Activation):
    """The squared ReLU scale relu(x)^2 + bias, by default with mean 0 and variance 1 for normal inputs.

    With a scale of 1 and a bias of 0 it is the squared ReLU of Primer.

    Sources: Yu et al. (2022), "MetaFormer Baselines for Vision", arXiv:2210.13452, where both parameters are trained;
    here they are fixed. So et al. (2021), "Primer: Searching for Efficient Transformers for Language Modeling",
    arXiv:2109.08668.

    Args:
        scale: Called s in the paper.
        bias: Called b in the paper.
    """

    def __init__(
        self,
        scale: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.8944,
        bias: Annotated[float, Field(ge=-1e6, le=1e6)] = -0.4472,
    ) -> None:
        self.scale = scale
        self.bias = bias

    def __call__(self, x: Any) -> Any:
        """The activation of each number."""
        return _precisely(lambda x: self.scale * ops.square(ops.relu(x)) + self.bias, x)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {"scale": self.scale, "bias": self.bias}


def _precisely(function: Callable[[Any], Any], x: Any) -> Any:
    """The function of a tensor of any precision, computed in at least 32 bits."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.cast(function(ops.cast(x, keras.backend.result_type(dtype, "float32"))), dtype)
