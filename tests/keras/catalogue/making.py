"""Makes components as a job does: checked and spelled out by the catalogue, then built by the worker's builder."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from hornbeam.settings import Settings
from hornbeam.specs.findings import Report
from hornbeam.specs.layer_names import settle_names
from hornbeam.specs.models import ModelChecker
from schemas.catalog import ComponentKind
from tests.keras.catalogue.components import CATALOGUE
from workers.training.build import Builder

BUILDER = Builder(CATALOGUE, backend="any")
"""One that tries what it knows to fail."""


def normalised(kind: ComponentKind, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The component of a spec with all its defaults spelled out."""
    report = Report({})
    checker = ModelChecker(CATALOGUE, report, Settings().max_dimension)
    spec = checker.check(kind, {"type": name, **parameters}, "")
    settle_names(checker.layers)
    assert spec is not None, report.findings
    assert not report.findings
    return spec


def built(kind: ComponentKind, name: str, parameters: Mapping[str, Any]) -> Any:
    """The Keras object of a component that a spec names."""
    spec = normalised(kind, name, parameters)
    return BUILDER.metric(spec, "") if kind is ComponentKind.METRIC else BUILDER.component([kind], spec, "")


def weights_of(component: Any) -> list[np.ndarray]:
    """Copies of a model's or a layer's trainable weights."""
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in component.trainable_weights]


def changed(before: list[np.ndarray], component: Any) -> bool:
    """Whether a step of training moved the weights, to numbers that are finite."""
    after = weights_of(component)
    assert all(np.isfinite(weight).all() for weight in after)
    return any((old != new).any() for old, new in zip(before, after, strict=True))
