"""What a body may cost the API's process: never seconds, whatever it names and however its layers hang together."""

import itertools
import json
import time

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from hornbeam.specs.starting_weights import check_layers

CATALOGUE = load_catalogue()
SETTINGS = Settings()
MOST_SECONDS = 3.0
"""Of CPU; far above what is taken on any machine, and far below what somebody would need to keep a core busy."""


def alike(count):
    """Names that difflib takes long to tell apart: the same letters again and again, in other orders."""
    letters = itertools.permutations("abcdefghij")
    return ["".join(next(letters)) * 5 + f"{number:05}" for number in range(count)]


def layers(names, sources):
    return [
        {"name": name, "type": "Dense", "units": 1, "inputs": [of]} for name, of in zip(names, sources, strict=True)
    ]


def called(times):
    """What Keras would write of a layer that is called so often."""
    layer = {"class_name": "Dense", "name": "a", "config": {"units": 1}, "inbound_nodes": [{}] * times}
    return {"class_name": "Functional", "config": {"layers": [layer], "output_layers": [["a", 0, 0]]}}


SHARED = {"layers": [{"name": "a", "type": "Dense", "units": 1}, *[{"shared": "a"}] * 999]}


def spec(model, features=None):
    dataset = {"source": {"builtin": "digits"}, "features": features}
    return {"dataset": dataset, "model": model, "loss": "mse"}


CASES = {
    "names of layers": spec({"layers": layers(alike(1000), alike(2000)[1000:])}),
    "calls of one layer": spec({"keras_json": called(100_000)}),
    "calls in many models": spec({"layers": [{"model": SHARED}] * 60}),
    "calls in many models of Keras's": spec({"keras_json": {**called(0), "config": {"layers": [called(1000)] * 200}}}),
    "names of columns": spec({"layers": ["Flatten"]}, {"input": [f"pixel_{number}_x" for number in range(9000)]}),
    "names of outputs": {
        **spec({"layers": [{"name": "a", "type": "Dense", "units": 1}], "outputs": dict.fromkeys(alike(64), "a")}),
        "loss": dict.fromkeys(alike(128)[64:], "mse"),
        "metrics": {name: ["mae"] * 32 for name in alike(128)[64:]},
        "callbacks": [{"type": "EarlyStopping", "monitor": name} for name in alike(32)],
    },
}


@pytest.mark.parametrize("name", CASES)
def test_no_body_takes_seconds(name):
    body = json.dumps(CASES[name]).encode()
    began = time.process_time()

    checked = examine_body(body, CATALOGUE, SETTINGS)

    assert checked.has_errors
    assert time.process_time() - began < MOST_SECONDS


def test_a_thousand_misspelt_layers_do_not_take_seconds():
    names = alike(2000)
    source = {"layers": [{"name": name} for name in names[:1000]]}
    model = {**source, "initial_weights": {"layers": names[1000:]}}
    began = time.process_time()

    findings = check_layers(model, source, "job_1")

    assert time.process_time() - began < MOST_SECONDS
    assert len(findings) == 101
    assert findings[-1].code == "findings.more"
