"""Translates what `model.to_json()` wrote into layers as a spec has them: plain data, never handed to Keras.

Every class is looked up in the catalogue by name; what it does not hold is refused. Leaves checking the layers to
`hornbeam.specs.models`, which treats them like a client's own, and single objects to `keras_objects`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.errors import InvalidSpec
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.graphs import Model
from hornbeam.specs.keras_objects import ObjectTranslator, is_model, layer_name
from hornbeam.specs.strict_json import parse_json
from hornbeam.specs.wording import described, quoted

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "GroupedQueryAttention": ("query", "value", "key"),
    "GroupQueryAttention": ("query", "value", "key"),
    "MultiHeadAttention": ("query", "value", "key"),
}
"""The names of the tensors of layers that take several as arguments of their own; of all others the first counts."""
_CALL_FLAGS = frozenset({"training", "use_causal_mask"})
_INPUT_DTYPES = ("int32", "int64", "string")
"""Of inputs that Keras did not make float32 by default."""
_MOST_CALLS = 4000
"""Of all layers, those of nested models too."""


@dataclass(frozen=True, slots=True)
class _TextLimits:
    """Of the text that `to_json` wrote: it nests deeper than a spec does."""

    max_body_bytes: int = 4 * 2**20
    max_nesting: int = 48


class _Node(BaseModel):
    """A call of a layer."""

    model_config = ConfigDict(extra="forbid")

    args: list[Any] = []
    keywords: dict[str, Any] = Field(default={}, alias="kwargs")


class _Layer(BaseModel):
    """What there must be of a layer; what it holds besides is not looked at."""

    class_name: str
    module: str | None = None
    registered_name: str | None = None
    name: str | None = None
    config: dict[str, Any] = {}
    inbound_nodes: list[_Node] = []


_LAYER: TypeAdapter[_Layer] = TypeAdapter(_Layer)


@dataclass(frozen=True, slots=True)
class Translation:
    """A model as a spec has it, and where each of its layers was written."""

    model: Model
    pointers: list[str]


def translate(value: Any, where: str, catalogue: CatalogueIndex, report: Report) -> Translation | None:
    """The model that `value` describes, or None with findings.

    Args:
        value: The parsed JSON, or its text.
        where: The pointer to it.
        catalogue: What a model may be made of.
        report: Where findings go.
    """
    document = _document(value, where, report)
    if document is None:
        return None
    objects = ObjectTranslator(catalogue, report, _inner_model)
    return _ModelTranslator(where, objects, report).translate(document)


def _inner_model(given: Mapping[str, Any], where: str, objects: ObjectTranslator) -> dict[str, Any] | None:
    """A model in a layer's place."""
    translation = _ModelTranslator(where, objects, objects.report).translate(given)
    return None if translation is None else {"model": translation.model}


def _document(value: Any, where: str, report: Report) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value, blemishes = parse_json(value.encode(), _TextLimits())
        except InvalidSpec as error:
            blemishes = list(error.findings)
        for finding in blemishes:
            report.error(where, finding.code, finding.message.replace("The body", "This text"), finding.suggestion)
        if blemishes:
            return None
    if is_model(value):
        return value
    message = f"This is not what model.to_json() writes: {described(value)} without a class_name of a model."
    report.error(where, "keras_json.not_a_model", message, "Send the text of model.to_json() for a Keras 3 model.")
    return None


@dataclass(slots=True)
class _ModelTranslator:
    """One model; a nested one gets a translator of its own."""

    where: str
    objects: ObjectTranslator
    report: Report
    names: dict[str, str] = field(default_factory=dict)
    """Our names by Keras's."""
    tensors: dict[tuple[str, int], str] = field(default_factory=dict)
    """The name of each call, by the layer's name in Keras and the number of the call."""
    layers: list[dict[str, Any]] = field(default_factory=list)
    pointers: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)

    def translate(self, document: Mapping[str, Any]) -> Translation | None:
        config = document["config"]
        raw = self._read(config["layers"])
        if raw is None:
            return None
        sequential = document["class_name"] == "Sequential"
        self._name_all(raw)
        for index, layer in enumerate(raw):
            layer_where = f"{self.where}/config/layers/{index}"
            if layer["class_name"] == "InputLayer":
                self._input(layer)
            elif sequential:
                self._add(self._layer(layer, layer_where), layer_where)
            else:
                self._calls(layer, layer_where)
        if not self.layers or self.report.has_errors:
            if not self.report.has_errors:
                self.report.error(self.where, "keras_json.not_a_model", "The model has no layers.")
            return None
        model = self._sequential() if sequential else self._functional(config)
        return None if self.report.has_errors else Translation(model, self.pointers)

    def _read(self, layers: Sequence[Any]) -> list[dict[str, Any]] | None:
        """The layers, every field there and of the right type; None with findings where that can't be."""
        self.objects.calls += sum(map(_number_of_calls, layers))
        if self.objects.calls > _MOST_CALLS:
            message = f"The layers are called more than {_MOST_CALLS} times."
            self.report.error(self.where, "component.too_many", message)
            return None
        read = []
        for index, layer in enumerate(layers):
            try:
                read.append(_LAYER.validate_python(layer, strict=True).model_dump())
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = f"{self.where}/config/layers/{index}{pointer(*first['loc'])}"
                if first["loc"][:1] == ("inbound_nodes",):
                    message = "Calls are not written as Keras 3 writes them."
                    self.report.error(where, "keras_json.old_format", message, "Save the model with Keras 3.")
                else:
                    self.report.error(where, "keras_json.unreadable", f"This is no layer: {first['msg']}.")
        return read if len(read) == len(layers) else None

    def _sequential(self) -> Model:
        shape: list[int | None] | None = next((given["shape"] for given in self.inputs.values()), None)
        # A size that varies can't be an input_shape: the dataset says what it is.
        return {"layers": self.layers, "input_shape": shape if shape and None not in shape else None}

    def _functional(self, config: Mapping[str, Any]) -> Model:
        outputs = self._ends(config.get("output_layers"))
        order = [self.names[source] for source in self._sources(config.get("input_layers")) if source in self.names]
        inputs = {name: self.inputs[name] for name in order if name in self.inputs} or self.inputs
        return {"layers": self.layers, "inputs": inputs, "outputs": outputs}

    def _ends(self, value: Any) -> Any:
        """`output_layers`: one reference, a list of them, or a mapping from names to them."""
        if isinstance(value, dict):
            ends = {layer_name(name): self._end(reference) for name, reference in value.items()}
            if len(ends) < len(value):
                message = "Two outputs have names that are one here: letters, digits and underscores."
                self.report.error(f"{self.where}/config/output_layers", "graph.duplicate_name", message)
            return ends
        return [self._end(reference) for reference in _references(value)]

    def _end(self, reference: Any) -> str:
        name, node, tensor = reference if _is_reference(reference) else ("", 0, 0)
        return self._tensor(name, node, tensor, f"{self.where}/config/output_layers")

    def _sources(self, value: Any) -> Iterator[str]:
        references = value.values() if isinstance(value, dict) else _references(value)
        yield from (reference[0] for reference in references if _is_reference(reference))

    def _name_all(self, raw: Sequence[Mapping[str, Any]]) -> None:
        """Names as specs have them; Keras allows any character but a slash."""
        taken: set[str] = set()
        for layer in raw:
            given = _name_in_keras(layer)
            name = base = layer_name(given)
            number = 0
            while name in taken:
                number += 1
                name = f"{base[:56]}_{number}"
            taken.add(name)
            self.names[given] = name

    def _input(self, layer: Mapping[str, Any]) -> None:
        given, config = _name_in_keras(layer), layer["config"]
        shape, dtype = config.get("batch_shape") or config.get("batch_input_shape"), config.get("dtype")
        sizes = shape[1:] if isinstance(shape, list) else []
        is_shape = all(size is None or (type(size) is int and size > 0) for size in sizes)
        self.inputs[self.names[given]] = {
            "shape": sizes if sizes and is_shape else None,
            "dtype": dtype if isinstance(dtype, str) and dtype in _INPUT_DTYPES else None,
        }
        self.tensors[given, 0] = self.names[given]

    def _calls(self, layer: Mapping[str, Any], where: str) -> None:
        """A layer with its first call, and each further call as a shared layer."""
        nodes, given = layer["inbound_nodes"], _name_in_keras(layer)
        spec = self._layer(layer, where, nodes)
        if spec is None:
            return
        for number, node in enumerate(nodes):
            name = spec["name"] if number == 0 else f"{spec['name'][:52]}_call_{number}"
            called = spec if number == 0 else {"shared": spec["name"], "name": name}
            self.tensors[given, number] = name
            self._add(self._wired(called, layer, node, f"{where}/inbound_nodes/{number}"), where)

    def _layer(self, layer: Mapping[str, Any], where: str, nodes: Sequence[Any] = ()) -> dict[str, Any] | None:
        name = self.names[_name_in_keras(layer)]
        spec = self.objects.layer(layer, where, nodes)
        if spec is None:
            return None
        return {**spec, "name": name, "trainable": bool(layer["config"].get("trainable", True))}

    def _add(self, layer: dict[str, Any] | None, where: str) -> None:
        for one in self.objects.expanded(layer) if layer is not None else ():
            self.layers.append(one)
            self.pointers.append(where)

    def _wired(self, called: dict[str, Any], layer: Mapping[str, Any], node: Mapping[str, Any], where: str) -> Any:
        """The call with its tensors and flags."""
        names = _ARGUMENTS.get(str(layer.get("class_name")), ())
        positional = [self._found(argument, where) for argument in node["args"] if _has_tensors(argument)]
        keywords: dict[str, Any] = {}
        flags: dict[str, bool] = {}
        for name, value in node["keywords"].items():
            if _has_tensors(value):
                keywords[name] = self._found(value, where)
            elif name in _CALL_FLAGS and isinstance(value, bool):
                flags[name] = value
            elif value not in (None, False):
                message = f"The argument {quoted(name)} of a layer's call can't be set."
                self.report.error(where, "keras_json.call_argument", message)
        inputs: Any = positional[0] if len(positional) == 1 and isinstance(positional[0], list) else positional
        if keywords or (names and len(positional) > 1):
            labels = names or ("inputs",)
            inputs = {**dict(zip(labels, positional, strict=False)), **keywords}
        if not _can_be_said(inputs):
            message = "The tensors of this call stand in lists inside of lists, which no spec can say."
            self.report.error(where, "keras_json.call_argument", message)
            inputs = []
        return {**called, "inputs": inputs, **({"call": flags} if flags else {})}

    def _found(self, argument: Any, where: str) -> Any:
        if isinstance(argument, list):
            return [self._found(item, where) for item in argument if _has_tensors(item)]
        history = argument["config"].get("keras_history")
        if not _is_reference(history):
            self.report.error(where, "keras_json.unreadable", "A tensor here does not say which layer made it.")
            return ""
        layer, node, tensor = history
        return self._tensor(layer, node, tensor, where)

    def _tensor(self, layer: Any, node: Any, tensor: Any, where: str) -> str:
        name = self.tensors.get((str(layer), node))
        if name is None and node:
            # The call comes later in the list: its name is known all the same.
            name = f"{self.names[str(layer)][:52]}_call_{node}" if str(layer) in self.names else None
        elif name is None:
            name = self.names.get(str(layer))
        if name is None:
            self.report.error(where, "keras_json.unreadable", f"There is no layer called {quoted(str(layer))}.")
            return ""
        return f"{name}:{tensor}" if tensor else name


def _number_of_calls(layer: Any) -> int:
    nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
    return len(nodes) if isinstance(nodes, list) else 0


def _name_in_keras(layer: Mapping[str, Any]) -> str:
    return str(layer["name"] or layer["config"].get("name") or layer["class_name"])


def _references(value: Any) -> list[Any]:
    """A single reference, or a list of references, as a list."""
    if _is_reference(value):
        return [value]
    return value if isinstance(value, list) else []


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(type(number) is int and 0 <= number < 100 for number in value[1:])
    )


def _can_be_said(inputs: Any) -> bool:
    """Whether a spec has this form for what a layer is called on: names, or for each argument a name or names."""
    if isinstance(inputs, list):
        return all(isinstance(name, str) for name in inputs)
    return all(isinstance(names, str) or _can_be_said(names) for names in inputs.values())


def _has_tensors(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_tensors(item) for item in value)
    is_tensor = isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"
    return is_tensor and isinstance(value.get("config"), dict)
