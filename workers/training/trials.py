"""Which parts of a spec are tried out before anything trains with them: formulas, and operators' own losses.

A formula was read without error and may still be infinite, flat or upside down; an operator's loss has its own tests,
so what is found about it is a warning at most. Leaves the trying to `workers.training.probes`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.datasets.labels import LabelKind
from hornbeam.specs.formulas import FORMULAS
from hornbeam.specs.walking import components
from schemas.catalog import ComponentKind
from schemas.problems import Finding, Severity
from workers.training.build import Builder, BuildError
from workers.training.ends import End, ends
from workers.training.probes import (
    Outputs,
    Setting,
    probe_activation,
    probe_loss,
    probe_metric,
    probe_optimizer,
    probe_schedule,
)

Spec = Mapping[str, Any]
Shapes = Mapping[str | None, tuple[int | None, ...]]
"""The shape of each output, batch first; None is the only one."""

_SHIPPED = "hornbeam.components."
_OUTPUTS = {
    "relu": Outputs.NOT_NEGATIVE,
    "sigmoid": Outputs.PROBABILITIES,
    "softmax": Outputs.PROBABILITIES,
    "softplus": Outputs.NOT_NEGATIVE,
}
"""What comes out of a last activation; numbers, or logits where there are classes, out of any other."""
_MOST_UNITS = 64
"""Of an output that a loss is tried on; more columns show no more."""


def has_own_components(spec: Spec, builder: Builder) -> bool:
    """Whether there is anything to try out."""
    if any(component["type"] in FORMULAS.values() for _, component in components(spec)):
        return True
    return any(end.loss is not None and _is_own(ComponentKind.LOSS, end.loss, builder) for end in ends(spec))


def try_components(spec: Spec, builder: Builder, shapes: Shapes, steps: int) -> list[Finding]:
    """What is found when the formulas and the operators' losses of a normalised spec are tried out.

    Args:
        spec: Normalised, and proven to fit together.
        builder: Makes the components.
        shapes: Of the model's outputs.
        steps: How many steps the training has.
    """
    return [*_try_ends(spec, builder, shapes), *_try_others(spec, builder, steps)]


def _try_ends(spec: Spec, builder: Builder, shapes: Shapes) -> Iterator[Finding]:
    for end in ends(spec):
        shape = shapes.get(end.name)
        setting = _setting(spec, end, shape) if shape is not None else None
        if setting is None:
            continue
        if end.loss is not None and _is_own(ComponentKind.LOSS, end.loss, builder):
            yield from _judged(end.loss, probe_loss(builder.loss_of(end.loss, ""), setting, end.loss_pointer))
        for where, metric in end.metrics:
            if metric["type"] == FORMULAS[ComponentKind.METRIC]:
                yield from probe_metric(builder.metric(metric, where), setting, where)


def _try_others(spec: Spec, builder: Builder, steps: int) -> Iterator[Finding]:
    for where, component in components(spec):
        kind = next((kind for kind, name in FORMULAS.items() if component["type"] == name), None)
        try:
            if kind is ComponentKind.ACTIVATION:
                yield from probe_activation(builder.component([kind], component, where), where)
            elif kind is ComponentKind.SCHEDULE:
                yield from probe_schedule(builder.component([kind], component, where), steps, where)
            elif kind is ComponentKind.OPTIMIZER:
                yield from probe_optimizer(builder.component([kind], component, where), where)
        except BuildError as error:
            yield error.finding


def _is_own(kind: ComponentKind, component: Mapping[str, Any], builder: Builder) -> bool:
    """Whether it is a formula or an operator's: Keras's and those shipped have their tests."""
    if component["type"] == FORMULAS[kind]:
        return True
    entry = builder.find(kind, component["type"])
    return entry is not None and ">" in entry.name and not entry.path.startswith(_SHIPPED)


def _judged(component: Mapping[str, Any], findings: list[Finding]) -> list[Finding]:
    if component["type"] in FORMULAS.values():
        return findings
    return [
        finding.model_copy(update={"severity": Severity.WARNING}) if finding.severity is Severity.ERROR else finding
        for finding in findings
    ]


def _setting(spec: Spec, end: End, shape: tuple[int | None, ...]) -> Setting | None:
    """What the loss of an output meets; None for outputs that are no rows of numbers."""
    if len(shape) != 2 or shape[1] is None or spec["dataset"] is None:
        return None
    labels = end.labels
    if labels is None or labels.kind in (LabelKind.ONE_HOT, LabelKind.MULTI_LABEL):
        return None
    classes = len(labels.classes or ()) if labels.kind is LabelKind.CLASSES else None
    outputs = _OUTPUTS.get(_activation(end), Outputs.LOGITS if classes else Outputs.NUMBERS)
    if labels.shape and shape[1] > 1:
        return None
    return Setting(outputs, units=min(shape[1], _MOST_UNITS), classes=classes)


def _activation(end: End) -> str:
    activation = end.layer.get("activation")
    if isinstance(activation, Mapping):
        return str(activation["type"])
    return str(end.layer["type"]).lower()
