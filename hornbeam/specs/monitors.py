"""What a training reports after each epoch, under which names, and which direction is better.

Names are made here, so that they are the same in every attempt: Keras numbers them by what its process made before.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hornbeam.specs.components import Normalised
from hornbeam.specs.findings import Report
from hornbeam.specs.formulas import FORMULAS
from hornbeam.specs.outputs import log_name, losses, metrics
from hornbeam.specs.wording import quoted
from schemas.catalog import ComponentKind

LOWER_IS_BETTER = frozenset(
    {
        "BinaryCrossentropy",
        "CategoricalCrossentropy",
        "CategoricalHinge",
        "FalseNegatives",
        "FalsePositives",
        "Hinge",
        "KLDivergence",
        "LogCoshError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredError",
        "MeanSquaredLogarithmicError",
        "Poisson",
        "RootMeanSquaredError",
        "SparseCategoricalCrossentropy",
        "SquaredHinge",
        "hornbeam>ExpectedCalibrationError",
    }
)
"""Metrics to be made small; of all others more is better. A test compares this with Keras's own knowledge."""

_RESERVED = frozenset({"loss", "learning_rate"})
_LEARNING_RATE_REPORTERS = frozenset({"ReduceLROnPlateau"})


def settle_metric_names(
    metrics: Sequence[Normalised], posted: Sequence[Mapping[str, Any]], where: str, report: Report
) -> None:
    """Give each metric of one output a name of its own; names that a client chose must be unique as they are.

    Args:
        metrics: Normalised; their `name` is changed in place.
        posted: The same metrics as they were posted.
        where: The pointer to the list.
        report: Where duplicates are told.
    """
    taken: dict[str, int] = {}
    for index, (metric, given) in enumerate(zip(metrics, posted, strict=True)):
        name = metric_key(metric)
        chosen = "name" in given
        if chosen and (name in _RESERVED or name.startswith("val_")):
            message = f"A metric can't be called {quoted(name)}: the training reports something else by that name."
            report.error(f"{where}/{index}/name", "metric.reserved_name", message)
        if name in taken:
            _settle_double(metrics, (taken[name], index), f"{where}/{index}", chosen=chosen, report=report)
        taken[metric_key(metric)] = index


def check_log_names(spec: Mapping[str, Any], report: Report) -> None:
    """Refuse what two outputs, or an output and the training, would report by the same name."""
    reported = [(where, log_name(output, "loss")) for where, output, _ in losses(spec) if output is not None]
    reported += [(where, log_name(output, metric_key(one))) for where, output, one in metrics(spec) if output]
    seen: set[str] = set()
    names = {"loss", *(name for _, name in reported)}
    for where, name in reported:
        is_validation = name.startswith("val_") and name.removeprefix("val_") in names
        if (name in seen or is_validation) and not report.has_errors_in(where):
            message = f"This would be reported as {quoted(name)}, and so is something else."
            report.error(where, "metric.duplicate", message, "Give the output, or the metric, another name.")
        seen.add(name)


def _settle_double(
    metrics: Sequence[Normalised], pair: tuple[int, int], where: str, *, chosen: bool, report: Report
) -> None:
    first, second = pair
    name = metric_key(metrics[second])
    if metrics[first] == metrics[second]:
        report.error(where, "metric.duplicate", f"The metric {quoted(name)} stands here twice.", "Leave one out.")
    elif chosen or "name" not in metrics[second]:
        message = f"Two metrics would be reported as {quoted(name)}."
        report.error(where, "metric.duplicate", message, "Give one of them another name.")
    else:
        taken = {metric_key(metric) for metric in metrics}
        metrics[second]["name"] = next(
            free for number in itertools.count(1) if (free := f"{name}_{number}") not in taken
        )


def metric_key(metric: Mapping[str, Any]) -> str:
    """The name that a metric is reported as; those that Keras resolves by the labels go by their type."""
    return str(metric.get("name") or metric["type"])


def log_keys(spec: Mapping[str, Any], *, validated: bool) -> list[str]:
    """Everything that an epoch of a normalised spec reports."""
    parts = [log_name(output, "loss") for _, output, _ in losses(spec) if output is not None]
    parts = parts if len(parts) > 1 else []  # the only loss is the whole
    measured = [log_name(output, metric_key(metric)) for _, output, metric in metrics(spec)]
    keys = list(dict.fromkeys(["loss", *parts, *measured]))
    if validated:
        keys += [f"val_{key}" for key in keys]
    if any(callback["type"] in _LEARNING_RATE_REPORTERS for callback in spec["callbacks"]):
        keys.append("learning_rate")
    return keys


def check_monitor(watcher: str, key: str, keys: Sequence[str], where: str, report: Report) -> None:
    """Refuse to watch what is never reported.

    Args:
        watcher: Who watches, for the message.
        key: What is watched.
        keys: What is reported.
        where: The pointer to the key.
        report: Where to tell.
    """
    if key in keys:
        return
    if key.startswith("val_") and not any(other.startswith("val_") for other in keys):
        message = f"{watcher} watches {quoted(key)}, and there is no validation data to report it for."
        own = report.meant(key.removeprefix("val_"), keys) or "loss"
        suggestion = f"Add dataset.validation: {{fraction: 0.2}}, or watch {own!r}."
        report.error(where, "monitor.needs_validation", message, suggestion)
        return
    near = report.meant(key, keys)
    message = f"{watcher} watches {quoted(key)}, which this training does not report."
    suggestion = f"Did you mean {near!r}?" if near else f"It reports: {', '.join(keys)}."
    report.error(where, "monitor.unknown", message, suggestion)


def direction(key: str, spec: Mapping[str, Any]) -> Literal["min", "max"]:
    """Whether less or more of what a normalised spec reports as `key` is better."""
    kind = _measured_by(key, spec)
    if kind == FORMULAS[ComponentKind.METRIC]:
        return _said(key, spec) or "max"
    return "min" if kind is None or kind in LOWER_IS_BETTER else "max"


def _said(key: str, spec: Mapping[str, Any]) -> Literal["min", "max"] | None:
    """What a spec says of a key, where anybody watches it in validation or in training."""
    name = key.removeprefix("val_")
    for watcher in (spec["checkpoints"], *spec["callbacks"]):
        if watcher.get("mode") in ("min", "max") and str(watcher.get("monitor")).removeprefix("val_") == name:
            mode: Literal["min", "max"] = watcher["mode"]
            return mode
    return None


def check_direction(watcher: str, key: str, spec: Mapping[str, Any], where: str, report: Report) -> None:
    """Tell that `auto` does not know which way a formula improves, where nobody says it.

    Args:
        watcher: Who watches, for the message.
        key: What is watched.
        spec: Normalised.
        where: The pointer to the mode.
        report: Where to tell.
    """
    if _measured_by(key, spec) == FORMULAS[ComponentKind.METRIC] and _said(key, spec) is None:
        message = f"{watcher} takes more of {quoted(key)} for better: a formula does not say which way it improves."
        report.warning(where, "monitor.direction_unknown", message, "Write mode: min or mode: max.")


def _measured_by(key: str, spec: Mapping[str, Any]) -> str | None:
    """The type of the metric that reports a key, one with a value per class as `f1_0`, `f1_1`; None for a loss."""
    name = key.removeprefix("val_")
    kinds = {log_name(output, metric_key(metric)): str(metric["type"]) for _, output, metric in metrics(spec)}
    return kinds.get(name, kinds.get(re.sub(r"_[0-9]+$", "", name)))


def default_monitor(dataset: Mapping[str, Any] | None) -> str:
    """What `best` means where the spec does not say."""
    return "val_loss" if dataset is not None and dataset["validation"] else "loss"
