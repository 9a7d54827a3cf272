"""Single objects of Keras's JSON (`{"module", "class_name", "config"}`) as components of a spec.

A table knows the classes inside `keras.applications` that are no public layers, and the operations that Keras's own
models contain, by layers that do the same. Leaves models to `hornbeam.specs.keras_json`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from hornbeam.components import exclusions
from hornbeam.components.catalog import CatalogueIndex
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import a_kind, quoted
from schemas.catalog import ComponentEntry, ComponentKind, Parameter

_RENAMED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "CustomScaleLayer": ("CustomScaleLayer", {}),
    "LayerScale": ("hornbeam>LayerScale", {"init_values": "initial_value", "projection_dim": ""}),
    "StochasticDepth": ("hornbeam>StochasticDepth", {"drop_path_rate": "rate"}),
}
"""Layers inside `keras.applications`: what they are called here, and their parameters. "" leaves one out."""
_OPERATIONS: Mapping[str, str] = {"Add": "Add", "Multiply": "Multiply", "Subtract": "Subtract"}
"""Operations on two tensors, and the layers that do the same."""
_MODELS = frozenset({"Functional", "Sequential", "Model"})
_MOST_LAYERS = 2000
_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})
_ALWAYS_DROPPED = frozenset(
    {"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "build_config", "vocabulary_size"}
)
_INVALID_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def layer_name(text: str) -> str:
    """A name for a layer as specs have them, near to Keras's."""
    name = _INVALID_IN_NAMES.sub("_", text)[:60]
    return name if name[:1].isalpha() else f"layer_{name}"[:60]


def is_model(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether an object is a model with layers."""
    if not (isinstance(value, dict) and isinstance(value.get("class_name"), str) and value["class_name"] in _MODELS):
        return False
    config = value.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    return isinstance(layers, list) and 0 < len(layers) <= _MOST_LAYERS


@dataclass(slots=True)
class ObjectTranslator:
    """Translates by the catalogue. What it can't translate, it tells the report."""

    catalogue: CatalogueIndex
    report: Report
    inner_model: Callable[[Mapping[str, Any], str, "ObjectTranslator"], dict[str, Any] | None]
    """Translates a model that stands in a layer's place."""
    calls: int = 0
    """How often the layers translated so far are called."""

    def layer(self, given: Mapping[str, Any], where: str, nodes: Sequence[Any] = ()) -> dict[str, Any] | None:
        """A layer with its parameters, without name and wiring.

        Args:
            given: The object.
            where: The pointer to it.
            nodes: Its calls, which hold the constants of operations.
        """
        if is_model(given):
            return self.inner_model(given, where, self)
        if ".ops." in str(given.get("module", "")):
            return self._operation(given, where, nodes)
        return self.component(ComponentKind.LAYER, given, where)

    def component(self, kind: ComponentKind, given: Mapping[str, Any], where: str) -> dict[str, Any] | None:
        """A component with its parameters."""
        name, renamed = self._type(given)
        config = given.get("config")
        if not isinstance(config, Mapping):
            config = {}
        if name == "CustomScaleLayer":
            return {"type": name, "scale": config.get("scale")}
        entry = self.catalogue.find(kind, name)
        if entry is None:
            self._refuse(kind, name, where)
            return None
        component: dict[str, Any] = {"type": entry.name}
        known = {parameter.name: parameter for parameter in entry.parameters}
        for key, value in config.items():
            parameter_name = renamed.get(key, key)
            if parameter_name and parameter_name in known:
                there = f"{where}/config{pointer(key)}"
                component[parameter_name] = self._value(known[parameter_name], value, there)
            elif parameter_name:
                self._left_over(entry, key, value, f"{where}/config{pointer(key)}")
        dtype = _dtype(config.get("dtype"))
        if "dtype" in known and dtype is not None:
            component["dtype"] = dtype
        elif "dtype" in component:
            del component["dtype"]
        return component

    def expanded(self, layer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The layer, or the two that do the same: `inputs[0] + scale * inputs[1]` has none of its own."""
        if layer.get("type") != "CustomScaleLayer":
            yield layer
            return
        inputs = layer.get("inputs")
        first, second = inputs if isinstance(inputs, list) and len(inputs) > 1 else ("", "")
        scaled = f"{layer['name'][:52]}_scaled"
        yield {"type": "Rescaling", "name": scaled, "trainable": True, "scale": layer["scale"], "inputs": [second]}
        yield {"type": "Add", "name": layer["name"], "trainable": True, "inputs": [first, scaled]}

    def _type(self, given: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
        """The name that the catalogue may know, and parameters that are called something else here."""
        name, registered = str(given.get("class_name")), str(given.get("registered_name") or "")
        module = str(given.get("module") or "keras")
        if ">" in registered:
            return registered, {}
        if module.partition(".")[0] not in ("keras", "builtins"):
            return f"{module}.{name}", {}
        return _RENAMED.get(name, (name, {})) if ".applications." in module else (name, {})

    def _refuse(self, kind: ComponentKind, name: str, where: str) -> None:
        reason = self.catalogue.reason_left_out(kind, name)
        if reason is not None:
            self.report.error(where, "component.left_out", f"{name} can't be used in a spec. {reason}")
        else:
            message = f"The model holds {a_kind(kind)} called {quoted(name)}, which is not in the catalogue."
            suggestion = f"GET /v1/components?kind={kind} lists every {kind}."
            self.report.error(where, "component.unknown", message, suggestion)

    def _left_over(self, entry: ComponentEntry, key: str, value: Any, where: str) -> None:
        """A part of the configuration that the catalogue does not list."""
        if key in _ALWAYS_DROPPED or value in _NOTHING:
            return
        reason = exclusions.reason_for_parameter(entry.name, key) or ""
        message = f"{entry.name}'s {quoted(key)} can't be set. {reason}".rstrip()
        self.report.error(where, "parameter.left_out", message)

    def _value(self, parameter: Parameter, value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self._value(parameter, item, f"{where}/{index}") for index, item in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        if parameter.accepts and "class_name" in value:
            if ComponentKind.LAYER in parameter.accepts:
                return self._inner_layer(value, where)
            return self._accepted(parameter, value, where)
        if "class_name" in value and parameter.name.endswith("dtype"):
            return _dtype(value)
        return dict(value)

    def _accepted(self, parameter: Parameter, value: Mapping[str, Any], where: str) -> Any:
        if value.get("class_name") == "function" and isinstance(value.get("config"), str):
            return value["config"]
        name, _ = self._type(value)
        kind = next((kind for kind in parameter.accepts if self.catalogue.find(kind, name)), parameter.accepts[0])
        return self.component(kind, value, where)

    def _inner_layer(self, value: Mapping[str, Any], where: str) -> dict[str, Any] | None:
        config = value.get("config")
        if isinstance(config, Mapping):
            # Bidirectional sets it on its layers, and does so again.
            config = {name: item for name, item in config.items() if name != "zero_output_for_mask"}
            value = {**value, "config": config}
        layer = self.layer(value, where)
        if layer is not None and isinstance(config, Mapping) and isinstance(config.get("name"), str):
            layer["name"] = layer_name(config["name"])
        return layer

    def _operation(self, given: Mapping[str, Any], where: str, nodes: Sequence[Any]) -> dict[str, Any] | None:
        """An operation between tensors, or of a tensor and a number, as a layer that does the same."""
        name = str(given.get("class_name"))
        arguments = nodes[0].get("args", []) if nodes and isinstance(nodes[0], Mapping) else []
        constants = [value for value in arguments if isinstance(value, int | float) and not isinstance(value, bool)]
        if name in _OPERATIONS and len(nodes) == 1 and not constants:
            return {"type": _OPERATIONS[name]}
        tensor_first = bool(arguments) and isinstance(arguments[0], Mapping)
        if len(constants) == 1 and len(nodes) == 1 and len(arguments) == 2:
            scaling = _scaling(name, constants[0], tensor_first=tensor_first)
            if scaling is not None:
                return {"type": "Rescaling", **scaling}
        message = f"The model holds the operation {quoted(name)}; operations can't be used as layers."
        self.report.error(where, "component.left_out", message, "Use a layer, or a registered component, instead.")
        return None


def _scaling(name: str, constant: float, *, tensor_first: bool) -> dict[str, float] | None:
    """`x * scale + offset` for an operation between a tensor and a number."""
    if name == "Add":
        return {"scale": 1.0, "offset": constant}
    if name == "Multiply" and constant > 0:
        return {"scale": constant, "offset": 0.0}
    if name == "Subtract" and tensor_first:
        return {"scale": 1.0, "offset": -constant}
    if name in ("Divide", "TrueDivide") and tensor_first and constant > 0:
        return {"scale": 1.0 / constant, "offset": 0.0}
    return None


def _dtype(value: Any) -> str | None:
    """The name of a dtype or policy, None for the usual one, which training.dtype_policy decides."""
    if isinstance(value, Mapping):
        config = value.get("config")
        value = config.get("name") if isinstance(config, Mapping) else None
    return value if isinstance(value, str) and value != "float32" else None
