import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from hornbeam.specs.schema import job_schema

CATALOGUE = load_catalogue()
SCHEMA = job_schema(CATALOGUE)
VALIDATOR = Draft202012Validator(SCHEMA)
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
BASE = {
    "dataset": {"source": {"builtin": "digits"}},
    "model": {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
}
EVERY_MISTAKE = [
    ({"trainig": {}}, "$"),
    ({"training": {"epochs": "10"}}, "$.training.epochs"),
    ({"loss": "sparse_categorical_crossentrpy"}, "$.loss"),
    ({"loss": "Adam"}, "$.loss"),
    ({"optimizer": {"type": "Adam", "lr": 0.1}}, "$.optimizer"),
    ({"optimizer": {"type": "Adam", "learning_rate": 0}}, "$.optimizer.learning_rate"),
    ({"optimizer": {"type": "Adam", "learning_rate": {"type": "CosineDecay"}}}, "$.optimizer.learning_rate"),
    ({"metrics": ["acuracy"]}, "$.metrics[0]"),
    ({"callbacks": [{"type": "ModelCheckpoint", "filepath": "x"}]}, "$.callbacks[0].type"),
    ({"model": {"layers": ["Dense"]}}, "$.model.layers[0]"),
    ({"model": {"layers": [{"type": "Dense"}]}}, "$.model.layers[0]"),
    ({"model": {"layers": [{"type": "Densse", "units": 1}]}}, "$.model.layers[0].type"),
    ({"model": {"layers": [{"type": "Dense", "units": 0}]}}, "$.model.layers[0].units"),
    ({"model": {"layers": [{"type": "Dense", "unts": 1, "units": 1}]}}, "$.model.layers[0]"),
    ({"model": {"layers": [{"type": "Lambda"}]}}, "$.model.layers[0].type"),
    ({"model": {"layers": [{"type": "StringLookup", "vocabulary": "/etc/passwd"}]}}, "$.model.layers[0].vocabulary"),
    (
        {"model": {"layers": [{"type": "Conv2D", "filters": 1, "kernel_size": [1, 2, 3]}]}},
        "$.model.layers[0].kernel_size",
    ),
    ({"model": {"layers": [{"type": "TimeDistributed", "layer": {"type": "Dense"}}]}}, "$.model.layers[0].layer"),
    ({"model": {"layers": [{"type": "Pipeline", "layers": ["Flatten", "relu"]}]}}, "$.model.layers[0].layers[1]"),
]


def test_it_is_a_schema_of_the_2020_dialect():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_every_reference_leads_somewhere():
    text = json.dumps(SCHEMA)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}

    assert references <= set(SCHEMA["$defs"])
    assert len(references) > 250


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_fit(path):
    assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(("change", "where"), EVERY_MISTAKE)
def test_typical_mistakes_are_marked_where_they_are(change, where):
    marked = [error.json_path for error in VALIDATOR.iter_errors({**BASE, **change})]

    assert where in marked
    with pytest.raises(InvalidSpec):
        check_body(json.dumps({**BASE, **change}).encode(), CATALOGUE, Settings())


def test_a_normalised_spec_fits():
    spec = check_body(
        json.dumps({**BASE, "metrics": ["acc", "mse"], "callbacks": ["TerminateOnNaN"]}).encode(), CATALOGUE, Settings()
    ).spec

    assert list(VALIDATOR.iter_errors(spec)) == []


def test_editors_are_told_what_a_parameter_means():
    dense = SCHEMA["$defs"]["layer.Dense"]["properties"]

    assert dense["units"]["description"] == "Positive integer, dimensionality of the output space."
    assert dense["use_bias"]["default"] is True
    assert dense["type"]["enum"] == ["Dense"]
    assert {"name", "trainable"} <= set(dense)
    assert "name" not in SCHEMA["$defs"]["loss.Huber"]["properties"]
