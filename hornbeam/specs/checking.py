"""From a job spec to its normalised form, or to everything that is wrong with it.

The normalised spec is plain JSON: canonical names, every parameter and every default filled in, a seed drawn. No Keras
is needed: components are checked against the catalogue, the rest by rules. What only the built model shows is the
planner's to find.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hornbeam.components.catalog import CatalogueIndex
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs import inputs, outputs, rules
from hornbeam.specs.augmentation import take_augmentation
from hornbeam.specs.column_uses import check_missing_features
from hornbeam.specs.components import ComponentChecker, Normalised
from hornbeam.specs.data import Datasets, NoDatasets, add_facts, check_data
from hornbeam.specs.findings import Report
from hornbeam.specs.models import WIRING, ModelChecker
from hornbeam.specs.monitors import (
    check_direction,
    check_log_names,
    check_monitor,
    default_monitor,
    direction,
    log_keys,
    settle_metric_names,
)
from hornbeam.specs.other_data import check_other_data
from hornbeam.specs.parsing import parse, shaped
from hornbeam.specs.preprocessing import settle_preprocessing
from hornbeam.specs.remembered import Memory, Remembered, key_of, packed, unpacked, unseen_of
from hornbeam.specs.shape import validate
from hornbeam.specs.targets import check_targets
from schemas.catalog import ComponentKind
from schemas.datasets import OtherSplit, StoredSource
from schemas.problems import Finding, Severity
from schemas.training import JobSpec

_SEEDS = 2**32
_MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec with all that was found in it."""

    spec: dict[str, Any]
    """Normalised. Where there are errors, components with errors are None in it."""
    findings: tuple[Finding, ...]
    is_provable: bool = True
    """Whether the model and its data are without error, so that a planner can prove at least those."""
    pointers: Mapping[str, str] = field(default_factory=dict)
    """Where the layers of a translated model were posted, by their pointers in the normalised spec."""

    @property
    def has_errors(self) -> bool:
        """Whether the spec is refused."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


def check_body(body: bytes, catalogue: CatalogueIndex, settings: Settings) -> Checked:
    """The checked spec in a request's body. Raises InvalidSpec with all findings: shape, components and rules."""
    checked = examine_body(body, catalogue, settings)
    if checked.has_errors:
        raise InvalidSpec(checked.findings)
    return checked


def examine_body(
    body: bytes,
    catalogue: CatalogueIndex,
    settings: Settings,
    *,
    needs_dataset: bool = True,
    datasets: Datasets | None = None,
    memory: Memory | None = None,
) -> Checked:
    """The spec in a request's body, with errors too. Raises InvalidSpec where it has not even the shape of a spec.

    Args:
        body: As it came.
        catalogue: What there is.
        settings: What this installation allows.
        needs_dataset: Whether a spec without one is refused.
        datasets: What clients have brought; nothing where it is left out.
        memory: Of earlier examinations under the same settings.
    """
    document, report = parse(body, settings)
    lacks_dataset = needs_dataset and document.get("dataset") is None
    is_sound = not report.findings and not lacks_dataset
    key = key_of(document, catalogue.digest) if memory is not None and is_sound else None
    checked = None if memory is None or key is None else _recalled(memory.find(key), document)
    if checked is None:
        spec = shaped(document, report)
        if lacks_dataset:
            message = "The spec needs a field 'dataset'."
            report.error("", "field.missing", message, "Only ?validate_only=true proves a model without data.")
        if spec is None:
            checker = ComponentChecker(catalogue, report, settings.max_dimension)
            for kind, value, where in _components_in(document):
                checker.check(kind, value, where)
            raise InvalidSpec(report.findings)
        checked = _examine(spec, report, catalogue, settings, datasets or NoDatasets())
        if memory is not None and key is not None and not checked.has_errors and not _names_stored_data(spec):
            memory.keep(key, Remembered(packed(checked.spec), checked.findings, checked.pointers))
    _fill_in(checked.spec, settings)
    return checked


def _recalled(known: Remembered | None, document: Mapping[str, Any]) -> Checked | None:
    """What was found in a spec that differs in nothing which is looked at; None where there is none, or no longer."""
    own = None if known is None else validate(unseen_of(document))[0]
    if known is None or own is None:
        return None
    spec = unpacked(known, name=own.name, metadata=own.metadata, priority=own.priority)
    spec["training"]["seed"] = own.training.seed
    return Checked(spec, known.findings, pointers=known.pointers)


def _names_stored_data(spec: JobSpec) -> bool:
    """Whether a spec means something else when somebody's dataset changes."""
    data = spec.dataset
    if data is None:
        return False
    return isinstance(data.source, StoredSource) or OtherSplit in (type(data.validation), type(data.test))


def _examine(
    spec: JobSpec, report: Report, catalogue: CatalogueIndex, settings: Settings, datasets: Datasets
) -> Checked:
    """The checked spec, before its seeds are drawn."""
    normalised = spec.model_dump(mode="json")
    shape_at = _check_dataset(normalised, datasets, report)
    if normalised["dataset"] is not None and not report.has_errors_in("/dataset"):
        # By a checker of their own: they are no part of the model, and named apart from it.
        settle_preprocessing(normalised, ModelChecker(catalogue, report, settings.max_dimension), report)
    rules.check_limits(spec, settings, report)
    checker = ModelChecker(catalogue, report, settings.max_dimension)
    layers_at = take_augmentation(normalised, report)
    _check_components(normalised, checker, (shape_at, layers_at), report)
    if not report.has_errors_in("/model", "/dataset"):
        inputs.settle_inputs(normalised["model"], normalised["dataset"], report)
        if normalised["dataset"] is not None:
            check_targets(normalised, report)
            check_other_data(normalised, report)
            if not report.has_errors_in("/dataset"):
                check_missing_features(normalised, report)
    is_provable = not (report.has_errors and report.has_errors_in("/model", "/dataset", ""))
    if report.has_errors:
        _leave_out_errors(normalised, report)
    return Checked(normalised, report.findings, is_provable, checker.pointers)


def _leave_out_errors(normalised: dict[str, Any], report: Report) -> None:
    """Make None of the components that have errors, in place, so that the others can still be proven."""

    def kept(component: Any, where: str) -> Any:
        return None if report.has_errors_in(where) else component

    normalised["optimizer"] = kept(normalised["optimizer"], "/optimizer")
    normalised["loss"] = outputs.mapped_losses(normalised, kept)
    normalised["metrics"] = outputs.mapped_metrics(
        normalised, lambda listed, where: [kept(metric, f"{where}/{index}") for index, metric in enumerate(listed)]
    )
    normalised["callbacks"] = [
        kept(callback, f"/callbacks/{index}") for index, callback in enumerate(normalised["callbacks"])
    ]


def _check_dataset(normalised: dict[str, Any], datasets: Datasets, report: Report) -> str:
    """Check the data, and where the model says its input shape, that they agree on it. Returns the pointer to that."""
    model, dataset = normalised["model"], normalised["dataset"]
    is_of_layers = "layers" in model and "application" not in model
    where = inputs.take_input_shape(model, report) if is_of_layers else "/model/input_shape"
    if dataset is None or not add_facts(dataset, datasets, report):
        return where
    check_data(normalised, report)
    if not (is_of_layers and model["inputs"]) and not report.has_errors_in("/dataset"):
        inputs.check_input_shape(model.get("input_shape"), dataset, where, report)
    return where


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
        elif isinstance(value, dict) and kind is ComponentKind.LAYER:
            if value.get("model") is None and value.get("shared") is None and isinstance(value.get("type"), str | None):
                yield kind, _without_wiring(value, first=where.endswith("/0")), where
        elif isinstance(value, dict) and isinstance(value.get("type"), str):
            yield kind, value, where


def _without_wiring(layer: Mapping[str, Any], *, first: bool) -> dict[str, Any]:
    """A layer as a component of the catalogue has it."""
    of_the_model = {*WIRING, "input_shape"} if first else WIRING
    return {name: value for name, value in layer.items() if name not in of_the_model}


def _check_components(
    normalised: dict[str, Any], checker: ModelChecker, places: tuple[str, Sequence[str]], report: Report
) -> None:
    """Check and normalise every component, in place.

    Args:
        normalised: The spec.
        checker: Checks them.
        places: The pointers to the model's input shape, and to its layers.
        report: Where findings go.
    """

    def checked_list(kind: ComponentKind, items: list[Any], where: str) -> list[Normalised | None]:
        return [checker.check(kind, item, f"{where}/{index}") for index, item in enumerate(items)]

    posted = dict(normalised)
    normalised["loss"] = outputs.mapped_losses(
        posted, lambda loss, where: checker.check(ComponentKind.LOSS, loss, where)
    )
    normalised["optimizer"] = checker.check(ComponentKind.OPTIMIZER, posted["optimizer"], "/optimizer")
    model = checker.check_model(posted["model"], "/model", shape_at=places[0], layers_at=places[1])
    normalised["metrics"] = outputs.mapped_metrics(
        posted, lambda listed, where: checked_list(ComponentKind.METRIC, listed, where)
    )
    normalised["callbacks"] = checked_list(ComponentKind.CALLBACK, posted["callbacks"], "/callbacks")
    if model is not None:
        normalised["model"] = model
        checker.settle()
        outputs.settle_outputs(normalised, report)
    if normalised["optimizer"] is not None:
        rules.check_optimizer(normalised["optimizer"], "/optimizer", report)
        rules.check_plateaus(normalised["callbacks"], normalised["optimizer"], report)
    _check_watching(normalised, posted, report)


def _check_watching(normalised: dict[str, Any], posted: Mapping[str, Any], report: Report) -> None:
    """Names of metrics, and those who watch them, as far as all of them are known."""
    measured = [metric for _, _, metric in outputs.metrics(normalised)]
    if None in (*measured, *normalised["callbacks"]):
        return
    given = [listed for _, _, listed in outputs.metric_lists(posted)]
    for (where, _, listed), listed_as_posted in zip(outputs.metric_lists(normalised), given, strict=False):
        settle_metric_names(listed, listed_as_posted, where, report)
    check_log_names(normalised, report)
    rules.check_callbacks(normalised["callbacks"], normalised["training"]["epochs"], report)
    _settle_monitors(normalised, report)


def _settle_monitors(normalised: dict[str, Any], report: Report) -> None:
    """Check what is watched, and decide what `auto` means."""
    callbacks, checkpoints, dataset = normalised["callbacks"], normalised["checkpoints"], normalised["dataset"]
    # Without a dataset nobody knows whether there will be validation.
    keys = log_keys(normalised, validated=dataset is None or dataset["validation"] is not None)
    if checkpoints["monitor"] is None:
        checkpoints["monitor"] = default_monitor(dataset)
    watchers = [("The choice of checkpoints", checkpoints, "/checkpoints")]
    watchers += [
        (str(callback["type"]), callback, f"/callbacks/{index}")
        for index, callback in enumerate(callbacks)
        if "monitor" in callback and not rules.check_guard(callback, keys, f"/callbacks/{index}", report)
    ]
    for name, watcher, where in watchers:
        if isinstance(watcher["monitor"], str):
            check_monitor(name, watcher["monitor"], keys, f"{where}/monitor", report)
            if watcher.get("mode") == "auto":
                check_direction(name, watcher["monitor"], normalised, f"{where}/mode", report)
                watcher["mode"] = direction(watcher["monitor"], normalised)


def _fill_in(normalised: dict[str, Any], settings: Settings) -> None:
    """The defaults that depend on something."""
    training, dataset = normalised["training"], normalised["dataset"]
    if training["seed"] is None:
        training["seed"] = secrets.randbelow(_SEEDS)
    if training["max_seconds"] is None:
        training["max_seconds"] = settings.max_job_seconds
    for part in ("validation", "test") if dataset is not None else ():
        split = dataset[part]
        if split is not None and "fraction" in split and split["seed"] is None:
            split["seed"] = training["seed"]
