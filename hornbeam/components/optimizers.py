"""Optimizers that Keras lacks: AdaBelief, and sharpness-aware descent with momentum.

Leaves optimizers that wrap others to `hornbeam.components.optimizer_wrappers`.
"""

from typing import Annotated, Any

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.registry import Holds, register_optimizer
from schemas.catalog import ComponentKind

_TINY = 1e-30
"""Keeps 0 / 0 from being NaN."""
_LEAST = {"float16": 6.2e-5}
"""What is 0, or next to it, in weights of these dtypes, and keeps nothing from being divided by 0."""


def dense(gradient: Any, variable: Any) -> Any:
    """A variable's gradient, of its shape and dtype; TensorFlow's embeddings give only the rows that were looked up."""
    gradient = ops.convert_to_tensor(gradient, sparse=False)
    return ops.cast(ops.reshape(gradient, variable.shape), variable.dtype)


@register_optimizer
class AdaBelief(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Adam with steps that are large where the gradient is as its moving average foretold.

    Where Adam divides by the root of the mean of g ** 2, it divides by the root of `s = beta_2 * s + (1 - beta_2) *
    (g - m) ** 2 + epsilon`, with m the moving average of the gradients; m and s are corrected for their start at 0.

    Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris & Duncan (2020), "AdaBelief Optimizer: Adapting Stepsizes by
    the Belief in Observed Gradients", arXiv:2010.07468, algorithm 2. The default epsilon is that of the authors' code.

    Args:
        learning_rate: The learning rate, or a schedule.
        beta_1: The decay of the average of the gradients.
        beta_2: The decay of the average of their squared deviations.
        epsilon: What is added to the squared deviations, and to their root. At least 6.2e-5 for weights in float16.
    """

    def __init__(
        self,
        learning_rate: Annotated[float, Field(gt=0), Holds(ComponentKind.SCHEDULE)] = 0.001,
        beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999,
        epsilon: Annotated[float, Field(gt=0)] = 1e-16,
        name: str = "adabelief",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: list[Any]) -> None:
        """Make the two averages of each variable."""
        if self.built:
            return
        super().build(variables)
        self._means, self._deviations = self.add_optimizer_variables(variables, ["mean", "deviation"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable and its averages."""
        index = self._get_variable_index(variable)
        mean, deviation = self._means[index], self._deviations[index]
        gradient = dense(gradient, variable)
        epsilon = max(self.epsilon, _LEAST.get(keras.backend.standardize_dtype(variable.dtype), 0.0))
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign(mean, self.beta_1 * mean + (1 - self.beta_1) * gradient)
        squared = ops.square(gradient - mean)
        self.assign(deviation, self.beta_2 * deviation + (1 - self.beta_2) * squared + epsilon)
        corrected = deviation / (1 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        rate = ops.cast(learning_rate, variable.dtype) / (1 - ops.power(ops.cast(self.beta_1, variable.dtype), step))
        self.assign_sub(variable, rate * mean / (ops.sqrt(corrected) + epsilon))

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@register_optimizer(aliases=("MSAM", "msam"))
class MomentumSAM(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Sharpness-aware descent with momentum, whose perturbation is the momentum: one gradient a step, not two.

    SAM takes gradients where a step along the gradient makes the loss worse, which costs a second gradient. This
    variant takes them at `w - rho * m / |m|`, with m the momentum of the step before and |m| its norm over all
    variables; then `m = momentum * m + g` and `w = w - learning_rate * m`. Validation and checkpoints see the
    perturbed weights while training, so that they look somewhat worse; the weights that training ends with are w, or
    with `use_ema` its moving average.

    Becker, Altrock & Risse (2024), "Momentum-SAM: Sharpness Aware Minimization without Computational Overhead",
    arXiv:2401.12033, algorithm 1; SAM itself: Foret, Kleiner, Mobahi & Neyshabur (2020), arXiv:2010.01412.

    Args:
        learning_rate: The learning rate, or a schedule.
        momentum: How much of the momentum a step keeps.
        rho: The length of the perturbation.
    """

    # The variables hold the perturbed weights, and a slot of each holds w. What a checkpoint measures and keeps thus
    # belongs together, and training goes on from it exactly. The variables are never read after the first step, so
    # that it does no harm if training goes on after `finalize_variable_values`.

    def __init__(
        self,
        learning_rate: Annotated[float, Field(gt=0), Holds(ComponentKind.SCHEDULE)] = 0.01,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        rho: Annotated[float, Field(ge=0)] = 0.3,
        name: str = "momentum_sam",
        **kwargs: Any,
    ) -> None:
        if kwargs.get("ema_overwrite_frequency"):
            raise ValueError("MomentumSAM does not go on from averages: leave ema_overwrite_frequency out.")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.rho = rho

    def build(self, variables: list[Any]) -> None:
        """Make the momentum of each variable, and its weights without the perturbation."""
        if self.built:
            return
        super().build(variables)
        self._momenta, self._weights = self.add_optimizer_variables(variables, ["momentum", "weights"])

    def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        for weights, variable in zip(self._weights, self._trainable_variables, strict=True):
            if weights is not None:
                self.assign(weights, self._unperturbed(weights, variable))
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        squares = [ops.sum(ops.square(ops.cast(m, "float32"))) for m in self._momenta if m is not None]
        scale = self.rho / ops.sqrt(ops.maximum(sum(squares), _TINY))
        for variable in trainable_variables:
            index = self._get_variable_index(variable)
            perturbation = ops.cast(scale, variable.dtype) * self._momenta[index]
            self.assign(variable, self._weights[index] - perturbation)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change the momentum and the weights of one variable; the variable itself moves when all of them have."""
        index = self._get_variable_index(variable)
        momentum, weights = self._momenta[index], self._weights[index]
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign(momentum, self.momentum * momentum + dense(gradient, variable))
        decay = self.weight_decay if self.weight_decay and self._use_weight_decay(variable) else 0.0
        stepped = weights - rate * (momentum + decay * weights)
        constraint = self._trainable_variables[index].constraint
        self.assign(weights, stepped if constraint is None else constraint(stepped))

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: Keras would decay the perturbed weights, and `update_step` decays the others."""

    def _unperturbed(self, weights: Any, variable: Any) -> Any:
        """The slot's weights; before the first step the variable, which was perhaps loaded after the slot was made."""
        return ops.where(ops.equal(self.iterations, 0), ops.convert_to_tensor(variable), ops.convert_to_tensor(weights))

    def _update_model_variables_moving_average(self, _variables: list[Any]) -> None:
        """Average the weights without their perturbation."""
        super()._update_model_variables_moving_average(self._weights)

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Take the perturbation from variables, or set them to their average; `fit` asks for that at its end."""
        for variable in var_list:
            weights = self._weights[self._get_variable_index(variable)]
            if weights is not None:
                self.assign(variable, self._unperturbed(weights, variable))
        super().finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """The parameters."""
        return {**super().get_config(), "momentum": self.momentum, "rho": self.rho}
