"""Checks components against the catalogue and spells them out: canonical names, every parameter, at every level.

It looks at one component at a time. Leaves what several parts of a spec must agree on to the rules that
`hornbeam.specs.checking` puts together.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.components import exclusions
from hornbeam.components.catalog import CatalogueIndex, Form, closest
from hornbeam.specs import old_names
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.formulas import FORMULAS, formula_findings
from hornbeam.specs.shape import keras_config
from hornbeam.specs.values import Mismatch, fits, in_words, integers_without_maximum, mismatch, rewritten
from hornbeam.specs.wording import a_kind, any_of, described, quoted
from schemas.catalog import ComponentEntry, ComponentKind, Parameter
from schemas.models import LAYER_NAME, spelled_out

Normalised = dict[str, Any]
"""A component as `{"type": canonical name, **every parameter}`."""

_MOST_COMPONENTS = 5000
_MOST_LISTED = 15
_DEEPEST = 8
_OF_THE_SPEC = frozenset({"name", "trainable"})
"""What the spec itself defines for layers, wherever they stand."""


class ComponentChecker:
    """Checks any number of components of one spec, telling `report`.

    Args:
        catalogue: What there is.
        report: Where findings go.
        max_dimension: The largest integer that a parameter without a maximum of its own may be.
    """

    def __init__(self, catalogue: CatalogueIndex, report: Report, max_dimension: int) -> None:
        self._catalogue, self._report, self._max_dimension = catalogue, report, max_dimension
        self._checked = 0
        self.layers: list[Normalised] = []
        """Every layer found, those inside other layers too, outer ones first."""

    def check(self, kind: ComponentKind, value: Any, where: str, depth: int = 0) -> Normalised | None:
        """The component spelled out, or None where not even its type is known."""
        if not self.goes_on(where, depth):
            return None
        given = spelled_out(value)
        if kind is ComponentKind.LAYER and isinstance(given, dict) and given.get("type") is None:
            return self.untyped_layer(given, where, depth)
        entry = self._entry(kind, given, where)
        if entry is None:
            return None
        normalised: Normalised = {"type": entry.name}
        if kind is ComponentKind.LAYER:
            normalised |= self.layer_fields(given, where, depth)
            self.layers.append(normalised)
        normalised |= self._parameters(entry, given, where, depth)
        if entry.name == FORMULAS.get(kind) and not self._report.has_errors_in(where):
            self._report.add(formula_findings(kind, normalised, where))
        if kind is ComponentKind.METRIC and "name" not in given and given["type"] in _short_names(entry):
            normalised["name"] = given["type"]
        return normalised

    def goes_on(self, where: str, depth: int = 0) -> bool:
        """Whether one more component, or call of one, is looked at; a finding where they are too many or too deep."""
        self._checked += 1
        if depth > _DEEPEST or self._checked == _MOST_COMPONENTS + 1:
            self._report.error(where, "component.too_many", "There are too many components, or they nest too deep.")
        return not self._report.full and self._checked <= _MOST_COMPONENTS and depth <= _DEEPEST

    def _parameters(self, entry: ComponentEntry, given: Mapping[str, Any], where: str, depth: int) -> Normalised:
        """Every parameter: as given where it is, else its default."""
        form = self._catalogue.form(entry)
        values = form.copied_defaults()
        self._refuse_unknown(entry, form, given, where)
        for name, parameter in form.parameters.items():
            if name in given:
                place = _Place(entry, parameter, f"{where}{pointer(name)}", depth)
                values[name] = self._value(place, given[name])
            elif name in form.required:
                message = f"{entry.name} needs {name}: {in_words_with_components(parameter)}."
                self._report.error(where, "parameter.missing", message)
        return values

    def untyped_layer(self, given: dict[str, Any], where: str, depth: int) -> Normalised | None:  # noqa: ARG002
        """A layer that is no component of the catalogue: here a finding; what knows whole models, knows more."""
        if "class_name" in given or "config" in given:
            self._report.add([keras_config(where)])
        else:
            self._report.error(where, "component.type", "A layer needs a type, which is a name.")
        return None

    def _entry(self, kind: ComponentKind, given: Any, where: str) -> ComponentEntry | None:
        """The catalogue's entry, or a finding."""
        if not isinstance(given, dict):
            self._report.error(where, "component.type", f"Here must be {a_kind(kind)}, not {described(given)}.")
            return None
        name = given.get("type")
        if "class_name" in given or ("config" in given and name is None):
            self._report.add([keras_config(where)])
        elif not isinstance(name, str):
            self._report.error(where, "component.type", f"{a_kind(kind).capitalize()} needs a type, which is a name.")
        else:
            entry = self._catalogue.find(kind, name)
            if entry is None:
                self._refuse_type(kind, name, where)
            return entry
        return None

    def _refuse_type(self, kind: ComponentKind, name: str, where: str) -> None:
        advice = old_names.TYPE_ADVICE.get(name)
        reason = self._catalogue.reason_left_out(kind, name)
        others = self._catalogue.kinds_of(name)
        if reason is not None:
            self._report.error(where, "component.left_out", f"{name} can't be used in a spec. {reason}", advice)
        elif others:
            message = f"{name} is {any_of([a_kind(other) for other in others])}, and here must be {a_kind(kind)}."
            self._report.error(where, "component.wrong_kind", message, self._instead(kind, name, others))
        else:
            message = f"There is no {kind} called {quoted(name)}."
            self._report.error(where, "component.unknown", message, advice or self._similar(kind, name))

    def _instead(self, kind: ComponentKind, name: str, others: Sequence[ComponentKind]) -> str | None:
        if kind is ComponentKind.LAYER and ComponentKind.ACTIVATION in others:
            return f"Write {{type: Activation, activation: {name}}}."
        return self._similar(kind, name)

    def _similar(self, kind: ComponentKind, name: str) -> str:
        new_name = old_names.TYPES.get(name)
        if new_name is None or self._catalogue.find(kind, new_name) is None:
            new_name = self._catalogue.suggest(kind, name)
        if new_name is not None:
            return f"Did you mean {new_name!r}?"
        names = [entry.name for entry in self._catalogue.components(kind)]
        if len(names) <= _MOST_LISTED:
            return f"There is: {', '.join(names)}."
        return f"GET /v1/components?kind={kind} lists every {kind}."

    def layer_fields(self, given: Mapping[str, Any], where: str, depth: int) -> dict[str, Any]:
        """`name` and `trainable`; those of the model's own layers were checked with the spec's shape."""
        name, trainable = given.get("name"), given.get("trainable", True)
        if depth and not (name is None or (isinstance(name, str) and re.fullmatch(LAYER_NAME, name))):
            message = f"A layer's name must match {LAYER_NAME}, and it is {described(name)}."
            self._report.error(f"{where}/name", "parameter.value", message)
            name = None
        if depth and not isinstance(trainable, bool):
            message = f"trainable must be true or false, not {described(trainable)}."
            self._report.error(f"{where}/trainable", "parameter.type", message)
        return {"name": name, "trainable": trainable}

    def _refuse_unknown(self, entry: ComponentEntry, form: Form, given: Mapping[str, Any], where: str) -> None:
        for name in given:
            if name == "type" or name in form.parameters or self._report.full:
                continue
            if name in _OF_THE_SPEC and entry.kind is ComponentKind.LAYER:
                continue
            there = f"{where}{pointer(name)}"
            reason = exclusions.reason_for_parameter(entry.name, name)
            if reason is not None:
                message = f"{entry.name}'s {name} can't be set. {reason}"
                self._report.error(there, "parameter.left_out", message, old_names.PARAMETER_ADVICE.get(name))
            else:
                message = f"{entry.name} has no parameter {quoted(name)}."
                self._report.error(there, "parameter.unknown", message, _similar_parameter(entry, name))

    def _value(self, place: "_Place", value: Any) -> Any:
        parameter = place.parameter
        if not parameter.accepts:
            return self._plain(place, value)
        if parameter.json_schema.get("type") == "array":
            return self._components(place, value)
        if fits(parameter.json_schema, value):
            return value
        is_component = isinstance(value, dict) or (
            isinstance(value, str) and rewritten(parameter.json_schema, value) is None
        )
        if not is_component:
            return self._plain(place, value)
        return self.check(parameter.accepts[0], value, place.where, place.depth + 1)

    def _components(self, place: "_Place", value: Any) -> Any:
        """A list of components."""
        schema, kind = place.parameter.json_schema, place.parameter.accepts[0]
        if not isinstance(value, list) or not schema["minItems"] <= len(value) <= schema["maxItems"]:
            message = f"{place.name} must be a list of {kind}s, and it is {described(value)}."
            self._report.error(place.where, "parameter.type", message)
            return value
        return [self.check(kind, item, f"{place.where}/{index}", place.depth + 1) for index, item in enumerate(value)]

    def _plain(self, place: "_Place", value: Any) -> Any:
        schema = place.parameter.json_schema
        problem = mismatch(schema, value)
        if problem is not None:
            self._refuse_value(place, problem)
            return value
        for path, number in integers_without_maximum(schema, value):
            if abs(number) > self._max_dimension:
                message = f"{place.name} must be at most {self._max_dimension}, not {number}."
                self._report.error(f"{place.where}{pointer(*path)}", "parameter.too_large", message)
        return value

    def _refuse_value(self, place: "_Place", problem: Mismatch) -> None:
        wanted = problem.wanted if problem.path else in_words_with_components(place.parameter)
        self._report.error(
            f"{place.where}{pointer(*problem.path)}",
            "parameter.type" if problem.is_type else "parameter.value",
            f"{place.name} must be {wanted}, not {described(problem.given)}.",
            problem.suggestion,
        )


def _short_names(entry: ComponentEntry) -> set[str]:
    """Names that a metric is reported as when it is called so: `mae`, and not the class's own."""
    return set(entry.aliases) - {entry.name.rpartition(">")[2]}


class _Place:
    """A parameter that was given a value."""

    __slots__ = ("depth", "entry", "parameter", "where")

    def __init__(self, entry: ComponentEntry, parameter: Parameter, where: str, depth: int) -> None:
        self.entry, self.parameter, self.where, self.depth = entry, parameter, where, depth

    @property
    def name(self) -> str:
        """`Dense.units`."""
        return f"{self.entry.name}.{self.parameter.name}"


def in_words_with_components(parameter: Parameter) -> str:
    """What a parameter takes, as in `an initializer or null`."""
    kinds = [a_kind(kind) for kind in parameter.accepts]
    if not kinds:
        return in_words(parameter.json_schema)
    if parameter.json_schema.get("type") == "array":
        return f"a list of {parameter.accepts[0]}s"
    plain = [] if "not" in parameter.json_schema else [in_words(parameter.json_schema)]
    return any_of([*plain, *kinds] if plain != ["null"] else [*kinds, *plain])


def _similar_parameter(entry: ComponentEntry, name: str) -> str:
    names = [parameter.name for parameter in entry.parameters]
    new_name = old_names.PARAMETERS.get(name)
    if new_name in names:
        return f"Did you mean {new_name!r}?"
    if name in old_names.PARAMETER_ADVICE:
        return old_names.PARAMETER_ADVICE[name]
    meant = closest(name, [*names, *(_OF_THE_SPEC if entry.kind is ComponentKind.LAYER else ())])
    if meant is not None:
        return f"Did you mean {meant!r}?"
    listed = names if len(names) <= _MOST_LISTED else [*names[:_MOST_LISTED], "..."]
    return f"It takes: {', '.join(listed)}." if names else "It takes no parameters."
