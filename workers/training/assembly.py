"""Puts layers together: chains, graphs with shared layers, models inside models, applications.

It walks a normalised model once, in an order in which every layer comes after those that it is called on, and tells an
observer about each call; the planner's observer goes on where a builder's would stop. Leaves making single layers to
`workers.training.build`.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from hornbeam.specs.findings import pointer as json_pointer
from hornbeam.specs.graphs import INPUT, MODEL_NAME, evaluation_order, output_index, source
from schemas.catalog import ComponentKind
from workers.training.advice import advise
from workers.training.build import Builder, BuildError, build_error
from workers.training.encodings import misjudged, squeezed
from workers.training.failures import plain_message
from workers.training.fixed_calls import keep_training

_FOR_TEXT = frozenset({"StringLookup", "TextVectorization"})
"""Layers that take text, unless they are inverted."""

Shapes = Mapping[str, Sequence[int | None]]
"""The shapes of one example, by input; a model with a single input may call it `input`."""
Model = Mapping[str, Any]


Tensors = Mapping[str, Any]
"""Symbolic tensors by name."""


class Observer:
    """Hears about each layer that is called. This one lets the first error end the assembly."""

    def calling(self, layer: Any, spec: Mapping[str, Any], pointer: str, tensors: Any, inputs: Tensors) -> None:
        """A layer is about to be called on `tensors`, which depend on the model's `inputs`. May raise BuildError."""

    def inside(self, tensors: Tensors, inputs: Tensors) -> "Observer":  # noqa: ARG002
        """Who hears about the layers of a model that will be called on `tensors`, given by its own inputs' names."""
        return Observer()

    def called(self, layer: Any, spec: Mapping[str, Any], pointer: str, outputs: Any) -> None:
        """A layer gave `outputs`. May raise BuildError."""

    def failed(self, error: BuildError) -> None:
        """A layer can't be made or called. Returns to go on without its outputs."""
        raise error


@dataclass(frozen=True, slots=True)
class Assembled:
    """A model's tensors and layers; outputs are None behind a layer that failed."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    layers: list[Any]


class Assembler:
    """Assembles models with the layers that a builder makes."""

    def __init__(
        self, builder: Builder, observer: Observer | None = None, dtypes: Mapping[str, str] | None = None
    ) -> None:
        """Assemble with what `builder` makes; `dtypes` are those of inputs that do not say theirs, float32 else."""
        self._builder, self._observer, self._dtypes = builder, observer or Observer(), dtypes or {}
        builder.nested = self.nested

    def model(self, model: Model, shapes: Shapes, *, pointer: str = "/model", name: str = MODEL_NAME) -> Any:
        """The Keras model, built and not compiled. Raises BuildError.

        A model with several inputs takes a dictionary of arrays, one with several outputs gives one of tensors.
        """
        if "application" in model:
            application = self.application(model, next(iter(shapes.values()), None), pointer)
            return keras.Model(application.inputs[0], application.outputs[0], name=name)
        made = self.assemble(model, shapes, pointer)
        if model.get("inputs") is None:
            return keras.Sequential([made.inputs[INPUT], *made.layers], name=name)
        return keras.Model(_single(made.inputs), _single(made.outputs), name=name)

    def assemble(self, model: Model, shapes: Shapes, pointer: str = "/model") -> Assembled:
        """Call every layer of a model that has layers."""
        inputs = dict(_inputs(model, shapes, self._dtypes, pointer))
        walk = _Walk(model, pointer, inputs, dict(inputs), {})
        for index in _order(model):
            self._step(walk, index)
        return Assembled(inputs, walk.ends(), list(walk.layers.values()))

    def application(self, model: Model, shape: Sequence[int | None] | None, pointer: str) -> Any:
        """An architecture of `keras.applications` with weights of its own. Raises BuildError."""
        parameters = {name: value for name, value in model.items() if name not in ("application", "initial_weights")}
        if parameters.get("input_shape") is None and shape is not None:
            parameters["input_shape"] = list(shape)
        spec = {"type": model["application"], **parameters}
        return self._builder.component([ComponentKind.APPLICATION], spec, pointer)

    def nested(
        self, spec: Mapping[str, Any], pointer: str, tensors: Tensors | None = None, observer: Observer | None = None
    ) -> Any:
        """The model that stands in a layer's place, made for the tensors that it is called on where they are known."""
        model, where = spec["model"], f"{pointer}/model"
        shapes = {name: tuple(tensor.shape[1:]) for name, tensor in (tensors or {}).items()}
        if not shapes and "layers" in model and model.get("inputs") is None and model.get("input_shape") is None:
            layers = [self._builder.layer(layer, place) for place, layer in _sites(model, where)]
            made = keras.Sequential(layers, name=spec["name"])
        else:
            dtypes = {name: tensor.dtype for name, tensor in (tensors or {}).items()}
            made = Assembler(self._builder, observer, dtypes).model(model, shapes, pointer=where, name=spec["name"])
        # Only where it is asked for: to set it is to set it of every layer inside, which may be frozen by itself.
        if not spec.get("trainable", True):
            made.trainable = False
        return made

    def _step(self, walk: "_Walk", index: int) -> None:
        spec, pointer = walk.model["layers"][index], f"{walk.pointer}/layers/{index}"
        name = spec["name"]
        try:
            tensors = walk.tensors(spec, index)
            if name not in walk.layers and "shared" not in spec:
                walk.layers[name] = self._layer(walk, spec, pointer, tensors)
            layer = walk.layers.get(spec.get("shared", name))
            if layer is None or _missing(tensors):
                return
            self._observer.calling(layer, spec, pointer, tensors, walk.inputs)
            walk.made[name] = walk.squeezed(call_layer(layer, tensors, walk.original(spec), pointer), spec)
            _check_handed_on(walk.made[name], walk.model, spec, pointer)
            self._observer.called(layer, spec, pointer, walk.made[name])
        except BuildError as error:
            walk.made[name] = None
            self._observer.failed(error)

    def _layer(self, walk: "_Walk", spec: Mapping[str, Any], pointer: str, tensors: Any) -> Any:
        if "model" in spec:
            if _missing(tensors):
                return None
            fed = _fed(spec["model"], tensors)
            return self.nested(spec, pointer, fed, self._observer.inside(fed, walk.inputs))
        own = {name: value for name, value in spec.items() if name not in ("inputs", "call")}
        return self._builder.layer(own, pointer)


@dataclass(slots=True)
class _Walk:
    """One walk through a model's layers."""

    model: Model
    pointer: str
    inputs: Tensors
    made: dict[str, Any]
    """What inputs and layers gave, by name; None behind a failure."""
    layers: dict[str, Any]

    def tensors(self, spec: Mapping[str, Any], index: int) -> Any:
        """What a layer is called on: a list of tensors, or a mapping by argument."""
        inputs = spec.get("inputs")
        if inputs is None:
            previous = self.model["layers"][index - 1]["name"] if index else next(iter(self.made))
            return [self.made.get(previous)]
        if isinstance(inputs, Mapping):
            return {name: self._all(value) for name, value in inputs.items()}
        return self._all(inputs)

    def original(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The spec of the layer itself, where this is another call of it; with the call's own arguments."""
        if "shared" not in spec:
            return spec
        first = next(layer for layer in self.model["layers"] if layer["name"] == spec["shared"])
        return {**first, "name": spec["name"], "call": spec.get("call")}

    def squeezed(self, made: Any, spec: Mapping[str, Any]) -> Any:
        """What a layer gave, in the shape that it will have: for some, another layer is needed behind it."""
        layer = squeezed(self.original(spec), made)
        if layer is None:
            return made
        self.layers[layer.name] = layer
        return layer(made)

    def ends(self) -> dict[str, Any]:
        """The outputs by name."""
        outputs = self.model.get("outputs") or {"output": self.model["layers"][-1]["name"]}
        return {name: self._one(tensor) for name, tensor in outputs.items()}

    def _all(self, names: Any) -> Any:
        return self._one(names) if isinstance(names, str) else [self._one(name) for name in names]

    def _one(self, tensor: str) -> Any:
        made = self.made.get(source(tensor))
        if isinstance(made, Mapping):
            made = list(made.values())
        if isinstance(made, list | tuple):
            index = output_index(tensor)
            return made[index] if index < len(made) else None
        return made


def call_layer(layer: Any, tensors: Any, spec: Mapping[str, Any], pointer: str) -> Any:
    """The layer's symbolic output. Raises BuildError with advice, naming the layer."""
    _check_text(tensors, spec, pointer)
    _check_encoding(tensors, spec, pointer)
    arguments, keywords = _arguments(layer, tensors)
    fixed = spec.get("call") or {}
    if "training" in fixed:
        keep_training(layer)
    try:
        return layer(*arguments, **keywords, **fixed)
    except Exception as error:
        message = plain_message(error)
        shape = getattr(_first(tensors), "shape", None)
        kind = kind_of(spec)
        raise build_error(
            pointer,
            "layer.does_not_fit",
            f"Layer {spec.get('name', layer.name)!r} ({kind}) can't take {_in_words(tensors)}: {message}",
            advise({**spec, "type": kind}, shape, message),
        ) from error


def _check_text(tensors: Any, spec: Mapping[str, Any], pointer: str) -> None:
    """Raises BuildError where numbers go into a layer for text: Keras would say so in the first step only."""
    dtypes = [tensor.dtype for tensor in _flat(tensors) if tensor.dtype != "string"]
    if spec.get("type") in _FOR_TEXT and dtypes and not spec.get("invert"):
        message = f"Layer {spec['name']!r} ({spec['type']}) takes text, and gets {dtypes[0]}."
        raise build_error(pointer, "layer.does_not_fit", message, "Only an input with dtype: string has text.")


def _check_encoding(tensors: Any, spec: Mapping[str, Any], pointer: str) -> None:
    """Raises BuildError where Keras would let something pass that fails in the first step."""
    found = misjudged(spec, [tensor.shape for tensor in _flat(tensors)])
    if found is not None:
        reason, suggestion = found
        message = f"Layer {spec['name']!r} ({spec['type']}) can't take {_in_words(tensors)}: {reason}."
        raise build_error(pointer, "layer.does_not_fit", message, suggestion)


def _check_handed_on(made: Any, model: Model, spec: Mapping[str, Any], pointer: str) -> None:
    """Raises BuildError for several tensors in a model that is a list, where each layer takes what one gave."""
    if model.get("inputs") is None and isinstance(made, list | tuple | Mapping) and len(made) > 1:
        message = f"Layer {spec['name']!r} ({kind_of(spec)}) gives {len(made)} tensors, and a list hands one on."
        suggestion = f"Say which go on: inputs: [{spec['name']}:0] in the next layer, or model.outputs."
        raise build_error(pointer, "layer.several_outputs", message, suggestion)


def kind_of(spec: Mapping[str, Any]) -> str:
    """What a layer is, in a word: its type, its application, or that it is a model."""
    if "type" in spec:
        return str(spec["type"])
    model = spec.get("model") or {}
    return str(model.get("application", "Model"))


def _arguments(layer: Any, tensors: Any) -> tuple[list[Any], dict[str, Any]]:
    """How a layer takes its tensors: as a list in one argument, or each in one of its own."""
    if isinstance(tensors, Mapping):
        keywords = dict(tensors)
        return ([keywords.pop("inputs")] if "inputs" in keywords else []), keywords
    if len(tensors) == 1:
        return [tensors[0]], {}
    parameters = list(inspect.signature(layer.call).parameters.values())
    own = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty]
    return (list(tensors) if len(own) > 1 else [list(tensors)]), {}


def _inputs(model: Model, shapes: Shapes, dtypes: Mapping[str, str], pointer: str) -> Any:
    """The symbolic inputs by name. Raises BuildError for one without a shape."""
    named = model.get("inputs")
    if named is None:
        shape = model.get("input_shape") or next(iter(shapes.values()), None)
        yield INPUT, _input(shape, None, next(iter(dtypes.values()), None), pointer)
        return
    for name, given in named.items():
        shape = shapes.get(name) or given["shape"]
        dtype = given.get("dtype") or dtypes.get(name)
        yield name, _input(shape, name, dtype, f"{pointer}/inputs{json_pointer(name)}")


def _input(shape: Sequence[int | None] | None, name: str | None, dtype: str | None, pointer: str) -> Any:
    if shape is None:
        raise build_error(pointer, "input_shape.missing", "Nobody knows the shape of this input.", "Write it down.")
    return keras.Input(tuple(shape), name=name, dtype=dtype)


def _order(model: Model) -> Sequence[int]:
    return range(len(model["layers"])) if model.get("inputs") is None else evaluation_order(model)


def _fed(model: Model, tensors: Any) -> Tensors:
    """The tensors that a nested model is called on, by its inputs' names."""
    return dict(zip(model.get("inputs") or (INPUT,), _flat(tensors), strict=False))


def _sites(model: Model, pointer: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(f"{pointer}/layers/{index}", layer) for index, layer in enumerate(model["layers"])]


def _single(tensors: dict[str, Any]) -> Any:
    """The only one by itself, several as they are."""
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))


def _missing(tensors: Any) -> bool:
    return any(tensor is None for tensor in _flat(tensors))


def _first(tensors: Any) -> Any:
    return next(iter(_flat(tensors)), None)


def _flat(tensors: Any) -> list[Any]:
    listed = list(tensors.values()) if isinstance(tensors, Mapping) else tensors
    return [item for one in listed for item in (one if isinstance(one, list) else [one])]


def _in_words(tensors: Any) -> str:
    words = [_shape_in_words(tensor.shape) for tensor in _flat(tensors)]
    return f"an input of shape {words[0]}" if len(words) == 1 else f"inputs of the shapes {', '.join(words)}"


def _shape_in_words(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("batch" if size is None and not axis else str(size) for axis, size in enumerate(shape)) + ")"
