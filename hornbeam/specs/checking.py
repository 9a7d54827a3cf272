"""From a job spec to its normalised form, or to everything that is wrong with it.

The normalised spec is plain JSON: canonical names, every parameter and every default filled in, a seed drawn. No Keras
is needed: components are checked against the catalogue, the rest by rules. What only the built model shows is the
planner's to find.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.datasets.builtin import BUILTIN
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs import rules
from hornbeam.specs.components import ComponentChecker, Normalised
from hornbeam.specs.findings import Report
from hornbeam.specs.monitors import check_monitor, default_monitor, direction, log_keys, settle_metric_names
from hornbeam.specs.parsing import read
from schemas.catalog import ComponentKind
from schemas.problems import Finding
from schemas.training import JobSpec

_SEEDS = 2**32
_MOST_LAYERS = 1000
_MOST_AXES = 8


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec that may be queued."""

    spec: dict[str, Any]
    """Normalised."""
    findings: tuple[Finding, ...]
    """Warnings and remarks; no errors."""


def check_body(body: bytes, catalogue: CatalogueIndex, settings: Settings) -> Checked:
    """The checked spec in a request's body. Raises InvalidSpec with all findings: shape, components and rules."""
    document, spec, report = read(body, settings)
    if spec is None:
        checker = ComponentChecker(catalogue, report, settings.max_dimension)
        for kind, value, where in _components_in(document):
            checker.check(kind, value, where)
        raise InvalidSpec(report.findings)
    return _check(spec, report, catalogue, settings)


def check(spec: JobSpec, catalogue: CatalogueIndex, settings: Settings) -> Checked:
    """The checked form of a spec that has the right shape. Raises InvalidSpec with all findings."""
    posted = spec.model_dump(mode="json", exclude_unset=True)
    return _check(spec, Report(posted), catalogue, settings)


def _check(spec: JobSpec, report: Report, catalogue: CatalogueIndex, settings: Settings) -> Checked:
    normalised = spec.model_dump(mode="json")
    shape, where = _take_input_shape(normalised["model"], report)
    rules.check_data(spec, report)
    rules.check_input_shape(shape, spec, where, report)
    rules.check_limits(spec, settings, report)
    _check_components(spec, normalised, ComponentChecker(catalogue, report, settings.max_dimension), report)
    report.raise_if_invalid()
    _fill_in(normalised, spec, settings)
    return Checked(normalised, report.findings)


def _components_in(document: Mapping[str, Any]) -> Iterator[tuple[ComponentKind, Any, str]]:
    """The components of a document of whatever shape, as far as they can be told."""
    model = document.get("model")
    layers = model.get("layers") if isinstance(model, dict) else None
    lists = (
        (ComponentKind.LAYER, layers, "/model/layers"),
        (ComponentKind.METRIC, document.get("metrics"), "/metrics"),
        (ComponentKind.CALLBACK, document.get("callbacks"), "/callbacks"),
    )
    found = [
        (ComponentKind.LOSS, document.get("loss"), "/loss"),
        (ComponentKind.OPTIMIZER, document.get("optimizer"), "/optimizer"),
        *(
            (kind, item, f"{where}/{index}")
            for kind, items, where in lists
            if isinstance(items, list)
            for index, item in enumerate(items[:_MOST_LAYERS])
        ),
    ]
    for kind, value, where in found:
        if isinstance(value, str):
            yield kind, value, where
        elif isinstance(value, dict) and isinstance(value.get("type"), str):
            first = where == "/model/layers/0"
            yield kind, {name: item for name, item in value.items() if not (first and name == "input_shape")}, where


def _take_input_shape(model: dict[str, Any], report: Report) -> tuple[list[int] | None, str]:
    """Move `input_shape` from the first layer, where Keras takes it too, to the model. Returns it, and its place."""
    first = model["layers"][0]
    where = "/model/layers/0/input_shape"
    shape = first.get("input_shape")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES or not all(type(n) is int and n > 0 for n in shape):
        return model["input_shape"], "/model/input_shape"
    del first["input_shape"]
    if model["input_shape"] not in (None, shape):
        message = "The first layer's input_shape is not that of the model."
        report.error(where, "input_shape.contradiction", message, "Leave one of them out.")
    else:
        message = "The input shape is taken for the model's: model.input_shape."
        report.info(where, "layer.input_shape", message, "It can be left out: it comes from the dataset.")
    model["input_shape"] = shape
    return shape, where


def _check_components(spec: JobSpec, normalised: dict[str, Any], checker: ComponentChecker, report: Report) -> None:
    """Check and normalise every component, in place."""
    posted = {**normalised, "layers": normalised["model"]["layers"]}
    for name, kind in (("loss", ComponentKind.LOSS), ("optimizer", ComponentKind.OPTIMIZER)):
        normalised[name] = checker.check(kind, posted[name], f"/{name}")
    normalised["model"]["layers"] = _check_list(checker, ComponentKind.LAYER, posted["layers"], "/model/layers")
    normalised["metrics"] = _check_list(checker, ComponentKind.METRIC, posted["metrics"], "/metrics")
    normalised["callbacks"] = _check_list(checker, ComponentKind.CALLBACK, posted["callbacks"], "/callbacks")
    rules.settle_layer_names(checker.layers, posted["layers"], report)
    if normalised["optimizer"] is not None:
        rules.check_optimizer(normalised["optimizer"], "/optimizer", report)
    if None not in (*normalised["metrics"], *normalised["callbacks"]):
        settle_metric_names(normalised["metrics"], posted["metrics"], report)
        rules.check_callbacks(normalised["callbacks"], spec.training.epochs, report)
        _settle_monitors(spec, normalised, report)


def _check_list(
    checker: ComponentChecker, kind: ComponentKind, items: list[Any], where: str
) -> list[Normalised | None]:
    return [checker.check(kind, item, f"{where}/{index}") for index, item in enumerate(items)]


def _settle_monitors(spec: JobSpec, normalised: dict[str, Any], report: Report) -> None:
    """Check what is watched, and decide what `auto` means."""
    metrics, callbacks, checkpoints = normalised["metrics"], normalised["callbacks"], normalised["checkpoints"]
    keys = log_keys(metrics, callbacks, validated=spec.dataset.validation is not None)
    if checkpoints["monitor"] is None:
        checkpoints["monitor"] = default_monitor(spec)
    watchers = [("The choice of checkpoints", checkpoints, "/checkpoints")]
    watchers += [
        (str(callback["type"]), callback, f"/callbacks/{index}")
        for index, callback in enumerate(callbacks)
        if "monitor" in callback
    ]
    for name, watcher, where in watchers:
        if isinstance(watcher["monitor"], str):
            check_monitor(name, watcher["monitor"], keys, f"{where}/monitor", report)
            if watcher.get("mode") == "auto":
                watcher["mode"] = direction(watcher["monitor"], metrics)


def _fill_in(normalised: dict[str, Any], spec: JobSpec, settings: Settings) -> None:
    """The defaults that depend on something."""
    if normalised["model"]["input_shape"] is None:
        normalised["model"]["input_shape"] = list(BUILTIN[spec.dataset.source.builtin].feature_shape)
    training, validation = normalised["training"], normalised["dataset"]["validation"]
    if training["seed"] is None:
        training["seed"] = secrets.randbelow(_SEEDS)
    if training["max_seconds"] is None:
        training["max_seconds"] = settings.max_job_seconds
    if validation is not None and validation["seed"] is None:
        validation["seed"] = training["seed"]
