"""One definition gives the schema, the validation, the docs and the code."""

from typing import Annotated, Any, Literal

import keras
import pytest
from pydantic import Field

from hornbeam.components.registry import (
    Holds,
    collecting_refusals,
    forget_module,
    register_activation,
    register_layer,
    register_loss,
    register_metric,
    register_optimizer,
    registrations,
)
from hornbeam.errors import ComponentRefused
from schemas.catalog import ComponentKind


class Tilted(keras.losses.Loss):
    """The tilted loss. It is minimal at a quantile.

    Args:
        q: The quantile.
    """

    def __init__(
        self,
        q: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        side: Literal["left", "right"] | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        weights: dict[str, float] | None = None,
        shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=3)] | None = None,
        label: str = "a",
        reduction: str = "sum_over_batch_size",
        name: str = "tilted",
    ) -> None:
        super().__init__(reduction=reduction, name=name)


class Holder(keras.layers.Layer):
    """Holds components."""

    def __init__(
        self,
        activation: Annotated[str | None, Holds(ComponentKind.ACTIVATION)] = "relu",
        inner: Annotated[Any, Holds(ComponentKind.LAYER)] = None,
        rate: Annotated[float, Field(gt=0), Holds(ComponentKind.SCHEDULE)] = 0.1,
        parts: list[Annotated[Any, Holds(ComponentKind.LAYER)]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)


@pytest.fixture(autouse=True)
def forgotten():
    yield
    forget_module(__name__)


def entry_of(component):
    return next(one.entry for one in registrations() if one.component is component)


def schemas_of(component):
    return {parameter.name: parameter.json_schema for parameter in entry_of(component).parameters}


def test_names_docs_and_defaults():
    register_loss(aliases=("check_loss",))(Tilted)
    entry = entry_of(Tilted)
    assert (entry.kind, entry.name) == (ComponentKind.LOSS, "hornbeam>Tilted")
    assert entry.aliases == ["Tilted", "check_loss", "tilted"]
    assert (entry.summary, entry.description) == ("The tilted loss.", "It is minimal at a quantile.")
    first = entry.parameters[0]
    assert (first.name, first.default, first.required, first.description) == ("q", 0.5, False, "The quantile.")


def test_annotations_become_json_schema():
    register_loss(Tilted)
    assert schemas_of(Tilted) == {
        "q": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "side": {"enum": ["left", "right", None]},
        "bounds": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "weights": {
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {"type": "number"},
                    "propertyNames": {"type": "string", "maxLength": 256},
                    "maxProperties": 64,
                },
                {"type": "null"},
            ]
        },
        "shape": {
            "anyOf": [
                {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 3},
                {"type": "null"},
            ]
        },
        "label": {"type": "string", "maxLength": 256},
        "reduction": {"enum": ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"]},
    }


def test_parameters_that_hold_components():
    register_layer(Holder)
    parameters = {parameter.name: parameter for parameter in entry_of(Holder).parameters}
    assert parameters["activation"].json_schema == {"type": "null"}
    assert parameters["activation"].accepts == [ComponentKind.ACTIVATION]
    assert parameters["inner"].json_schema == {"not": {}}
    assert parameters["rate"].json_schema == {"type": "number", "exclusiveMinimum": 0}
    assert parameters["rate"].accepts == [ComponentKind.SCHEDULE]
    assert parameters["parts"].accepts == [ComponentKind.LAYER]
    assert "dtype" in parameters


def test_keras_knows_the_class_by_our_name():
    register_loss(Tilted)
    assert keras.saving.get_registered_name(Tilted) == "hornbeam>Tilted"
    config = keras.saving.serialize_keras_object(Tilted())
    assert isinstance(keras.saving.deserialize_keras_object(config), Tilted)


def test_an_optimizer_takes_what_its_base_class_takes():
    class Plain(keras.optimizers.Optimizer):
        """It only counts."""

        def __init__(self, learning_rate: Annotated[float, Holds(ComponentKind.SCHEDULE)] = 0.1, **kwargs: Any):
            super().__init__(learning_rate=learning_rate, **kwargs)

    register_optimizer(at_top_level(Plain))
    assert {"learning_rate", "weight_decay", "clipnorm", "use_ema", "gradient_accumulation_steps"} <= set(
        schemas_of(Plain)
    )
    assert "name" not in schemas_of(Plain)


def refused(decorate, component):
    with pytest.raises(ComponentRefused) as caught:
        decorate(component)
    return caught.value.message


def at_top_level(component):
    component.__qualname__ = component.__name__
    return component


def test_refusals_say_why():
    class Unannotated(keras.losses.Loss):
        """One."""

        def __init__(self, q=1):
            super().__init__()

    class Callable(keras.losses.Loss):
        """One."""

        def __init__(self, function: Any = None):
            super().__init__()

    class Undocumented(keras.losses.Loss):
        pass

    Undocumented.__doc__ = None

    class Dice(keras.losses.Loss):
        """One."""

    class Shape:
        """One."""

    assert "q has no annotation" in refused(register_loss, at_top_level(Unannotated))
    assert "function says neither" in refused(register_loss, at_top_level(Callable))
    assert "no docstring" in refused(register_loss, at_top_level(Undocumented))
    assert "Keras has a loss called Dice already" in refused(register_loss, at_top_level(Dice))
    assert "inherits from keras.losses.Loss" in refused(register_loss, Holder)
    assert "__call__ and get_config" in refused(register_activation, at_top_level(Shape))
    assert "top level" in refused(register_loss, type("Local", (keras.losses.Loss,), {"__qualname__": "f.Local"}))


def test_a_name_is_registered_once_a_kind():
    register_loss(Tilted)
    other = type("Tilted", (keras.losses.Loss,), {"__doc__": "One.", "__module__": "another"})
    assert "has registered hornbeam>Tilted, a loss called Tilted, already" in refused(register_loss, other)
    register_loss(Tilted)


def test_a_name_is_registered_for_one_kind():
    register_loss(Tilted)
    metric = type("Tilted", (keras.metrics.Metric,), {"__doc__": "One.", "__module__": "another"})
    assert "another" not in refused(register_metric, metric)
    assert "a loss called Tilted" in refused(register_metric, metric)


@pytest.mark.parametrize(
    ("register", "base", "parameters"),
    [
        (register_layer, keras.layers.Layer, ["dtype"]),
        (register_loss, keras.losses.Loss, ["reduction"]),
        (register_metric, keras.metrics.Metric, ["name"]),
    ],
)
def test_a_class_without_parameters_needs_no_constructor(register, base, parameters):
    plain = at_top_level(type("Plain", (base,), {"__doc__": "One.", "__module__": __name__}))
    register(plain)
    assert [parameter.name for parameter in entry_of(plain).parameters] == parameters


def test_what_keras_names_without_annotations_is_asked_for():
    class Wide(keras.layers.Dense):
        """One."""

    assert "units has no annotation" in refused(register_layer, at_top_level(Wide))


def test_refusals_can_be_collected():
    with collecting_refusals() as refusals:
        register_metric(Tilted)
        register_loss(Tilted)
    assert [(one.component, one.module) for one in refusals] == [("Tilted", __name__)]
    assert [one.component for one in registrations() if one.module == __name__] == [Tilted]


def test_a_module_can_be_forgotten():
    register_loss(Tilted)
    forget_module(__name__)
    assert all(one.module != __name__ for one in registrations())
