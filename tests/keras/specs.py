"""Specs as the API would hand them on: written as a client writes them, checked and spelled out."""

import json

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from workers.training.adapting import Learning
from workers.training.assembly import Assembler
from workers.training.build import Builder

CATALOGUE = load_catalogue()


def assembled(layers, features, **inputs):
    """A model whose layers learnt from `features`, by input, and what they learnt that is in no weight."""
    model = {"inputs": inputs, "layers": layers} if inputs else {"layers": layers}
    model["input_shape"] = None if inputs else list(features["input"].shape[1:])
    spec = checked(model=model)
    learning = Learning(lambda: features, {})
    return Assembler(Builder(CATALOGUE), learning).model(spec["model"], {}), learning.learnt


def checked(**parts):
    """The normalised spec. Fails the test where the API would refuse it."""
    spec = {"loss": "sparse_categorical_crossentropy" if parts.get("dataset") else "mse", **parts}
    found = examine_body(json.dumps(spec).encode(), CATALOGUE, Settings(), needs_dataset=False)
    assert not found.has_errors, found.findings
    return found.spec
