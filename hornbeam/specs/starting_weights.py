"""Whether a model may begin with the weights of another: whether both have the layers that it names.

Works on normalised models. Leaves finding the other one to whoever has a store, and the shapes of the weights, which
only built models have, to `workers.training.weights`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornbeam.specs.findings import Report
from hornbeam.specs.wording import quoted
from schemas.problems import Finding

WHERE = "/model/initial_weights"

Model = Mapping[str, Any]


def check_layers(model: Model, source: Model, job_id: str) -> list[Finding]:
    """What is wrong with the layers that a model's `initial_weights` name; nothing where they name none.

    Args:
        model: Normalised, with `initial_weights`.
        source: The normalised model that the weights are of.
        job_id: The job that trained it.
    """
    wanted: Sequence[str] = model["initial_weights"]["layers"] or ()
    report = Report({"model": model})
    owners = [_Owner(words, Counter(_names(of)), _has_application(of)) for words, of in _both(model, source, job_id)]
    for index, name in enumerate(wanted):
        for owner in owners:
            _check_layer(name, owner, f"{WHERE}/layers/{index}", report)
    return list(report.findings)


def _both(model: Model, source: Model, job_id: str) -> Iterator[tuple[str, Model]]:
    yield "This model", model
    yield f"The model of {job_id}", source


@dataclass(frozen=True, slots=True)
class _Owner:
    """A model whose layers are named."""

    words: str
    names: Counter[str]
    """How many layers have each name."""
    has_more: bool
    """Whether some layers go by names that are in no spec."""


def _check_layer(name: str, owner: _Owner, where: str, report: Report) -> None:
    if owner.names[name] > 1:
        message = f"{owner.words} has {owner.names[name]} layers called {quoted(name)}."
        suggestion = "Name the nested model that holds it, or give the layers other names."
        report.error(where, "weights.layer_ambiguous", message, suggestion)
    elif name not in owner.names and not owner.has_more:
        near = report.meant(name, owner.names)
        suggestion = f"Did you mean {near!r}?" if near else f"There is: {', '.join(list(owner.names)[:15])}."
        report.error(where, "weights.layer_unknown", f"{owner.words} has no layer called {quoted(name)}.", suggestion)


def _names(model: Model) -> Iterator[str]:
    """The layers that can be named, those inside nested models too; a shared one once."""
    for layer in model.get("layers", ()):
        if "shared" not in layer:
            yield layer["name"]
        if "model" in layer:
            yield from _names(layer["model"])


def _has_application(model: Model) -> bool:
    """Whether some layers go by names that are Keras's, and in no spec."""
    nested = (layer["model"] for layer in model.get("layers", ()) if "model" in layer)
    return "application" in model or any(_has_application(one) for one in nested)
