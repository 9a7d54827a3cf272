"""Layers that learn from the data before the training, as with Keras's `adapt`: which, and where they may stand.

Works on normalised layers. Leaves the learning itself to `workers.training.adapting`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import quoted

Layer = Mapping[str, Any]

LEARNT: Mapping[str, str] = {
    "Discretization": "bin_boundaries",
    "IntegerLookup": "vocabulary",
    "Normalization": "mean",
    "StringLookup": "vocabulary",
    "hornbeam>Imputation": "fill_value",
    "TextVectorization": "vocabulary",
}
"""What each type of layer learns where the spec does not give it. A mean is learnt with its variance."""


def learns(layer: Layer) -> bool:
    """Whether a normalised layer has to see the training rows before it can be called."""
    learnt = LEARNT.get(str(layer.get("type")))
    return learnt is not None and layer.get(learnt) is None


def check_learning(layer: Layer, where: str, report: Report) -> None:
    """Whether a layer of a model can learn what it was not given, and all layers in its parameters were given theirs.

    Args:
        layer: Normalised.
        where: Its pointer.
        report: Where findings go.
    """
    if learns(layer) and LEARNT[layer["type"]] == "vocabulary":
        _check_vocabulary(layer, where, report)
    elif learns(layer) and layer["type"] == "Discretization":
        _check_bins(layer, where, report)
    for place, inner in _inner_layers({name: value for name, value in layer.items() if name != "model"}):
        learnt = LEARNT[inner["type"]]
        message = (
            f"{inner['type']} can learn its {learnt} as a layer of a model only, not inside of {quoted(_kind(layer))}."
        )
        report.error(f"{where}{place}", "layer.cannot_learn", message, f"Give {learnt}, or let it stand by itself.")


def _check_vocabulary(layer: Layer, where: str, report: Report) -> None:
    """The size of what comes out must be known before the data are, or nothing behind it could be proven."""
    mode = layer.get("output_mode")
    if mode == "tf_idf":
        message = "A vocabulary that is learnt with its tf_idf weights can't be loaded from a saved model by Keras."
        suggestion = "Give vocabulary and idf_weights, or use output_mode: count."
        report.error(f"{where}/output_mode", "layer.cannot_learn", message, suggestion)
    elif mode != "int" and not layer.get("pad_to_max_tokens"):
        message = f"How many columns {quoted(layer['name'])} gives is not known until it has learnt its vocabulary."
        suggestion = "Set max_tokens, and pad_to_max_tokens: true; or give the vocabulary."
        report.error(where, "layer.unknown_size", message, suggestion)


def _check_bins(layer: Layer, where: str, report: Report) -> None:
    """Keras knows a quantile's rank to `epsilon` only, and silently makes fewer bins where they are narrower."""
    bins, epsilon = layer.get("num_bins"), layer.get("epsilon")
    if isinstance(bins, int) and isinstance(epsilon, int | float) and bins * epsilon > 1:
        message = f"{bins} bins can't be told apart with an epsilon of {epsilon:g}: Keras would make fewer."
        suggestion = f"Set epsilon: {0.5 / bins:.2g}."
        report.error(f"{where}/num_bins", "layer.cannot_learn", message, suggestion)


def _inner_layers(value: Any, *path: str | int) -> Iterator[tuple[str, Layer]]:
    """The layers inside of some parameters that would have to learn, with their pointers."""
    # Plain dicts and lists: the abstract types would take a third of the time of checking a small spec.
    if isinstance(value, dict):
        if path and learns(value):
            yield pointer(*path), value
        for name, item in value.items():
            if isinstance(item, dict | list):
                yield from _inner_layers(item, *path, name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _inner_layers(item, *path, index)


def _kind(layer: Layer) -> str:
    return str(layer.get("type", layer.get("name")))
