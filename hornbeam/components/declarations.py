"""Reads the parameters of a registered class: annotations become JSON Schema, `Holds` says which components fit.

What Keras's own base classes take (`reduction`, `clipnorm`, a layer's `dtype`) has the types of `annotations`. Leaves
the rules for classes and names to `hornbeam.components.registry`.
"""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from hornbeam.components import annotations
from hornbeam.components.docstrings import Docs, parse
from hornbeam.components.implied import as_json, layer_dtype, metric_name, takes_any
from hornbeam.components.json_types import NOTHING_PLAIN
from hornbeam.components.sources import BY_KIND
from schemas.catalog import ComponentKind, Parameter
from schemas.strict import JsonObject

_BASE_CLASS_TYPES = frozenset({"reduction", "dtype", "name", "trainable"})
"""Parameters of Keras's base classes that need no annotation."""
_WORDS = frozenset(
    {
        *("type", "enum", "anyOf", "not", "pattern", "maxLength", "items", "minItems", "maxItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("additionalProperties", "propertyNames", "maxProperties"),
    }
)
"""The words of JSON Schema that `hornbeam.specs.values` understands."""
_LONGEST_TEXT = 256
_LONGEST_MAPPING = 64


class DeclarationError(ValueError):
    """A parameter whose type can't be told, or can't be sent as JSON."""


@dataclass(frozen=True, slots=True)
class Holds:
    """In an annotation: the parameter may hold a component of one of these kinds, by name or as `{type, …}`.

    The rest of the annotation says which plain values it takes besides; text is always a component's name.
    """

    kinds: tuple[ComponentKind, ...]

    def __init__(self, *kinds: ComponentKind) -> None:
        object.__setattr__(self, "kinds", kinds)


def declared_parameters(kind: ComponentKind, component: type[Any], docs: Docs) -> list[Parameter]:
    """The parameters of a registered class, in their order. Raises DeclarationError."""
    base = BY_KIND[kind].base
    of_keras = getattr(importlib.import_module(BY_KIND[kind].module), base) if base else object
    found = list(_own(component, docs, of_keras))
    names = {parameter.name for parameter in found}
    inherited = _inherited(kind, component)
    return [*found, *(parameter for parameter in inherited if parameter.name not in names)]


def _own(component: type[Any], docs: Docs, of_keras: type[Any]) -> Iterator[Parameter]:
    """What a component names, or what the class names that it has its constructor from."""
    if component.__init__ is object.__init__:
        return
    is_plain = component.__init__ is of_keras.__init__
    hints = get_type_hints(component.__init__, include_extras=True)
    for parameter in list(inspect.signature(component.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.name not in _BASE_CLASS_TYPES:
            if is_plain and parameter.default is not parameter.empty:
                continue  # Keras's own, and unannotated: it keeps its default
            if parameter.name not in hints:
                raise DeclarationError(f"the parameter {parameter.name} has no annotation")
            yield _declared(parameter, hints[parameter.name], docs)
        elif parameter.name == "reduction":
            yield _of_base_class(component, parameter, docs)


def _inherited(kind: ComponentKind, component: type[Any]) -> Iterator[Parameter]:
    """What a component takes without naming it."""
    if kind is ComponentKind.METRIC:
        yield metric_name(component)
    if kind is ComponentKind.LAYER and takes_any(component):
        yield layer_dtype()
    if kind is ComponentKind.OPTIMIZER and takes_any(component):
        optimizers = importlib.import_module("keras.optimizers")
        docs = parse(optimizers.Adam.__doc__)
        for parameter in _named_by_a_base(optimizers.Optimizer):
            if parameter.default is not parameter.empty and parameter.name != "name":
                yield _of_base_class(component, parameter, docs)


def _named_by_a_base(component: type[Any]) -> list[inspect.Parameter]:
    """The parameters of the first class in the line of ancestors that names them instead of handing them on."""
    constructors = [vars(base)["__init__"] for base in component.__mro__ if "__init__" in vars(base)]
    signatures = [list(inspect.signature(constructor).parameters.values()) for constructor in constructors]
    return next(found for found in signatures if not any(one.kind is one.VAR_POSITIONAL for one in found))


def _of_base_class(component: type[Any], parameter: inspect.Parameter, docs: Docs) -> Parameter:
    annotation = annotations.annotate(component.__name__, parameter.name, as_json(parameter.default))
    return Parameter(
        name=parameter.name,
        json_schema=annotation.schema,
        required=False,
        default=as_json(parameter.default),
        accepts=list(annotation.accepts),
        description=docs.arguments.get(parameter.name, ""),
    )


def _declared(parameter: inspect.Parameter, hint: Any, docs: Docs) -> Parameter:
    plain, kinds = _without_holds(hint)
    schema = _schema(parameter.name, plain)
    if schema == NOTHING_PLAIN and not kinds:
        raise DeclarationError(f"the annotation of {parameter.name} says neither which values it takes nor Holds(…)")
    required = parameter.default is parameter.empty
    return Parameter(
        name=parameter.name,
        json_schema=_without_text(schema) if kinds else schema,
        required=required,
        default=None if required else as_json(parameter.default),
        accepts=list(kinds),
        description=docs.arguments.get(parameter.name, ""),
    )


def _without_holds(hint: Any) -> tuple[Any, tuple[ComponentKind, ...]]:
    """The annotation without `Holds`, wherever in it that stands, and the kinds."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *metadata = get_args(hint)
        plain, kinds = _without_holds(inner)
        for item in metadata:
            if isinstance(item, Holds):
                kinds += item.kinds
            else:
                plain = Annotated[plain, item]
        return plain, kinds
    if origin in (UnionType, Union):
        parts = [_without_holds(part) for part in get_args(hint)]
        return Union[tuple(plain for plain, _ in parts)], tuple(kind for _, kinds in parts for kind in kinds)  # noqa: UP007
    if origin is list:
        inner, kinds = _without_holds(get_args(hint)[0])
        return list[inner], kinds  # type: ignore[valid-type]
    return hint, ()


def _schema(name: str, annotation: Any) -> JsonObject:
    if annotation is Any:
        return NOTHING_PLAIN
    try:
        return _cleaned(name, TypeAdapter(annotation).json_schema())
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
        raise DeclarationError(f"the parameter {name} has a type that JSON can't hold") from error


def _cleaned(name: str, schema: JsonObject) -> JsonObject:
    """The schema in the words that the catalogue uses."""
    if not schema:
        return NOTHING_PLAIN
    if "const" in schema:
        return {"enum": [schema["const"]]}
    if "enum" in schema:
        return {"enum": schema["enum"]}
    if "anyOf" in schema:
        return _joined([_cleaned(name, option) for option in schema["anyOf"]])
    if "prefixItems" in schema:
        schema = _of_equal_items(name, schema)
    kept = {word: value for word, value in schema.items() if word in _WORDS}
    if "type" not in kept or set(schema) - _WORDS - {"title", "description", "default", "examples"}:
        raise DeclarationError(f"the parameter {name} needs a plainer type: its JSON Schema is {schema}")
    if kept["type"] == "array":
        kept["items"] = _cleaned(name, kept.get("items", {}))
    if kept["type"] == "string":
        kept.setdefault("maxLength", _LONGEST_TEXT)
    if kept["type"] == "object":
        kept["additionalProperties"] = _cleaned(name, kept.get("additionalProperties", {}))
        kept["propertyNames"] = {"type": "string", "maxLength": _LONGEST_TEXT, **kept.get("propertyNames", {})}
        kept.setdefault("maxProperties", _LONGEST_MAPPING)
    return kept


def _joined(options: list[JsonObject]) -> JsonObject:
    """Alternatives; choices and null become one list of choices."""
    if all("enum" in option or option == {"type": "null"} for option in options):
        return {"enum": [value for option in options for value in option.get("enum", [None])]}
    return {"anyOf": options}


def _of_equal_items(name: str, schema: JsonObject) -> JsonObject:
    """A tuple as a list of one length, where all its items are of one type."""
    items = schema["prefixItems"]
    if any(item != items[0] for item in items):
        raise DeclarationError(f"the parameter {name} is a tuple of several types; use one type for all")
    return {"type": "array", "items": items[0], "minItems": len(items), "maxItems": len(items)}


def _without_text(schema: JsonObject) -> JsonObject:
    """The schema without text, which names components where there may be some."""
    if schema.get("type") == "string":
        return NOTHING_PLAIN
    if "anyOf" in schema:
        rest = [option for option in schema["anyOf"] if option.get("type") != "string"]
        return rest[0] if len(rest) == 1 else {"anyOf": rest}
    return schema
