"""Losses and metrics of a model with several outputs: a mapping from outputs where a model with one has a single one.

One place knows both forms; everybody else goes through `losses` and `metrics`. Leaves the components themselves to
`hornbeam.specs.components`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import any_of, quoted

Spec = Mapping[str, Any]


def losses(spec: Spec) -> Iterator[tuple[str, str | None, Any]]:
    """Each loss with its pointer and its output; None where the model has one output."""
    if is_by_output(spec["loss"]):
        yield from ((f"/loss{pointer(output)}", output, loss) for output, loss in spec["loss"].items())
    else:
        yield "/loss", None, spec["loss"]


def metrics(spec: Spec) -> Iterator[tuple[str, str | None, Any]]:
    """Each metric with its pointer and its output; None where the model has one output."""
    for where, output, listed in metric_lists(spec):
        yield from ((f"{where}/{index}", output, metric) for index, metric in enumerate(listed))


def metric_lists(spec: Spec) -> Iterator[tuple[str, str | None, Any]]:
    """Each list of metrics with its pointer and its output."""
    if isinstance(spec["metrics"], Mapping):
        yield from ((f"/metrics{pointer(output)}", output, listed) for output, listed in spec["metrics"].items())
    else:
        yield "/metrics", None, spec["metrics"]


def mapped_losses(spec: Spec, change: Callable[[Any, str], Any]) -> Any:
    """The losses in the form that they have, each as `change(loss, pointer)` makes it."""
    changed = [(output, change(loss, where)) for where, output, loss in losses(spec)]
    return dict(changed) if is_by_output(spec["loss"]) else changed[0][1]


def mapped_metrics(spec: Spec, change: Callable[[list[Any], str], Any]) -> Any:
    """The lists of metrics in the form that they have, each as `change(list, pointer)` makes it."""
    changed = [(output, change(listed, where)) for where, output, listed in metric_lists(spec)]
    return dict(changed) if isinstance(spec["metrics"], Mapping) else changed[0][1]


def is_by_output(value: Any) -> bool:
    """Whether losses are given for each output, rather than one for the only output."""
    return isinstance(value, Mapping) and bool(value) and "type" not in value


def output_names(model: Mapping[str, Any]) -> list[str]:
    """The names of the outputs of a normalised model; empty where it has a single one."""
    outputs = model.get("outputs") or {}
    return list(outputs) if len(outputs) > 1 else []


def settle_outputs(normalised: dict[str, Any], report: Report) -> None:
    """Make losses, weights and metrics fit the model's outputs, in place, or tell why they don't."""
    names = output_names(normalised["model"])
    only = list(normalised["model"].get("outputs") or ())
    for field in ("loss", "metrics"):
        value = normalised[field]
        by_output = is_by_output(value) if field == "loss" else isinstance(value, Mapping)
        if names and not by_output and value != []:
            _refuse_single(field, names, report)
        elif value and by_output and not names and list(value) == only:
            normalised[field] = value[only[0]]
        elif by_output:
            _check_outputs(f"/{field}", value, names or only, report)
    if not normalised["metrics"]:
        normalised["metrics"] = {} if names else []
    weights = normalised["loss_weights"]
    if weights is not None:
        _check_outputs("/loss_weights", weights, names or only, report)
        if not names:
            message = "The model has one output: its loss is all there is."
            report.error("/loss_weights", "outputs.one_output", message, "Leave loss_weights out.")


def _refuse_single(field: str, names: list[str], report: Report) -> None:
    what = "a loss" if field == "loss" else "a list of metrics"
    message = f"The model has the outputs {any_of(names).replace(' or ', ' and ')}: give {what} for each."
    example = ", ".join(f"{name}: {'mse' if field == 'loss' else '[mae]'}" for name in names[:2])
    report.error(f"/{field}", "outputs.each_wanted", message, f"Write {field}: {{{example}}}.")


def _check_outputs(where: str, given: Mapping[str, Any], names: list[str], report: Report) -> None:
    for name in given:
        if name not in names:
            near = report.meant(name, names)
            suggestion = f"Did you mean {near!r}?" if near else None
            if not suggestion:
                there = f"There is: {', '.join(names)}." if names else "It has a single one: leave its name out."
                suggestion = there
            message = f"The model has no output called {quoted(name)}."
            report.error(f"{where}{pointer(name)}", "outputs.unknown", message, suggestion)


def log_name(output: str | None, name: str) -> str:
    """What Keras reports a metric of an output as: `main_accuracy`."""
    return name if output is None else f"{output}_{name}"
