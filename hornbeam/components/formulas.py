"""Losses, metrics, activations, schedules and optimizers that a spec writes as formulas.

Each class keeps the text, reads it again whenever it is made, so also when a saved model is loaded, and applies the
tree with `keras.ops`. Leaves the language to `hornbeam.components.expressions`, and trying a formula out before it is
used to `workers.training.probes`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import keras
from keras import ops
from pydantic import Field

from hornbeam.components.expression_words import FUNCTIONS, LONGEST_TEXT, MOST_PARAMS, MOST_SLOTS, OPERATORS
from hornbeam.components.expressions import Expression, Operations, parse_for, parse_update
from hornbeam.components.registry import (
    Holds,
    register_activation,
    register_loss,
    register_metric,
    register_optimizer,
    register_schedule,
)
from schemas.catalog import ComponentKind

Formula = Annotated[str, Field(max_length=LONGEST_TEXT)]
Params = Annotated[dict[str, float], Field(max_length=MOST_PARAMS)]
Slots = Annotated[dict[str, Formula], Field(max_length=MOST_SLOTS)]

_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")


def operations(dtype: str) -> Operations:
    """What the words of a formula do to tensors of a floating-point dtype. Conditions are 1 or 0 of that dtype."""
    table = {name: getattr(ops, name) for name in (*FUNCTIONS, *OPERATORS)}
    table |= {name: _condition(getattr(ops, name), dtype) for name in _COMPARISONS}
    table["where"] = lambda condition, a, b: ops.where(ops.not_equal(condition, 0), a, b)
    table["mean"] = lambda x: ops.mean(x, axis=-1, keepdims=True)
    table["sum"] = lambda x: ops.sum(x, axis=-1, keepdims=True)
    table["number"] = lambda value: ops.convert_to_tensor(value, dtype)
    return table


def _condition(compare: Any, dtype: str) -> Any:
    return lambda a, b: ops.cast(compare(a, b), dtype)


def aligned(y_true: Any, y_pred: Any, dtype: str) -> tuple[Any, Any]:
    """Labels and predictions of one dtype and shape, whatever the labels came as.

    Labels of shape `(…,)` or `(…, 1)` become `(…, 1)` where the predictions are that. Where the predictions have a
    column for each of k classes, they are class numbers and become one-hot rows, `(…, k)`. Raises ValueError for
    labels of any other shape.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.cast(y_pred, dtype)
    if len(y_pred.shape) == 1:
        y_pred = ops.expand_dims(y_pred, -1)
    columns = y_pred.shape[-1]
    one_column_missing = len(y_true.shape) == len(y_pred.shape) - 1
    if one_column_missing:
        y_true = ops.expand_dims(y_true, -1)
    if len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] not in (1, columns):
        raise ValueError(
            f"Labels of shape {tuple(y_true.shape)} do not fit predictions of shape {tuple(y_pred.shape)}."
        )
    if y_true.shape[-1] == columns:
        return ops.cast(y_true, dtype), y_pred
    return ops.one_hot(ops.cast(ops.squeeze(y_true, -1), "int32"), columns, dtype=dtype), y_pred


def _of_rows(expression: Expression, y_true: Any, y_pred: Any, dtype: str) -> Any:
    """What a formula makes of each row: its mean over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred, dtype)
    value = expression.evaluate(operations(dtype), {"y_true": y_true, "y_pred": y_pred})
    return ops.mean(value, axis=-1)


@register_loss(aliases=("Formula",))
class FormulaLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss written as a formula over y_true and y_pred.

    The formula is applied to every number by itself; its mean over the last axis is a row's loss, as for Keras's own
    losses. `mean(…)` and `sum(…)` go over the last axis, which stays with length 1. Where y_pred has a column for each
    class, y_true is one-hot. Binary cross-entropy, for example, is
    `-(y_true * log(p) + (1 - y_true) * log(1 - p))` with `clip(y_pred, 1e-7, 1 - 1e-7)` for p.

    Args:
        formula: The formula.
        params: Numbers that the formula uses by name.
    """

    def __init__(
        self,
        formula: Formula,
        params: Params = {},  # noqa: B006 - never changed
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "formula_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.formula = formula
        self.params = dict(params)
        self._expression = parse_for(ComponentKind.LOSS, formula, self.params)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row: `(batch, …)` without the last axis of `y_pred`."""
        return _of_rows(self._expression, y_true, y_pred, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """The source, to be read again."""
        return {**super().get_config(), "formula": self.formula, "params": dict(self.params)}


@register_metric(aliases=("Formula",))
class FormulaMetric(keras.metrics.MeanMetricWrapper):  # type: ignore[misc]
    """A metric written as a formula over y_true and y_pred: the mean over all rows, by their weights.

    A row's value is what it would be as a loss: the formula is applied to every number by itself and averaged over the
    last axis; `mean(…)` and `sum(…)` go over the last axis; where y_pred has a column for each class, y_true is
    one-hot. Conditions are 1 or 0: `(y_pred > 0.5) == y_true` is an accuracy.

    Args:
        formula: The formula.
        params: Numbers that the formula uses by name.
    """

    def __init__(
        self,
        formula: Formula,
        params: Params = {},  # noqa: B006 - never changed
        name: str | None = "formula_metric",
        dtype: Any = None,
    ) -> None:
        super().__init__(fn=self._measure, name=name, dtype=dtype)
        self.formula = formula
        self.params = dict(params)
        self._expression = parse_for(ComponentKind.METRIC, formula, self.params)

    def _measure(self, y_true: Any, y_pred: Any) -> Any:
        return _of_rows(self._expression, y_true, y_pred, self.dtype)

    def get_config(self) -> dict[str, Any]:
        """The source, to be read again."""
        return {"name": self.name, "dtype": self.dtype, "formula": self.formula, "params": dict(self.params)}


@register_activation(aliases=("Formula",))
class FormulaActivation:
    """An activation written as a formula over x, applied to every number by itself.

    `x * sigmoid(beta * x)`, for example, is Swish.

    Args:
        formula: The formula.
        params: Numbers that the formula uses by name.
    """

    def __init__(self, formula: Formula, params: Params = {}) -> None:  # noqa: B006 - never changed
        self.formula = formula
        self.params = dict(params)
        self._expression = parse_for(ComponentKind.ACTIVATION, formula, self.params)

    def __call__(self, x: Any) -> Any:
        """The activation of a floating-point tensor: the same shape and dtype."""
        return self._expression.evaluate(operations(keras.backend.standardize_dtype(x.dtype)), {"x": x})

    def get_config(self) -> dict[str, Any]:
        """The source, to be read again."""
        return {"formula": self.formula, "params": dict(self.params)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FormulaActivation":
        """Read the source again. Raises FormulaError."""
        return cls(**config)


@register_schedule(aliases=("Formula",))
class FormulaSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate written as a formula over step, the number of steps taken so far, from 0.

    `peak * minimum((step + 1) / warmup, sqrt(warmup / (step + 1)))`, for example, warms up and decays.

    Args:
        formula: The formula.
        params: Numbers that the formula uses by name.
    """

    def __init__(self, formula: Formula, params: Params = {}) -> None:  # noqa: B006 - never changed
        super().__init__()
        self.formula = formula
        self.params = dict(params)
        self._expression = parse_for(ComponentKind.SCHEDULE, formula, self.params)

    def __call__(self, step: Any) -> Any:
        """The learning rate at a step: a scalar."""
        dtype = keras.config.floatx()
        return self._expression.evaluate(operations(dtype), {"step": ops.cast(step, dtype)})

    def get_config(self) -> dict[str, Any]:
        """The source, to be read again."""
        return {"formula": self.formula, "params": dict(self.params)}


@register_optimizer(aliases=("Formula",))
class FormulaOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """An optimizer written as a formula for the new weight, and one for each slot that it remembers.

    The formulas know w (the weight), g (its gradient), lr (the learning rate now), t (the number of this step, from
    1) and the slots, which start at 0. First every slot gets its new value, all from the values before the step, in no
    order; then the weight does, from the new slots. Plain descent is `w - lr * g`. Momentum is the slot
    `m: mu * m + g` with `w - lr * m`. Exponents are constant, so the `b1 ** t` of Adam is written `exp(t * log(b1))`.

    Args:
        formula: The new weight.
        slots: The new value of each slot, by name.
        params: Numbers that the formulas use by name.
        learning_rate: The learning rate, or a schedule.
    """

    def __init__(
        self,
        formula: Formula,
        slots: Slots = {},  # noqa: B006 - never changed
        params: Params = {},  # noqa: B006 - never changed
        learning_rate: Annotated[float, Field(gt=0), Holds(ComponentKind.SCHEDULE)] = 0.001,
        name: str = "formula_optimizer",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.formula = formula
        self.slots = dict(slots)
        self.params = dict(params)
        self._update = parse_update(formula, self.slots, self.params)
        self._slot_variables: dict[str, list[Any]] = {}

    def build(self, variables: list[Any]) -> None:
        """Make the slots of these variables."""
        if self.built:
            return
        super().build(variables)
        # By name, as JSON objects have no order: a checkpoint numbers these variables.
        names = sorted(self.slots)
        self._slot_variables = dict(zip(names, self.add_optimizer_variables(variables, names), strict=True))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable and its slots."""
        dtype = variable.dtype
        table = operations(dtype)
        index = self._get_variable_index(variable)
        slots = {name: variables[index] for name, variables in self._slot_variables.items()}
        bindings = {
            "w": ops.convert_to_tensor(variable),
            "g": ops.cast(ops.convert_to_tensor(gradient, sparse=False), dtype),
            "lr": ops.cast(learning_rate, dtype),
            "t": ops.cast(self.iterations + 1, dtype),
        }
        before = bindings | {name: ops.convert_to_tensor(slot) for name, slot in slots.items()}
        after = {name: self._update.slots[name].evaluate(table, before) for name in slots}
        for name, slot in slots.items():
            self.assign(slot, ops.broadcast_to(after[name], slot.shape))
        weight = self._update.weight.evaluate(table, bindings | after)
        self.assign(variable, ops.broadcast_to(weight, variable.shape))

    def get_config(self) -> dict[str, Any]:
        """The sources, to be read again."""
        sources = {"formula": self.formula, "slots": dict(self.slots), "params": dict(self.params)}
        return {**super().get_config(), **sources}
