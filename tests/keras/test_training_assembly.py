"""Graphs, shared and nested layers, applications and several outputs are built as Keras's functional API would."""

import json

import keras
import numpy as np
import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from schemas.catalog import ComponentKind
from tests.keras.trainings import Trained
from workers.messages import EpochCompleted, PlanRequest
from workers.training.assembly import Assembler
from workers.training.build import Builder, BuildError
from workers.training.proof import prove

CATALOGUE = load_catalogue()
WINE = {"source": {"builtin": "wine"}, "validation": {"fraction": 0.2}}
COLUMNS = {"taste": ["alcohol", "malic_acid"], "look": ["hue", "color_intensity"]}
TRAINING = {"epochs": 2, "batch_size": 64, "seed": 7}


def normalised(model, **parts):
    spec = {"dataset": WINE, "model": model, "loss": "sparse_categorical_crossentropy", "training": TRAINING}
    return check_body(json.dumps({**spec, **parts}).encode(), CATALOGUE, Settings()).spec


def built(model, shapes=None, **parts):
    spec = normalised(model, **parts)
    return Assembler(Builder(CATALOGUE)).model(spec["model"], shapes or {"input": (13,)})


def dense(units, **fields):
    return {"type": "Dense", "units": units, **fields}


SIAMESE = {
    "inputs": {"taste": {}, "look": {}},
    "layers": [
        dense(4, name="tower", inputs=["taste"]),
        {"shared": "tower", "inputs": ["look"]},
        {"type": "Subtract", "inputs": ["tower", "tower_1"]},
        dense(3, name="out", activation="softmax"),
    ],
}


def test_a_shared_layer_has_its_weights_once():
    model = built(SIAMESE, {"taste": (2,), "look": (2,)}, dataset={**WINE, "features": COLUMNS})
    kernel, bias = model.get_layer("tower").get_weights()
    taste, look = np.ones((1, 2), "float32"), np.full((1, 2), 3.0, "float32")

    expected = (taste @ kernel + bias) - (look @ kernel + bias)
    middle = keras.Model(model.input, model.get_layer("subtract").output)
    assert np.allclose(middle({"taste": taste, "look": look}), expected)
    assert model.count_params() == (2 * 4 + 4) + (4 * 3 + 3)


def test_attention_takes_its_tensors_by_name_and_its_flags():
    layers = [
        {"type": "Reshape", "target_shape": [13, 1], "name": "sequence"},
        {
            "type": "MultiHeadAttention",
            "num_heads": 2,
            "key_dim": 4,
            "inputs": {"query": "sequence", "value": "sequence"},
            "call": {"use_causal_mask": True},
        },
        "Flatten",
        dense(3, activation="softmax"),
    ]
    model = built({"layers": layers, "outputs": ["dense"]})
    attention = keras.Model(model.inputs[0], model.get_layer("multi_head_attention").output)
    x = np.random.default_rng(0).normal(size=(1, 13)).astype("float32")
    later = x.copy()
    later[0, 12] += 5

    assert np.allclose(attention(x)[0, :12], attention(later)[0, :12], atol=1e-6)
    assert not np.allclose(attention(x)[0, 12], attention(later)[0, 12], atol=1e-6)


def test_layers_that_take_a_list_get_one():
    layers = [
        dense(3, name="a", inputs=["input"]),
        dense(3, name="b", inputs=["input"]),
        {"type": "Average", "inputs": ["a", "b"]},
        dense(3, activation="softmax"),
    ]

    assert built({"layers": layers, "outputs": ["dense"]}).get_layer("average").output.shape == (None, 3)


def test_one_of_several_outputs_can_be_taken():
    inner = {
        "layers": [dense(5, name="five", inputs=["input"]), dense(2, name="two", inputs=["input"])],
        "outputs": ["five", "two"],
    }
    layers = [{"name": "pair", "model": inner}, dense(3, activation="softmax", inputs=["pair:1"])]

    model = built({"layers": layers, "outputs": ["dense"]})
    assert model.get_layer("dense").kernel.shape == (2, 3)


def test_models_nest_and_freeze():
    inner = {"layers": [dense(4), {"type": "BatchNormalization"}]}
    layers = [{"name": "encoder", "model": inner, "trainable": False}, dense(3, activation="softmax")]
    model = built({"layers": layers})

    encoder = model.get_layer("encoder")
    assert isinstance(encoder, keras.Sequential)
    assert len(model.trainable_variables) == 2
    assert encoder.count_params() == 13 * 4 + 4 + 4 * 4


def test_a_wrapper_holds_a_model():
    wrapped = {"type": "TimeDistributed", "layer": {"model": {"layers": [dense(4), dense(2)]}}}
    model = built({"layers": [{"type": "Reshape", "target_shape": [13, 1]}, wrapped, "Flatten", dense(3)]})

    assert model.layers[1].output.shape == (None, 13, 2)


def test_an_application_stands_among_layers():
    application = {"application": "MobileNetV3Small", "include_top": False, "pooling": "avg", "alpha": 0.75}
    layers = [
        {"type": "Reshape", "target_shape": [13, 1, 1]},
        {"type": "Resizing", "height": 32, "width": 32},
        {"name": "backbone", "model": application},
        dense(3, activation="softmax"),
    ]
    model = built({"layers": layers})

    assert model.get_layer("backbone").input_shape == (None, 32, 32, 1)
    assert model.get_layer("backbone").count_params() > 500_000


def test_an_application_alone_is_a_model():
    spec = {"application": "MobileNetV3Small", "classes": 7, "input_shape": [32, 32, 3], "initial_weights": None}
    entry = CATALOGUE.form(CATALOGUE.find(ComponentKind.APPLICATION, "MobileNetV3Small"))
    model = Assembler(Builder(CATALOGUE)).model({**entry.defaults, **spec, "pooling": None}, {})

    assert model.output_shape == (None, 7)


def test_what_does_not_fit_names_the_layer():
    layers = [dense(3, name="a", inputs=["input"]), dense(4, name="b", inputs=["input"]), {"type": "Add"}]
    layers[2]["inputs"] = ["a", "b"]

    with pytest.raises(BuildError) as raised:
        built({"layers": layers, "outputs": ["add"]})
    assert raised.value.finding.pointer == "/model/layers/2"
    assert "(batch, 3), (batch, 4)" in raised.value.finding.message


MULTI = {
    "layers": [
        dense(8, name="shared", activation="relu"),
        dense(3, name="grower", activation="softmax", inputs=["shared"]),
        dense(2, name="again", inputs=["shared"]),
    ],
    "outputs": ["grower", "again"],
}
MULTI_PARTS = {
    "dataset": {**WINE, "target": {"again": {"columns": ["hue", "ash"]}}},
    "loss": {"grower": "sparse_categorical_crossentropy", "again": "mse"},
    "loss_weights": {"grower": 1.0, "again": 0.5},
    "metrics": {"grower": ["accuracy"], "again": ["mae"]},
}


def test_several_inputs_and_outputs_train(train):
    model = {**MULTI, "inputs": {"taste": {}, "look": {}}}
    model["layers"] = [{"name": "all", "type": "Concatenate", "inputs": ["taste", "look"]}, *MULTI["layers"]]
    dataset = {**MULTI_PARTS["dataset"], "features": COLUMNS}
    trained: Trained = train(normalised(model, **{**MULTI_PARTS, "dataset": dataset}))

    epochs = [message for message in trained.messages if isinstance(message, EpochCompleted)]
    assert len(epochs) == 2
    last = epochs[-1].metrics
    assert {"loss", "grower_loss", "again_loss", "grower_accuracy", "again_mae", "val_grower_accuracy"} <= set(last)
    assert last["loss"] == pytest.approx(last["grower_loss"] + 0.5 * last["again_loss"], rel=0.05)


def test_several_outputs_are_proven():
    answer = prove(PlanRequest(spec=normalised(MULTI, **MULTI_PARTS), max_parameters=10**6))

    assert answer.findings == []
    assert answer.plan.parameters == (11 * 8 + 8) + (8 * 3 + 3) + (8 * 2 + 2)
    assert [layer.name for layer in answer.plan.layers] == ["shared", "grower", "again"]


def test_each_output_is_held_against_its_own_loss():
    parts = {**MULTI_PARTS, "loss": {"grower": "binary_crossentropy", "again": "mse"}}
    parts["dataset"] = {**WINE, "target": {"again": {"columns": ["hue"]}}}

    answer = prove(PlanRequest(spec=normalised(MULTI, **parts), max_parameters=10**6))
    assert {(finding.pointer, finding.code) for finding in answer.findings} == {
        ("/loss/grower", "loss.wants_two_classes"),
        ("/model/layers/2/units", "output.wrong_shape"),
    }
