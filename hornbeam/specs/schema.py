"""The JSON Schema (2020-12) of a job spec, down to the parameters of each component: what editors complete from.

It is made of the spec's own schema and the catalogue, so it says nothing that they do not. It is looser than the
service: whether the parts of a spec agree is not a schema's to say.
"""

from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from schemas.catalog import ComponentEntry, ComponentKind, Parameter
from schemas.models import FORMULA, LAYER_NAME
from schemas.strict import JsonObject
from schemas.training import JobSpec

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REPLACED = ("Component", "LayerSpec", "ApplicationModel")
_MODEL = {"$ref": "#/$defs/ModelSpec"}
_NAMED_APART = {"oneOf", "anyOf", "type", "items", "maxItems"}


def job_schema(catalogue: CatalogueIndex) -> dict[str, Any]:
    """The schema; most of a megabyte, so callers keep it."""
    schema = JobSpec.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    replaced = {name: definitions.pop(name) for name in _REPLACED}
    properties["optimizer"] = {**_described(properties["optimizer"]), **_reference(ComponentKind.OPTIMIZER)}
    properties["loss"] = {**_described(properties["loss"]), **_by_output(_reference(ComponentKind.LOSS))}
    metrics = {"type": "array", "items": _reference(ComponentKind.METRIC), "maxItems": 32}
    properties["metrics"] = {**_described(properties["metrics"]), **_by_output(metrics)}
    properties["callbacks"]["items"] = _reference(ComponentKind.CALLBACK)
    definitions["LayersModel"]["properties"]["layers"]["items"] = _reference(ComponentKind.LAYER)
    data = definitions["DatasetSpec"]["properties"]
    data["augment"]["items"] = _reference(ComponentKind.LAYER)
    data["preprocess"] = {**_described(data["preprocess"]), **_chains()}
    definitions["ModelSpec"] = _model()
    properties["model"] = {**_described(properties["model"]), **_MODEL}
    layer_fields = {**replaced["LayerSpec"]["properties"], "model": _MODEL}
    wiring = {name: layer_fields[name] for name in ("name", "trainable", "inputs", "call")}
    shared_fields = {**wiring, "input_shape": _input_shape(schema)}
    for kind in ComponentKind:
        entries = list(catalogue.components(kind))
        definitions[kind.value] = _any_of_kind(kind, entries)
        for entry in entries:
            definitions[_name(entry)] = _component(entry, shared_fields if kind is ComponentKind.LAYER else {})
    definitions[ComponentKind.LAYER.value] = _or_a_model(definitions[ComponentKind.LAYER.value], layer_fields)
    definitions["ApplicationModel"] = _application(replaced["ApplicationModel"], definitions)
    return {"$schema": _DIALECT, **schema, "title": "Hornbeam job spec"}


def _model() -> JsonObject:
    """A model: what it is made of decides which form it has."""
    has = [{"type": "object", "required": [name]} for name in ("application", "keras_json")]
    application, keras_json, layers = (
        {"$ref": f"#/$defs/{name}"} for name in ("ApplicationModel", "KerasJsonModel", "LayersModel")
    )
    return {"if": has[0], "then": application, "else": {"if": has[1], "then": keras_json, "else": layers}}


def _chains() -> JsonObject:
    """Layers for each column, or a word for all or some of them."""
    auto = {"enum": ["auto"]}
    chain = {
        "if": {"type": "string"},
        "then": auto,
        "else": {"type": "array", "items": _reference(ComponentKind.LAYER)},
    }
    chains = {"type": ["object", "null"], "additionalProperties": chain}
    return {"if": {"type": "string"}, "then": auto, "else": chains}


def _described(field: JsonObject) -> JsonObject:
    """What a field says beside its type."""
    return {name: value for name, value in field.items() if name not in _NAMED_APART}


def _by_output(schema: JsonObject) -> JsonObject:
    """The schema, or a mapping from outputs to it."""
    is_mapping = {"type": "object", "not": {"anyOf": [{"required": ["type"]}, {"required": ["formula"]}]}}
    mapping = {"patternProperties": {LAYER_NAME: schema}, "additionalProperties": False}
    return {"if": is_mapping, "then": mapping, "else": schema}


def _or_a_model(layer: JsonObject, fields: JsonObject) -> JsonObject:
    """A layer, or what may stand in a layer's place: a whole model, or an earlier layer that is called again."""

    def only(*names: str) -> JsonObject:
        return {
            "type": "object",
            "properties": {name: fields[name] for name in (*names, "name", "trainable", "inputs", "call")},
            "required": list(names),
            "additionalProperties": False,
        }

    is_model, is_shared = ({"type": "object", "required": [name]} for name in ("model", "shared"))
    rest = {"if": is_shared, "then": only("shared"), "else": layer}
    return {"description": layer["description"], "if": is_model, "then": only("model"), "else": rest}


def _application(model: JsonObject, definitions: JsonObject) -> JsonObject:
    """A model by an application's name, which decides what else it takes."""
    entries_by_name: JsonObject = {
        name.partition(".")[2]: definitions.pop(name) for name in list(definitions) if name.startswith("application.")
    }
    weights = model["properties"]["initial_weights"]
    branches = []
    for entry in entries_by_name.values():
        own = {key: value for key, value in entry["properties"].items() if key != "type"}
        named = {"application": {"enum": entry["properties"]["type"]["enum"], "description": entry["description"]}}
        schema = {"properties": {**named, **own, "initial_weights": weights}, "additionalProperties": False}
        branches.append({"if": {"properties": {"application": named["application"]}}, "then": schema})
    del definitions["application"]
    names = list(entries_by_name)
    known = {"application": {**model["properties"]["application"], "enum": names}}
    return {**model, "properties": known, "additionalProperties": True, "allOf": branches}


def _reference(kind: ComponentKind) -> JsonObject:
    return {"$ref": f"#/$defs/{kind.value}"}


def _name(entry: ComponentEntry) -> str:
    # No `>`: a reference is part of an address, where it would have to be escaped.
    return f"{entry.kind.value}.{entry.name.replace('>', '.')}"


def _any_of_kind(kind: ComponentKind, entries: list[ComponentEntry]) -> JsonObject:
    """A name alone, where that is enough, or an object whose type decides what else it holds; a formula needs none."""
    alone = [entry for entry in entries if not any(parameter.required for parameter in entry.parameters)]
    schema = _by_type(entries)
    formula = next((entry for entry in entries if FORMULA in entry.aliases), None)
    if formula is not None:
        is_formula = {"type": "object", "required": ["formula"], "not": {"required": ["type"]}}
        schema = {"if": is_formula, "then": {"$ref": f"#/$defs/{_name(formula)}"}, "else": schema}
    return {
        "description": f"A {kind.value}: its name, or an object with its type and parameters.",
        "if": {"type": "string"},
        "then": {"enum": [name for entry in alone for name in _names(entry)]},
        "else": schema,
    }


def _by_type(entries: list[ComponentEntry]) -> JsonObject:
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": [name for entry in entries for name in _names(entry)]}},
        "allOf": [
            {
                "if": {"properties": {"type": {"enum": _names(entry)}}},
                "then": {"$ref": f"#/$defs/{_name(entry)}"},
            }
            for entry in entries
        ],
    }


def _names(entry: ComponentEntry) -> list[str]:
    return [entry.name, *entry.aliases]


def _component(entry: ComponentEntry, shared: dict[str, JsonObject]) -> JsonObject:
    return {
        "description": entry.summary,
        "type": "object",
        "properties": {
            "type": {"enum": _names(entry), "description": entry.summary},
            **{parameter.name: _parameter(parameter) for parameter in entry.parameters},
            **shared,
        },
        "required": [
            *([] if FORMULA in entry.aliases else ["type"]),
            *(parameter.name for parameter in entry.parameters if parameter.required),
        ],
        "additionalProperties": False,
    }


def _parameter(parameter: Parameter) -> JsonObject:
    annotations: JsonObject = {"description": parameter.description} if parameter.description else {}
    if not parameter.required:
        annotations["default"] = parameter.default
    return {**_value(parameter), **annotations}


def _value(parameter: Parameter) -> JsonObject:
    """The plain values that a parameter takes, and the components."""
    components = [_reference(kind) for kind in parameter.accepts]
    schema = parameter.json_schema
    if not components:
        return schema
    if schema.get("type") == "array":
        return {**schema, "items": {"anyOf": components}}
    plain = [] if "not" in schema else schema.get("anyOf", [schema])
    return {"anyOf": [*plain, *components]}


def _input_shape(schema: JsonObject) -> JsonObject:
    """Keras's own way to write it, on the first layer."""
    shape = schema["$defs"]["LayersModel"]["properties"]["input_shape"]
    return {**shape, "deprecated": True, "description": "Write model.input_shape, or leave it to the dataset."}
