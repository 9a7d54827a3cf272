"""Short ways to write the JSON Schemas of the catalogue: only words that `hornbeam.specs.values` understands."""

from schemas.strict import JsonObject

NOTHING_PLAIN: JsonObject = {"not": {}}
"""The schema of a parameter that takes components only."""


def integer(minimum: int | None = None, maximum: int | None = None) -> JsonObject:
    """An integer. Where there is no maximum the service's largest dimension is one."""
    return _bounded("integer", minimum=minimum, maximum=maximum)


def number(
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
) -> JsonObject:
    """A number; `above` and `below` are bounds that it may not reach."""
    return _bounded("number", minimum=minimum, maximum=maximum, exclusiveMinimum=above, exclusiveMaximum=below)


def choice(*values: str | bool | int | None) -> JsonObject:
    """One of some values."""
    return {"enum": list(values)}


def text(longest: int = 256, pattern: str | None = None) -> JsonObject:
    """A string."""
    schema: JsonObject = {"type": "string", "maxLength": longest}
    return schema if pattern is None else {**schema, "pattern": pattern}


def list_of(items: JsonObject, least: int = 1, most: int | None = None) -> JsonObject:
    """A list."""
    schema: JsonObject = {"type": "array", "items": items, "minItems": least}
    return schema if most is None else {**schema, "maxItems": most}


def either(*schemas: JsonObject) -> JsonObject:
    """Any of some schemas."""
    return {"anyOf": list(schemas)}


def optional(schema: JsonObject) -> JsonObject:
    """The schema, or null."""
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    options = schema.get("anyOf", [schema])
    return {"anyOf": [*options, {"type": "null"}]}


def window(rank: int, minimum: int = 1) -> JsonObject:
    """One integer for all axes, or one for each."""
    return either(integer(minimum), list_of(integer(minimum), rank, rank))


def margin(rank: int) -> JsonObject:
    """What is cut off or added at each end of each axis: one integer, one for each axis, or one for each end."""
    ends = list_of(integer(0), 2, 2)
    if rank == 1:
        return either(integer(0), ends)
    return either(integer(0), list_of(either(integer(0), ends), rank, rank))


def _bounded(kind: str, **bounds: float | None) -> JsonObject:
    return {"type": kind, **{name: value for name, value in bounds.items() if value is not None}}
