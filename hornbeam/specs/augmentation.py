"""Layers that change what a model is trained on, and nothing when it predicts: they become its first layers.

So they are proven, seeded, resumed and saved as any layer is. Leaves checking their parameters to the model's checker.
"""

from typing import Any

from hornbeam.specs.findings import Report
from hornbeam.specs.wording import quoted

WHERE = "/dataset/augment"
_OTHERS = frozenset(
    {
        "AlphaDropout",
        "AugMix",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "RandAugment",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)


def take_augmentation(normalised: dict[str, Any], report: Report) -> list[str]:
    """Move `dataset.augment` to the beginning of the model, in place. Returns the pointers to all of its layers."""
    dataset, model = normalised["dataset"], normalised["model"]
    layers = model.get("layers") if "application" not in model else None
    own = [f"/model/layers/{index}" for index in range(len(layers or ()))]
    augment = [] if dataset is None else dataset.pop("augment")
    if dataset is not None:
        dataset["augment"] = []
    if not augment:
        return own
    if layers is None or model.get("inputs") is not None:
        message = "Only a model of layers in order can have its data augmented here."
        suggestion = "Let the layers stand where the images come in; {model: {application: ...}} can be a layer too."
        report.error(WHERE, "augment.needs_layers", message, suggestion)
        return own
    for index, layer in enumerate(augment):
        if not (str(layer["type"]).startswith("Random") or layer["type"] in _OTHERS):
            message = f"{quoted(str(layer['type']))} acts when the model predicts, too: it augments nothing."
            report.error(f"{WHERE}/{index}", "augment.not_random", message, "Move it to model.layers.")
    model["layers"] = [*augment, *layers]
    return [*(f"{WHERE}/{index}" for index in range(len(augment))), *own]
