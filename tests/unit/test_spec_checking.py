import json
from pathlib import Path

import pytest
import yaml

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from schemas.catalog import ComponentKind
from schemas.problems import Severity

CATALOGUE = load_catalogue()
SETTINGS = Settings()
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
BASE = {
    "dataset": {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}},
    "model": {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "training": {"seed": 7},
}


def checked(**changes):
    return check_body(json.dumps({**BASE, **changes}).encode(), CATALOGUE, SETTINGS)


def with_layers(*layers, **changes):
    return checked(model={"layers": list(layers)}, **changes).spec["model"]["layers"]


def findings(severity, **changes):
    try:
        found = checked(**changes).findings
    except InvalidSpec as error:
        found = error.findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is severity}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_nothing_wrong_or_doubtful(path):
    body = json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))).encode()

    assert check_body(body, CATALOGUE, SETTINGS).findings == ()


def test_there_are_examples():
    assert {"digits-lstm", "iris-mlp", "diabetes-regression", "breast-cancer-balanced"} <= {p.stem for p in EXAMPLES}


def test_a_normalised_spec_is_checked_to_itself():
    once = checked(
        metrics=["accuracy", "mse", {"type": "AUC"}],
        optimizer={
            "type": "adam",
            "learning_rate": {"type": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 9},
        },
        callbacks=["EarlyStopping"],
    ).spec
    again = check_body(json.dumps(once).encode(), CATALOGUE, SETTINGS)

    assert again.spec == once


def test_components_are_spelled_out_at_every_level():
    (layer,) = with_layers({"type": "Dense", "units": 3, "activation": "relu", "kernel_regularizer": "l2"})

    assert layer["activation"] == {"type": "relu", "negative_slope": 0.0, "max_value": None, "threshold": 0.0}
    assert layer["kernel_initializer"] == {
        "type": "GlorotUniform",
        "seed": None,
        "input_axes": None,
        "output_axes": None,
    }
    assert layer["kernel_regularizer"] == {"type": "L2", "l2": 0.01}
    assert layer["bias_regularizer"] is None
    assert layer["use_bias"] is True


def test_nested_layers_are_spelled_out_and_named():
    outer, pipeline = with_layers(
        {"type": "Bidirectional", "layer": {"type": "LSTM", "units": 3}},
        {"type": "Pipeline", "layers": ["Flatten", {"type": "Rescaling", "scale": 0.5}]},
    )

    assert (outer["name"], outer["layer"]["name"]) == ("bidirectional", "lstm")
    assert outer["layer"]["kernel_initializer"]["type"] == "GlorotUniform"
    assert outer["merge_mode"] == "concat"
    assert [layer["name"] for layer in pipeline["layers"]] == ["flatten", "rescaling"]


def test_layers_are_named_as_keras_does_around_the_names_that_are_taken():
    layers = with_layers(
        {"type": "Dense", "units": 1},
        {"type": "Dense", "units": 1, "name": "dense_1", "trainable": False},
        {"type": "Dense", "units": 1},
        {"type": "MaxPool2D"},
    )

    assert [layer["name"] for layer in layers] == ["dense", "dense_1", "dense_2", "max_pooling2d"]
    assert [layer["trainable"] for layer in layers] == [True, False, True, True]


def test_a_thousand_layers_are_named_quickly():
    layers = with_layers(*[{"type": "Dense", "units": 1}] * 1000)

    assert layers[-1]["name"] == "dense_999"


def test_metrics_are_reported_as_the_client_wrote_them():
    spec = checked(
        metrics=["accuracy", "mse", "MeanAbsoluteError", {"type": "AUC"}, {"type": "AUC", "curve": "PR"}]
    ).spec

    assert spec["metrics"][0] == {"type": "accuracy"}
    assert spec["metrics"][1] == {"type": "MeanSquaredError", "name": "mse"}
    assert [metric["name"] for metric in spec["metrics"][2:]] == ["mean_absolute_error", "auc", "auc_1"]


def test_everything_that_was_left_out_is_filled_in():
    spec = checked().spec

    assert spec["optimizer"]["type"] == "Adam"
    assert spec["optimizer"]["learning_rate"] == 0.001
    split = {"fraction": 0.2, "stratify": False, "group": None, "time": None, "seed": 7}
    assert spec["dataset"]["validation"] == split
    assert spec["model"]["input_shape"] == [64]
    assert spec["training"]["max_seconds"] == SETTINGS.max_job_seconds
    assert spec["checkpoints"] == {
        "every_epochs": 1,
        "monitor": "val_loss",
        "mode": "min",
        "keep": {"best": 1, "last": 1},
    }


def test_a_seed_is_drawn_where_there_is_none():
    seeds = {checked(training={}).spec["training"]["seed"] for _ in range(5)}

    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("monitor", "metrics", "mode"),
    [
        ("val_loss", [], "min"),
        ("loss", [], "min"),
        ("val_accuracy", ["accuracy"], "max"),
        ("acc", ["acc"], "max"),
        ("val_mse", ["mse"], "min"),
        ("val_quality", [{"type": "AUC", "name": "quality"}], "max"),
        ("val_score", [{"type": "MeanAbsoluteError", "name": "score"}], "min"),
        ("false_negatives", ["false_negatives"], "min"),
    ],
)
def test_auto_means_what_the_metric_is(monitor, metrics, mode):
    watchers = checked(
        metrics=metrics,
        checkpoints={"monitor": monitor},
        callbacks=[{"type": "EarlyStopping", "monitor": monitor}],
    ).spec

    assert watchers["checkpoints"]["mode"] == mode
    assert watchers["callbacks"][0]["mode"] == mode


def test_a_mode_that_was_chosen_stays():
    assert checked(checkpoints={"monitor": "loss", "mode": "max"}).spec["checkpoints"]["mode"] == "max"


def test_the_learning_rate_can_be_watched_where_something_reports_it():
    callbacks = [{"type": "ReduceLROnPlateau", "patience": 2}]

    assert findings(Severity.ERROR, checkpoints={"monitor": "learning_rate"}, callbacks=callbacks) == set()
    assert findings(Severity.ERROR, checkpoints={"monitor": "learning_rate"}) == {
        ("/checkpoints/monitor", "monitor.unknown")
    }


def test_input_shape_on_the_first_layer_is_taken_for_the_models():
    result = checked(model={"layers": [{"type": "Dense", "units": 10, "input_shape": [64]}]})

    assert result.spec["model"]["input_shape"] == [64]
    assert "input_shape" not in result.spec["model"]["layers"][0]
    assert [(finding.severity, finding.pointer) for finding in result.findings] == [
        (Severity.INFO, "/model/layers/0/input_shape")
    ]


@pytest.mark.parametrize(
    ("model", "errors"),
    [
        ({"input_shape": [63]}, {("/model/input_shape", "input_shape.mismatch")}),
        ({"input_shape": [8, 8]}, {("/model/input_shape", "input_shape.mismatch")}),
        (
            {"input_shape": [64], "layers": [{"type": "Flatten", "input_shape": [8, 8]}]},
            {
                ("/model/layers/0/input_shape", "input_shape.contradiction"),
                ("/model/layers/0/input_shape", "input_shape.mismatch"),
            },
        ),
        (
            {"layers": ["Flatten", {"type": "Flatten", "input_shape": [64]}]},
            {("/model/layers/1/input_shape", "parameter.unknown")},
        ),
        (
            {"layers": [{"type": "Flatten", "input_shape": ["64"]}]},
            {("/model/layers/0/input_shape", "field.value")},
        ),
        (
            {"layers": [{"type": "Flatten", "input_shape": [1] * 9}]},
            {("/model/layers/0/input_shape", "field.value")},
        ),
        ({"layers": [{"type": "Flatten", "input_shape": []}]}, {("/model/layers/0/input_shape", "field.value")}),
    ],
)
def test_input_shapes_that_cannot_be(model, errors):
    assert findings(Severity.ERROR, model={"layers": ["Flatten"], **model}) == errors


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"training": {"batch_size": 1438}}, ("/training/batch_size", "batch_size.larger_than_data")),
        (
            {"optimizer": {"type": "SGD", "learning_rate": 3}},
            ("/optimizer/learning_rate", "optimizer.learning_rate_high"),
        ),
        ({"optimizer": {"type": "Adam", "epsilon": 0}}, ("/optimizer/epsilon", "optimizer.epsilon_zero")),
        (
            {"callbacks": [{"type": "EarlyStopping", "patience": 10}], "training": {"epochs": 10}},
            ("/callbacks/0/patience", "callback.never_acts"),
        ),
        ({"callbacks": ["ReduceLROnPlateau"], "training": {"epochs": 10}}, ("/callbacks/0", "callback.never_acts")),
        (
            {
                "callbacks": [{"type": "EarlyStopping", "patience": 3, "monitor": "loss", "start_from_epoch": 7}],
                "training": {"epochs": 10},
            },
            ("/callbacks/0/patience", "callback.never_acts"),
        ),
        (
            {"optimizer": {"type": "Lookahead", "optimizer": {"type": "Adam", "epsilon": 0}}},
            ("/optimizer/optimizer/epsilon", "optimizer.epsilon_zero"),
        ),
        (
            {
                "metrics": [{"formula": "abs(y_true - y_pred)", "name": "off"}],
                "checkpoints": {"monitor": "off"},
            },
            ("/checkpoints", "monitor.direction_unknown"),
        ),
    ],
)
def test_what_is_doubtful_is_a_warning_and_no_error(changes, warning):
    assert findings(Severity.WARNING, **changes) == {warning}
    assert findings(Severity.ERROR, **changes) == set()


SCHEDULE = {"type": "OneCycle", "max_learning_rate": 0.1, "total_steps": 50}


@pytest.mark.parametrize(
    "optimizer",
    [
        {"type": "Adam", "learning_rate": SCHEDULE},
        {"type": "Lookahead", "optimizer": {"type": "SGD", "learning_rate": SCHEDULE}},
    ],
)
def test_a_rate_that_a_schedule_sets_can_not_be_lowered(optimizer):
    callbacks = ["TerminateOnNaN", {"type": "ReduceLROnPlateau", "monitor": "loss", "patience": 1}]
    error = ("/callbacks/1", "callback.schedule_in_the_way")
    assert findings(Severity.ERROR, callbacks=callbacks, optimizer=optimizer) == {error}
    assert findings(Severity.ERROR, callbacks=callbacks[:1], optimizer=optimizer) == set()
    assert findings(Severity.ERROR, callbacks=callbacks, optimizer="adam") == set()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"training": {"batch_size": 1437}}, "/training/batch_size"),
        ({"optimizer": {"type": "SGD", "learning_rate": 1}}, "/optimizer/learning_rate"),
        (
            {"callbacks": [{"type": "EarlyStopping", "patience": 9}], "training": {"epochs": 10}},
            "/callbacks/0/patience",
        ),
    ],
)
def test_the_last_value_that_is_not_doubtful(changes, pointer):
    assert findings(Severity.WARNING, **changes) == set()


@pytest.mark.parametrize(
    ("builtin", "validation", "errors"),
    [
        ("iris", {"fraction": 0.02, "stratify": True}, set()),
        ("iris", {"fraction": 0.013, "stratify": True}, {("/dataset/validation/fraction", "split.too_few_rows")}),
        ("iris", {"fraction": 0.999}, {("/dataset/validation/fraction", "split.too_few_rows")}),
        ("iris", {"fraction": 0.993}, set()),
        ("diabetes", {"stratify": False}, set()),
        ("diabetes", {"stratify": True}, {("/dataset/validation/stratify", "split.needs_classes")}),
    ],
)
def test_splits_that_leave_too_little(builtin, validation, errors):
    assert findings(Severity.ERROR, dataset={"source": {"builtin": builtin}, "validation": validation}) == errors


def test_the_installations_limits_are_kept():
    limit = SETTINGS.max_job_seconds

    assert findings(Severity.ERROR, training={"max_seconds": limit}) == set()
    assert findings(Severity.ERROR, training={"max_seconds": limit + 1}) == {("/training/max_seconds", "field.value")}


def test_dimensions_are_bounded_and_seeds_are_not():
    limit = SETTINGS.max_dimension
    fine = {"type": "Dense", "units": limit, "kernel_initializer": {"type": "HeNormal", "seed": 2**32 - 1}}

    assert findings(Severity.ERROR, model={"layers": [fine]}) == set()
    assert findings(Severity.ERROR, model={"layers": [{"type": "Dense", "units": limit + 1}]}) == {
        ("/model/layers/0/units", "parameter.too_large")
    }


def test_a_list_of_components_is_checked_item_by_item():
    cell = {"type": "StackedRNNCells", "cells": [{"type": "LSTMCell"}, "Dense", {"type": "GRUCell", "units": "3"}, 4]}

    assert findings(Severity.ERROR, model={"layers": [{"type": "RNN", "cell": cell}]}) == {
        ("/model/layers/0/cell/cells/0", "parameter.missing"),
        ("/model/layers/0/cell/cells/1", "parameter.missing"),
        ("/model/layers/0/cell/cells/2/units", "parameter.type"),
        ("/model/layers/0/cell/cells/3", "component.type"),
    }


def test_components_are_bounded_in_number():
    wide = {"type": "Pipeline", "layers": ["Flatten"] * 64}

    def codes(layers):
        return {code for _, code in findings(Severity.ERROR, model={"layers": [wide] * layers})}

    assert codes(76) == set()
    assert codes(77) == {"component.too_many"}


@pytest.mark.parametrize(
    ("kind", "posted", "words"),
    [
        (ComponentKind.LAYER, "Droput", "'Dropout'"),
        (ComponentKind.LAYER, "relu", "{type: Activation, activation: relu}"),
        (ComponentKind.LAYER, "Input", "model.input_shape"),
        (ComponentKind.LAYER, "CuDNNLSTM", "'LSTM'"),
        (ComponentKind.LAYER, "qwertz", "/v1/components?kind=layer"),
        (ComponentKind.OPTIMIZER, "ADAM", "'Adam'"),
        (ComponentKind.LOSS, "crossentropy", "sparse_categorical_crossentropy"),
        (
            ComponentKind.CALLBACK,
            "Stop",
            "There is: EarlyStopping, ReduceLROnPlateau, TerminateOnNaN, hornbeam>OverfittingGuard.",
        ),
    ],
)
def test_unknown_components_get_a_suggestion(kind, posted, words):
    changes = {
        ComponentKind.LAYER: {"model": {"layers": [posted]}},
        ComponentKind.OPTIMIZER: {"optimizer": posted},
        ComponentKind.LOSS: {"loss": posted},
        ComponentKind.CALLBACK: {"callbacks": [posted]},
    }[kind]
    with pytest.raises(InvalidSpec) as raised:
        checked(**changes)

    assert words in raised.value.findings[0].suggestion


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"type": "Dropout", "p": 0.5}, "'rate'"),
        ({"type": "Dense", "output_dim": 5}, "'units'"),
        ({"type": "Dense", "init": "zeros"}, "'kernel_initializer'"),
        ({"type": "Dense", "input_dim": 5}, "comes from the dataset"),
        ({"type": "Dense", "nmae": "x"}, "'name'"),
        ({"type": "Flatten", "qwertz": 1}, "It takes: data_format, dtype."),
        ({"type": "Embedding", "weights": []}, "Weights cannot be sent"),
        ({"type": "Dense", "activation": "None"}, "Write null without quotes."),
        ({"type": "Dropout", "rate": "5e-1"}, "Write 0.5 without quotes."),
    ],
)
def test_wrong_parameters_get_a_suggestion(layer, words):
    with pytest.raises(InvalidSpec) as raised:
        checked(model={"layers": [layer]})

    assert any(words in (finding.suggestion or "") for finding in raised.value.findings)
