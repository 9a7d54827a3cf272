"""Builds Keras objects from a normalised spec, through the catalogue only.

A component is `{"type": canonical name, **parameters}` at every level. What is imported comes from the catalogue's
`path`, never from the spec, and no mapping of a client's is ever handed to Keras, where `get(mapping)` would
deserialise it. Leaves checking parameters to `hornbeam.specs` and proving shapes to `workers.training.proof`.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any, Protocol

import keras

from hornbeam.specs.outputs import mapped_losses, mapped_metrics
from hornbeam.specs.values import fits
from schemas.catalog import ComponentEntry, ComponentKind, Parameter
from schemas.problems import Finding
from workers.training.backends import UNUSABLE
from workers.training.failures import plain_message

RESOLVED_BY_LABELS = frozenset({"accuracy", "acc", "crossentropy", "ce"})
"""Metrics that Keras itself makes out of the shape of the labels and the output."""

_LAYER_EXTRAS = frozenset({"name", "trainable"})
_ACTIVATION_LAYERS = {
    "elu": "ELU",
    "leaky_relu": "LeakyReLU",
    "relu": "ReLU",
    "softmax": "Softmax",
}
"""Activations with a layer that has the same parameters, so that a saved model needs Keras alone."""


class Components(Protocol):
    """What building needs of the catalogue."""

    def find(self, kind: ComponentKind, name: str) -> ComponentEntry | None:
        """The component with this canonical name or alias."""


class BuildError(Exception):
    """A component can't be built, or does not fit where it stands."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.message)


def build_error(pointer: str, code: str, message: str, suggestion: str | None = None) -> BuildError:
    """A BuildError for the component at `pointer`."""
    return BuildError(Finding(pointer=pointer, code=code, message=message, suggestion=suggestion))


class Builder:
    """Builds whatever a normalised spec names."""

    def __init__(self, components: Components, backend: str | None = None) -> None:
        """Build with what `components` knows, and what works on a backend: the one in use where it is left out."""
        self._components = components
        self._backend = backend or keras.config.backend()
        self.nested: Callable[[Mapping[str, Any], str], Any] = _no_models
        """Makes the model that stands in a layer's place; `workers.training.assembly` can."""

    def component(self, kinds: Sequence[ComponentKind], spec: Mapping[str, Any], pointer: str) -> Any:
        """One component of one of `kinds`. Raises BuildError."""
        if "model" in spec and ComponentKind.LAYER in kinds:
            return self.nested(spec, pointer)
        entry = self._find(kinds, spec, pointer)
        parameters = dict(self._parameters(entry, spec, pointer))
        target = _resolve(entry.path)
        if isinstance(target, FunctionType) and entry.kind is ComponentKind.ACTIVATION:
            return _function(target, entry, parameters, pointer)
        return _construct(target, entry, parameters, pointer)

    def layer(self, spec: Mapping[str, Any], pointer: str) -> Any:
        """One layer, not built yet. Raises BuildError."""
        return self.component([ComponentKind.LAYER], spec, pointer)

    def loss(self, spec: Mapping[str, Any]) -> Any:
        """The loss, or a mapping from outputs to theirs. Raises BuildError."""
        return mapped_losses(spec, self.loss_of)

    def loss_of(self, loss: Mapping[str, Any], pointer: str) -> Any:
        """One loss. Raises BuildError."""
        return self.component([ComponentKind.LOSS], loss, pointer)

    def optimizer(self, spec: Mapping[str, Any]) -> Any:
        """The optimizer, with its schedule. Raises BuildError."""
        return self.component([ComponentKind.OPTIMIZER], spec["optimizer"], "/optimizer")

    def metrics(self, spec: Mapping[str, Any]) -> Any:
        """The metrics, or a mapping from outputs to theirs; those that Keras makes out of the labels stay names.

        Raises BuildError.
        """
        return mapped_metrics(
            spec, lambda listed, where: [self.metric(one, f"{where}/{index}") for index, one in enumerate(listed)]
        )

    def metric(self, spec: Mapping[str, Any], pointer: str) -> Any:
        """One metric. Raises BuildError."""
        if spec["type"] in RESOLVED_BY_LABELS:
            return spec["type"]
        return self.component([ComponentKind.METRIC], spec, pointer)

    def callbacks(self, spec: Mapping[str, Any]) -> list[Any]:
        """The callbacks. Raises BuildError."""
        return [self.callback(callback, f"/callbacks/{index}") for index, callback in enumerate(spec["callbacks"])]

    def callback(self, spec: Mapping[str, Any], pointer: str) -> Any:
        """One callback. Raises BuildError."""
        return self.component([ComponentKind.CALLBACK], spec, pointer)

    def find(self, kind: ComponentKind, name: str) -> ComponentEntry | None:
        """What the catalogue says of a component."""
        return self._components.find(kind, name)

    def _find(self, kinds: Sequence[ComponentKind], spec: Mapping[str, Any], pointer: str) -> ComponentEntry:
        for kind in kinds:
            entry = self._components.find(kind, spec["type"])
            if entry is not None:
                self._check_backend(entry, pointer)
                return entry
        wanted = " or ".join(kinds)
        raise build_error(pointer, "component.unknown", f"There is no {wanted} called {spec['type']!r}.")

    def _check_backend(self, entry: ComponentEntry, pointer: str) -> None:
        """Raises BuildError for a layer that the backend can't train."""
        unusable = UNUSABLE.get(self._backend, {}) if entry.kind is ComponentKind.LAYER else {}
        if entry.name in unusable:
            message = (
                f"{entry.name} can't be trained on {self._backend}, which this worker uses: {unusable[entry.name]}."
            )
            suggestion = "Do it to the data beforehand, or have a worker on TensorFlow train this."
            raise build_error(pointer, "layer.not_on_backend", message, suggestion)

    def _parameters(self, entry: ComponentEntry, spec: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, Any]]:
        known = {parameter.name: parameter for parameter in entry.parameters}
        extras = _LAYER_EXTRAS if entry.kind is ComponentKind.LAYER else frozenset({"name"})
        for name, value in spec.items():
            if name == "type":
                continue
            if name not in known and name not in extras:
                raise build_error(f"{pointer}/{name}", "parameter.unknown", f"{entry.name} has no parameter {name!r}.")
            yield name, self._value(known.get(name), value, f"{pointer}/{name}")

    def _value(self, parameter: Parameter | None, value: Any, pointer: str) -> Any:
        """A plain value as it is; a component, or a list with components in it, built."""
        if isinstance(value, list):
            return [self._value(parameter, item, f"{pointer}/{index}") for index, item in enumerate(value)]
        accepts = parameter.accepts if parameter is not None else []
        if isinstance(value, Mapping):
            if parameter is not None and not accepts and fits(parameter.json_schema, value):
                return dict(value)
            if not accepts or not {"type", "model"} & value.keys():
                raise build_error(pointer, "parameter.invalid", "No mapping can stand here.")
            return self.component(accepts, value, pointer)
        return value


def make_variables(model: Any, outputs: Sequence[str], labels: Any) -> None:
    """Make the variables of a compiled model's optimizer and metrics, given the labels of some rows.

    Keras makes them in the first step, so that TensorFlow has to trace it a second time: a third of a small training.
    """
    model.optimizer.build(model.trainable_variables)

    def rows_of(output: Any) -> Any:
        return keras.KerasTensor((_row_count(labels), *output.shape[1:]), output.dtype)

    trace(
        lambda truth, predicted: model.compute_metrics(x=None, y=truth, y_pred=predicted),
        keras.tree.map_structure(lambda array: keras.KerasTensor(array.shape, str(array.dtype)), labels),
        keras.tree.map_structure(rows_of, model_outputs(model, outputs)),
    )


def model_outputs(model: Any, names: Sequence[str]) -> Any:
    """A model's symbolic output; a mapping where it has several, whose names Keras keeps in alphabetical order."""
    return dict(zip(sorted(names), model.outputs, strict=True)) if names else model.outputs[0]


def _row_count(labels: Any) -> int:
    return len(keras.tree.flatten(labels)[0])


def trace(function: Callable[..., Any], *tensors: keras.KerasTensor) -> Any:
    """What `function` would return for tensors of these shapes; nothing is computed. Raises what it raises."""
    return _Traced(function).compute_output_spec(*tensors)


class _Traced(keras.Operation):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, *tensors: Any) -> Any:
        return self._function(*tensors)


def _no_models(spec: Mapping[str, Any], pointer: str) -> Any:
    raise build_error(pointer, "component.unknown", f"No model can stand here: {spec['name']!r}.")


def _construct(target: Any, entry: ComponentEntry, parameters: Mapping[str, Any], pointer: str) -> Any:
    arguments = {name: value for name, value in parameters.items() if name != "trainable"}
    try:
        made = target(**arguments)
    except Exception as error:
        raise build_error(
            pointer, f"{entry.kind}.invalid", f"{entry.name} can't be made: {plain_message(error)}"
        ) from error
    # Some layers, such as SpatialDropout2D, have no such argument; every layer has the attribute.
    if not parameters.get("trainable", True):
        made.trainable = False
    return made


def _function(target: FunctionType, entry: ComponentEntry, parameters: Mapping[str, Any], pointer: str) -> Any:
    """An activation: Keras's function, or where its parameters were changed the layer that takes them."""
    signature = inspect.signature(target).parameters
    if all(signature[name].default == value for name, value in parameters.items()):
        return target
    layer = _ACTIVATION_LAYERS.get(entry.name)
    if layer is None:
        raise build_error(pointer, "activation.parameters", f"The parameters of {entry.name} can't be changed here.")
    return _construct(getattr(keras.layers, layer), entry, parameters, pointer)


@cache
def _resolve(path: str) -> Any:
    """The class or function at `module:name`, a path that our own catalogue holds."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
