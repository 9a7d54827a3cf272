"""Whether each output of a model has something to predict, and whatever a spec names as a target an output.

Works on the normalised spec, with the facts in its `dataset`, whose outputs are settled. Leaves whether columns can be
predicted to `hornbeam.specs.data`, and whether an output fits its labels to the planner.
"""

from collections.abc import Mapping
from typing import Any

from hornbeam.datasets.columns import UnfitColumns
from hornbeam.datasets.labels import labels_of
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import any_of, quoted

WHERE = "/dataset/target"


def check_targets(normalised: Mapping[str, Any], report: Report) -> None:
    """The outputs and the targets against each other."""
    dataset, outputs = normalised["dataset"], list(normalised["model"].get("outputs") or ())
    target = dataset["target"]
    if not isinstance(target, Mapping) or "columns" in target:
        return
    if not outputs:
        if len(target) > 1:
            message = f"The model has one output, and {any_of(target).replace(' or ', ' and ')} are to be predicted."
            report.error(WHERE, "dataset.unknown_output", message, "Name one column, or give the model outputs.")
        return
    for name in target:
        if name not in outputs:
            message = f"The model has no output called {quoted(name)}; it has {any_of(outputs)}."
            near = report.meant(name, outputs)
            report.error(
                f"{WHERE}{pointer(name)}", "dataset.unknown_output", message, near and f"Did you mean {near!r}?"
            )
    for name in outputs:
        _check_predicts(dataset, name, report)


def _check_predicts(dataset: Mapping[str, Any], output: str, report: Report) -> None:
    try:
        labels_of(dataset, output)
    except UnfitColumns as error:
        message = f"What the output {quoted(output)} predicts is not known: {error}."
        report.error(WHERE, "dataset.target_missing", message, f"Add {output} to dataset.target, with a column.")
