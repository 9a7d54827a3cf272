"""Models that were taken as they came: sizes, names that mean two things, fields of applications, inner models."""

import json

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body, examine_body
from schemas.problems import Severity

CATALOGUE = load_catalogue()
SETTINGS = Settings()
DENSE = {"type": "Dense", "units": 3}
SOFTMAX = {"type": "Dense", "units": 3, "activation": "softmax"}


def body(model, **parts):
    spec = {"dataset": {"source": {"builtin": "wine"}}, "model": model, "loss": "mse", "training": {"seed": 7}}
    return json.dumps({**spec, **parts}).encode()


def normalised(model, **parts):
    return check_body(body(model, **parts), CATALOGUE, SETTINGS).spec


def errors(model, **parts):
    found = examine_body(body(model, **parts), CATALOGUE, SETTINGS).findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is Severity.ERROR}


def keras_json(first):
    config = {"layers": [*first, {"class_name": "Dense", "config": {"units": 1}}]}
    return {"class_name": "Sequential", "config": config}


HUGE = 2**40


@pytest.mark.parametrize(
    ("model", "where"),
    [
        ({"input_shape": [4, HUGE], "layers": [DENSE]}, "/model/input_shape/1"),
        ({"layers": [{"input_shape": [HUGE], **DENSE}]}, "/model/layers/0/input_shape/0"),
        ({"inputs": {"a": {"shape": [None, HUGE]}}, "layers": [DENSE]}, "/model/inputs/a/shape/1"),
        (
            {"input_shape": [4], "layers": [{"model": {"input_shape": [HUGE], "layers": [DENSE]}}]},
            "/model/layers/0/model/input_shape/0",
        ),
        (
            {"keras_json": keras_json([{"class_name": "InputLayer", "config": {"batch_shape": [None, HUGE]}}])},
            "/model/keras_json",
        ),
    ],
)
def test_no_size_of_an_input_is_larger_than_the_settings_allow(model, where):
    found = examine_body(body(model, dataset=None), CATALOGUE, SETTINGS, needs_dataset=False).findings

    assert [finding.pointer for finding in found if finding.code == "parameter.too_large"] == [where]


@pytest.mark.parametrize("outputs", [["a", "a"], ["a:1", "a_1"]])
def test_two_outputs_of_one_name_are_refused(outputs):
    model = {"layers": [{"name": "a", **DENSE}, {"name": "a_1", **DENSE}], "outputs": outputs}

    assert ("/model/outputs/1", "graph.duplicate_name") in errors(model)
    found = examine_body(body(model), CATALOGUE, SETTINGS).findings
    assert any(str(finding.suggestion).startswith("Give them names: {one: a") for finding in found)


def test_a_shared_layer_is_frozen_where_it_is_made():
    layers = [{"name": "a", **DENSE}, {"shared": "a", "trainable": False}]

    assert errors({"layers": layers}) == {("/model/layers/1/trainable", "parameter.unknown")}


def two_outputs(first, second, **metrics):
    layers = [{"name": first, **DENSE}, {"name": second, **DENSE}]
    loss = {first: "mse", second: "mse"}
    return errors({"layers": layers, "outputs": [first, second]}, loss=loss, metrics=metrics)


def test_outputs_without_metrics_are_checked_to_themselves():
    model = {"layers": [{"name": "a", **DENSE}, {"name": "b", **DENSE}], "outputs": ["a", "b"]}
    once = normalised(model, loss={"a": "mse", "b": "mse"})

    assert once["metrics"] == {}
    assert normalised({"layers": [SOFTMAX]}, metrics={})["metrics"] == []
    assert check_body(json.dumps(once).encode(), CATALOGUE, SETTINGS).spec == once


def test_what_is_reported_has_one_name_each():
    assert two_outputs("a", "b", a=["mae"], b=["mae"]) == set()
    assert two_outputs("val", "b") == {("/loss/val", "metric.duplicate")}
    assert two_outputs("a", "a_b", a=[{"type": "mae", "name": "b_mae"}], a_b=["mae"]) == {
        ("/metrics/a_b/0", "metric.duplicate")
    }


def test_all_that_is_wrong_with_a_model_in_a_wrapper_is_found_where_it_is():
    inner = {"layers": [{"name": "1st", **DENSE}], "outpts": ["x"]}
    where = "/model/layers/0/layer/model"

    assert errors({"layers": [{"type": "TimeDistributed", "layer": {"model": inner}}]}) == {
        (f"{where}/layers/0/name", "field.value"),
        (f"{where}/outpts", "field.unknown"),
    }


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({"input_shape": 3}, {"parameter.type"}),
        ({"input_shape": "abc"}, {"parameter.type"}),
        ({"input_shape": [None, "a"]}, {"parameter.value"}),
        ({"input_shape": [None, None, 3]}, {"input_shape.mismatch", "parameter.type"}),
        ({"layers": 3}, {"parameter.unknown"}),
        ({"layers": []}, {"parameter.unknown"}),
        ({"layers": [{"input_shape": [13]}]}, {"parameter.unknown"}),
        ({"inputs": {"a": 3}, "outputs": 3}, {"parameter.unknown"}),
    ],
)
def test_what_an_application_is_given_may_be_anything_and_is_told(parameters, codes):
    found = errors({"application": "MobileNetV3Small", **parameters})

    assert {code for _, code in found} == codes
    assert {"/".join(where.split("/")[:3]) for where, _ in found} == {f"/model/{name}" for name in parameters}
