"""Where a model ends: for each output the layer that makes it, its loss, its metrics and what it is to predict.

Plain data about a normalised spec, for those who judge it; no Keras here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hornbeam.datasets.labels import Labels, labels_of
from hornbeam.specs.graphs import source
from hornbeam.specs.outputs import losses, metrics

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """One output of a model and what it is measured by."""

    name: str | None
    """None where it is the only one."""
    layer: Mapping[str, Any]
    """The spec of the layer that makes it."""
    pointer: str
    """To that layer."""
    loss: Mapping[str, Any] | None
    """None where the output has none, or one with an error."""
    loss_pointer: str
    metrics: tuple[tuple[str, Mapping[str, Any]], ...]
    """Each with its pointer."""
    labels: Labels | None
    """What it is to predict; None where there is no dataset."""


def ends(spec: Spec) -> Iterator[End]:
    """The outputs of a normalised spec, in their order."""
    outputs = spec["model"].get("outputs") or {}
    for name in list(outputs) if len(outputs) > 1 else [None]:
        tensor = outputs.get(name) if name else next(iter(outputs.values()), None)
        pointer, layer = end_layer(spec["model"], "/model", tensor)
        found = next(((where, loss) for where, output, loss in losses(spec) if output == name), None)
        dataset = spec["dataset"]
        labels = labels_of(dataset, name or next(iter(outputs), None)) if dataset else None
        yield End(
            name=name,
            layer=layer,
            pointer=pointer,
            loss=found[1] if found else None,
            loss_pointer=found[0] if found else "/loss",
            metrics=tuple((where, metric) for where, output, metric in metrics(spec) if output == name and metric),
            labels=labels,
        )


def end_layer(model: Spec, where: str, tensor: str | None = None) -> tuple[str, Mapping[str, Any]]:
    """The pointer and spec of the layer that makes an output; inside the last model where models nest."""
    if "application" in model:
        return where, {"type": model["application"], **model}
    layers = model["layers"]
    name = source(tensor) if tensor else layers[-1]["name"]
    numbers = [number for number, layer in enumerate(layers) if layer["name"] == name]
    if not numbers:  # an input, given out as it is
        return where, {"type": "InputLayer"}
    layer = layers[numbers[0]]
    if "shared" in layer:
        return end_layer(model, where, layer["shared"])
    pointer = f"{where}/layers/{numbers[0]}"
    if "model" in layer:
        inner = next(iter((layer["model"].get("outputs") or {}).values()), None)
        return end_layer(layer["model"], f"{pointer}/model", inner)
    return pointer, layer


def layer_pointers(model: Spec, where: str = "/model") -> Iterator[tuple[str, str]]:
    """The names of all layers, those of inner models too, with their pointers."""
    for index, layer in enumerate(model.get("layers", ())):
        pointer = f"{where}/layers/{index}"
        yield layer.get("name") or pointer, pointer
        if "model" in layer:
            yield from layer_pointers(layer["model"], f"{pointer}/model")
