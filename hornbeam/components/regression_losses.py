"""Losses that Keras lacks for numbers to predict: quantiles, and the wing losses of landmark positions and heat maps.

Leaves losses for classes to `hornbeam.components.losses`.
"""

import math
from typing import Annotated, Any

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.registry import register_loss


@register_loss(aliases=("pinball",))
class Quantile(keras.losses.Loss):  # type: ignore[misc]
    """The pinball loss, whose minimum is at quantiles of the label instead of at its mean.

    The mean of max(q e, (q - 1) e) over the quantiles q, where e is the label minus the prediction. The output has
    one number for each quantile in its last axis, and the labels one number for all of them.

    Source: Koenker & Bassett (1978), "Regression Quantiles", Econometrica 46(1).

    Args:
        quantiles: The quantiles to predict, in the order of the outputs; 0.5 is the median.
    """

    def __init__(
        self,
        quantiles: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1, max_length=1000)] = (
            0.5,
        ),
        reduction: str = "sum_over_batch_size",
        name: str = "quantile",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.quantiles = tuple(quantiles)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The output's shape without its last axis."""
        outputs = y_pred.shape[-1]
        if len(self.quantiles) not in (1, outputs):
            raise ValueError(f"There are {len(self.quantiles)} quantiles, and the output has {outputs} numbers a row.")
        y_true = _in_rank_of(y_true, y_pred)
        if len(self.quantiles) > 1 and y_true.shape[-1] not in (1, None):
            raise ValueError(f"Several quantiles of one number are predicted; the labels' shape is {y_true.shape}.")
        quantiles = ops.convert_to_tensor(self.quantiles, dtype=y_pred.dtype)
        errors = y_true - y_pred
        return ops.mean(ops.maximum(quantiles * errors, (quantiles - 1) * errors), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "quantiles": list(self.quantiles)}


@register_loss
class Wing(keras.losses.Loss):  # type: ignore[misc]
    """The wing loss: small errors count more than in the absolute error, large ones the same.

    With the error e, width ln(1 + |e| / epsilon) where |e| < width, else |e| - C, with the constant C that joins the
    two; the mean over the last axis.

    Source: Feng, Kittler, Awais, Huber & Wu (2018), "Wing Loss for Robust Facial Landmark Localisation with
    Convolutional Neural Networks", arXiv:1711.06753, where the width is called w.

    Args:
        width: Errors below it are small, in the labels' unit.
        epsilon: The smaller, the sharper the bend at an error of 0.
    """

    def __init__(
        self,
        width: Annotated[float, Field(gt=0)] = 10.0,
        epsilon: Annotated[float, Field(gt=0)] = 2.0,
        reduction: str = "sum_over_batch_size",
        name: str = "wing",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.width = width
        self.epsilon = epsilon

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The output's shape without its last axis."""
        errors = ops.abs(_in_rank_of(y_true, y_pred) - y_pred)
        small = self.width * ops.log1p(errors / self.epsilon)
        joint = self.width - self.width * math.log1p(self.width / self.epsilon)
        return ops.mean(ops.where(errors < self.width, small, errors - joint), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "width": self.width, "epsilon": self.epsilon}


@register_loss
class AdaptiveWing(keras.losses.Loss):  # type: ignore[misc]
    """The adaptive wing loss for heat maps: strict about foreground, lenient about background.

    With the error e and the label y from 0 to 1 (beyond, it counts as the nearer of them), omega ln(1 + |e /
    epsilon|^(alpha - y)) where |e| < theta, else A |e| - C, with the A and C that join the two smoothly; the mean over
    the last axis.

    Source: Wang, Bo & Fuxin (2019), "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression",
    arXiv:1904.07399.

    Args:
        alpha: Slightly above 2, so that the loss is smooth at an error of 0 for labels up to 1.
        omega: The height of the loss of small errors.
        epsilon: The smaller, the sharper the bend near an error of 0.
        theta: Errors below it are small.
    """

    def __init__(
        self,
        alpha: Annotated[float, Field(gt=2, le=10)] = 2.1,
        omega: Annotated[float, Field(gt=0)] = 14.0,
        epsilon: Annotated[float, Field(gt=0)] = 1.0,
        theta: Annotated[float, Field(gt=0)] = 0.5,
        reduction: str = "sum_over_batch_size",
        name: str = "adaptive_wing",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.alpha = alpha
        self.omega = omega
        self.epsilon = epsilon
        self.theta = theta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The output's shape without its last axis."""
        y_true = _in_rank_of(y_true, y_pred)
        errors = ops.abs(y_true - y_pred)
        exponent = self.alpha - ops.clip(y_true, 0.0, 1.0)
        # A large error in the branch for small ones would overflow, and spoil the gradient of both.
        small = self.omega * ops.log1p(ops.power(ops.minimum(errors, self.theta) / self.epsilon, exponent))
        ratio = self.theta / self.epsilon
        joint = ops.power(ratio, exponent)
        slope = self.omega * exponent * joint / (self.theta * (1 + joint))
        large = slope * (errors - self.theta) + self.omega * ops.log1p(joint)
        return ops.mean(ops.where(errors < self.theta, small, large), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "omega": self.omega,
            "epsilon": self.epsilon,
            "theta": self.theta,
        }


def _in_rank_of(y_true: Any, y_pred: Any) -> Any:
    """Labels of one number for each row, with the last axis that the output has.

    Without it (rows,) minus (rows, 1) would be a square. Raises ValueError where the shapes do not fit.
    """
    truth, output = tuple(y_true.shape), tuple(y_pred.shape)
    if len(truth) == len(output) - 1:
        return ops.expand_dims(y_true, -1)
    if len(truth) != len(output) or truth[-1] not in (output[-1], 1, None):
        raise ValueError(f"Labels of shape {truth} do not fit an output of shape {output}.")
    return y_true
