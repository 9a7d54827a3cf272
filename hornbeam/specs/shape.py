"""Whether a document has the shape of a job spec; pydantic's errors told as findings.

Leaves what components exist and take to `hornbeam.specs.components`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hornbeam.components.catalog import closest
from hornbeam.specs.findings import MOST_FINDINGS, pointer
from hornbeam.specs.values import rewritten
from hornbeam.specs.wording import any_of, described, quoted
from schemas.models import Component, LayerSpec, ModelSpec
from schemas.problems import Finding
from schemas.strict import Request
from schemas.training import JobSpec

_TYPES: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "an integer",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "text",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_long": ("max_length", "at most {} characters long"),
    "string_too_short": ("min_length", "at least {} characters long"),
    "too_long": ("max_length", "of at most {} entries"),
    "too_short": ("min_length", "of at least {} entries"),
}
_CHOICES = frozenset({"enum", "literal_error"})
_COMPONENTS = frozenset({"Component", "LayerSpec"})
_ELSEWHERE: Mapping[str, str] = {
    "clipnorm": "Write it into the optimizer: {type: Adam, clipnorm: …}.",
    "early_stopping": "Write it into callbacks: {type: EarlyStopping, …}.",
    "layers": "Write it into model.",
    "learning_rate": "Write it into the optimizer: {type: Adam, learning_rate: …}.",
    "lr": "Write it into the optimizer: {type: Adam, learning_rate: …}.",
    "nb_epoch": "Keras calls it epochs now: training.epochs.",
    "validation_split": "Write dataset.validation.fraction.",
    "verbose": "Leave it out: the service reports progress itself.",
}
"""What people look for in the wrong place, beside fields that a part of the spec has under the same name."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """One of pydantic's errors, with the part of its location that the document has."""

    error: ErrorDetails
    path: tuple[str | int, ...]
    in_union: bool
    """Whether it comes from one of several alternatives."""


def validate(document: dict[str, Any]) -> tuple[JobSpec | None, list[Finding]]:
    """The spec in a document, or everything about its shape that is wrong."""
    try:
        return JobSpec.model_validate(document), []
    except ValidationError as error:
        return None, _findings(error, document)


class _ModelAlone(Request):
    """A model where a spec has it, so that its places go by the same names."""

    model: ModelSpec


def validate_model(model: Any, where: str) -> tuple[dict[str, Any] | None, list[Finding]]:
    """A nested model with every field, or everything about its shape that is wrong.

    Args:
        model: As it was sent.
        where: The pointer to it, which ends in `/model`.
    """
    document = {"model": model}
    try:
        return _ModelAlone.model_validate(document).model.model_dump(mode="json"), []
    except ValidationError as error:
        found = _findings(error, document)
    outside = where.removesuffix("/model")
    return None, [finding.model_copy(update={"pointer": f"{outside}{finding.pointer}"}) for finding in found]


def _findings(error: ValidationError, document: Any) -> list[Finding]:
    problems = [_located(details, document) for details in error.errors(include_url=False)[: 2 * MOST_FINDINGS]]
    return list(_told(problems))


def _located(error: ErrorDetails, document: Any) -> _Problem:
    """Leave out those parts of pydantic's location that name alternatives, not places."""
    node, path, skipped = document, [], False
    location = error["loc"][:-1] if error["type"] == "missing" else error["loc"]
    for part in location:
        if _has(node, part):
            node = node[part]
            path.append(part)
        else:
            skipped = True
    return _Problem(error, tuple(path), skipped)


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node


def _told(problems: Sequence[_Problem]) -> Iterator[Finding]:
    merged: set[tuple[str | int, ...]] = set()
    for problem in problems:
        kind = problem.error["type"]
        if kind == "missing":
            yield _missing(problem)
        elif kind == "extra_forbidden":
            yield _unknown(problem)
        elif problem.in_union:
            if problem.path not in merged and not _explained_deeper(problem, problems):
                merged.add(problem.path)
                yield _value([other for other in problems if other.path == problem.path])
        else:
            yield _value([problem])


def _explained_deeper(problem: _Problem, problems: Sequence[_Problem]) -> bool:
    """Whether another alternative came further, so that its complaint is the one that matters."""
    length = len(problem.path)
    return any(len(other.path) > length and other.path[:length] == problem.path for other in problems)


def _missing(problem: _Problem) -> Finding:
    name = str(problem.error["loc"][-1])
    given = problem.error["input"]
    if name == "type" and isinstance(given, dict) and "class_name" in given:
        return keras_config(pointer(*problem.path))
    return Finding(
        pointer=pointer(*problem.path), code="field.missing", message=f"{_label(problem.path)} needs a field {name!r}."
    )


def keras_config(where: str) -> Finding:
    """The finding for an object in the form in which Keras serialises its own."""
    return Finding(
        pointer=where,
        code="component.keras_config",
        message="This is the form in which Keras serialises objects, and it is not accepted.",
        suggestion="Write the type, with its parameters beside it: {type: Dense, units: 10}.",
    )


def _unknown(problem: _Problem) -> Finding:
    *parents, last = problem.path
    name = str(last)
    fields = list(_model_at(tuple(parents)).model_fields)
    meant = closest(name, fields)
    return Finding(
        pointer=pointer(*problem.path),
        code="field.unknown",
        message=f"{_label(tuple(parents))} has no field {quoted(name)}.",
        suggestion=f"Did you mean {meant!r}?" if meant else _elsewhere(name) or f"There is: {', '.join(fields)}.",
    )


def _elsewhere(name: str) -> str | None:
    places = [path for path in _field_paths(JobSpec) if path.rpartition(".")[2] == name]
    if places:
        return f"Did you mean {any_of(places)}?"
    return _ELSEWHERE.get(name)


def _value(problems: Sequence[_Problem]) -> Finding:
    """One finding for a value that fits none of its alternatives."""
    first = problems[0]
    value = first.error["input"]
    wanted = list(dict.fromkeys(_expectation(problem.error) for problem in problems))
    is_type = all(problem.error["type"] in _TYPES for problem in problems)
    return Finding(
        pointer=pointer(*first.path),
        code="field.type" if is_type else "field.value",
        message=f"{_label(first.path)} must be {any_of(wanted)}, not {_given(first.error)}.",
        suggestion=_nearest_choice(first.error, value) or _number_in_text(value, wanted) or _by_itself(value, wanted),
    )


def _given(error: ErrorDetails) -> str:
    if error["type"] in ("too_long", "too_short"):
        return str(error.get("ctx", {}).get("actual_length", "this long"))
    return described(error["input"])


def _expectation(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "model_type" and context.get("class_name") in _COMPONENTS:
        return "a name, or an object with a type"
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return words.format(context[name]).replace(" 1 entries", " 1 entry")
    if kind in _CHOICES:
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return f"text that matches {context['pattern']}"
    return error["msg"].removeprefix("Input should be ")


def _nearest_choice(error: ErrorDetails, value: Any) -> str | None:
    if error["type"] not in _CHOICES or not isinstance(value, str):
        return None
    meant = closest(value, re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", ""))))
    return f"Did you mean {meant!r}?" if meant else None


def _number_in_text(value: Any, wanted: Sequence[str]) -> str | None:
    """What to write instead of a number in quotes."""
    for words, kind in (("an integer", "integer"), ("a number", "number")):
        if words in wanted:
            return rewritten({"type": kind}, value)
    return None


def _by_itself(value: Any, wanted: Sequence[str]) -> str | None:
    """What to write instead of a name where several could stand, or of several where one can."""
    if _TYPES["list_type"] in wanted and isinstance(value, str) and not value.isdigit():
        return f"Write [{quoted(value)}]."
    names = value if _TYPES["string_type"] in wanted and isinstance(value, list) else []
    return f"Write {quoted(names[0])}." if len(names) == 1 and isinstance(names[0], str) else None


def _label(path: Sequence[str | int]) -> str:
    """What a place is called in a sentence."""
    if not path:
        return "The spec"
    text = ""
    for part in path:
        name = quoted(part)[1:-1] if isinstance(part, str) else part
        text += f"[{name}]" if isinstance(part, int) else f".{name}"
    return text.removeprefix(".")


def _model_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The model that describes the object at a path."""
    model: type[BaseModel] = JobSpec
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            model = _model_in(field.annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


def _field_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every field of the spec, as `training.epochs`; those of components are the catalogue's."""
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        yield f"{prefix}{name}"
        if inner is not None and not issubclass(inner, Component | LayerSpec):
            yield from _field_paths(inner, f"{prefix}{name}.")
