"""The JSON Schema (2020-12) of a job spec, down to the parameters of each component: what editors complete from.

It is made of the spec's own schema and the catalogue, so it says nothing that they do not. It is looser than the
service: whether the parts of a spec agree is not a schema's to say.
"""

from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from schemas.catalog import ComponentEntry, ComponentKind, Parameter
from schemas.strict import JsonObject
from schemas.training import JobSpec

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REPLACED = ("Component", "LayerSpec", "JsonValue")


def job_schema(catalogue: CatalogueIndex) -> dict[str, Any]:
    """The schema; most of a megabyte, so callers keep it."""
    schema = JobSpec.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    layer_fields = definitions["LayerSpec"]["properties"]
    for name in _REPLACED:
        del definitions[name]
    for name in ("loss", "optimizer"):
        properties[name] = {**properties[name], **_reference(ComponentKind(name))}
        properties[name].pop("anyOf")
    for name, kind in (("metrics", ComponentKind.METRIC), ("callbacks", ComponentKind.CALLBACK)):
        properties[name]["items"] = _reference(kind)
    definitions["ModelSpec"]["properties"]["layers"]["items"] = _reference(ComponentKind.LAYER)
    shared = {"name": layer_fields["name"], "trainable": layer_fields["trainable"], "input_shape": _input_shape(schema)}
    for kind in ComponentKind:
        entries = list(catalogue.components(kind))
        definitions[kind.value] = _any_of_kind(kind, entries)
        for entry in entries:
            definitions[_name(entry)] = _component(entry, shared if kind is ComponentKind.LAYER else {})
    return {"$schema": _DIALECT, **schema, "title": "Hornbeam job spec"}


def _reference(kind: ComponentKind) -> JsonObject:
    return {"$ref": f"#/$defs/{kind.value}"}


def _name(entry: ComponentEntry) -> str:
    return f"{entry.kind.value}.{entry.name}"


def _any_of_kind(kind: ComponentKind, entries: list[ComponentEntry]) -> JsonObject:
    """A name alone, where that is enough, or an object whose type decides what else it holds."""
    alone = [entry for entry in entries if not any(parameter.required for parameter in entry.parameters)]
    return {
        "description": f"A {kind.value}: its name, or an object with its type and parameters.",
        "if": {"type": "string"},
        "then": {"enum": [name for entry in alone for name in _names(entry)]},
        "else": {
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
        },
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
        "required": ["type", *(parameter.name for parameter in entry.parameters if parameter.required)],
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
    shape = schema["$defs"]["ModelSpec"]["properties"]["input_shape"]
    return {**shape, "deprecated": True, "description": "Write model.input_shape, or leave it to the dataset."}
