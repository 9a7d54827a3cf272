"""What `model.to_json()` wrote is the same model again: `keras.applications`, and what people write themselves."""

import json
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import examine_body
from schemas.catalog import ComponentKind
from schemas.problems import Severity
from workers.training.assembly import Assembler
from workers.training.build import Builder

CATALOGUE = load_catalogue()
LARGE = Settings(max_body_bytes=2**22)
APPLICATIONS = [entry.name for entry in CATALOGUE.components(ComponentKind.APPLICATION)]
COMPUTED = frozenset(
    {
        "ConvNeXtTiny",
        "DenseNet121",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "InceptionResNetV2",
        "InceptionV3",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Large",
        "MobileNetV3Small",
        "NASNetMobile",
        "ResNet50",
        "ResNet50V2",
        "VGG16",
        "VGG19",
        "Xception",
    }
)
"""One of each family is computed with; the others differ from it in widths and depths alone."""
SHAPE = (96, 96, 3)


@pytest.fixture(autouse=True)
def forgotten():
    """Variables that were never initialised must not be, by whoever comes next."""
    yield
    keras.backend.clear_session()


def examined(keras_json, **parts):
    spec = {"model": {"keras_json": keras_json}, "loss": "mse", **parts}
    return examine_body(json.dumps(spec).encode(), CATALOGUE, LARGE, needs_dataset=False)


def again(model, shape=None):
    """The model, by way of its JSON and the catalogue."""
    checked = examined(model.to_json())
    wrong = [
        finding for finding in checked.findings if finding.severity is Severity.ERROR and finding.pointer != "/loss"
    ]
    assert wrong == []
    names = checked.spec["model"]["inputs"] or {"input": None}
    return Assembler(Builder(CATALOGUE)).model(checked.spec["model"], dict.fromkeys(names, shape) if shape else {})


def weighted(model) -> Iterator:
    """The layers with weights, those of inner models too."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from weighted(layer)
        elif layer.weights:
            yield layer


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_has_the_same_parameters(name):
    with keras.StatelessScope(initialize_variables=False):
        original = getattr(keras.applications, name)(weights=None, input_shape=None if "NASNet" in name else SHAPE)
        translated = again(original)

        ours = {layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in weighted(translated)}
        assert ours == {layer.name: [tuple(weight.shape) for weight in layer.weights] for layer in weighted(original)}
        assert translated.count_params() == original.count_params()


@pytest.mark.parametrize("name", sorted(COMPUTED))
def test_an_application_has_the_same_outputs(name):
    shape = (224, 224, 3) if "NASNet" in name else SHAPE
    original = getattr(keras.applications, name)(weights=None, input_shape=shape, classes=10)
    translated = again(original)
    by_name = {layer.name: layer for layer in weighted(translated)}
    for layer in weighted(original):
        by_name[layer.name].set_weights(layer.get_weights())

    images = np.random.default_rng(0).uniform(0, 255, (1, *shape)).astype("float32")
    assert np.array_equal(translated(images, training=False), original(images, training=False))


def test_every_family_is_computed_with():
    modules = {getattr(keras.applications, name).__module__ for name in APPLICATIONS}

    assert {getattr(keras.applications, name).__module__ for name in COMPUTED} == modules


def siamese():
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    tower = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5)], name="tower")
    far = keras.layers.Subtract(name="far")([tower(left), tower(right)])
    return keras.Model([left, right], keras.layers.Dense(1, name="same")(far))


def attentive():
    tokens = keras.Input((5, 8))
    attended = keras.layers.MultiHeadAttention(2, 4)(tokens, tokens, use_causal_mask=True)
    both = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True), merge_mode="sum")(attended)
    folded = keras.layers.TimeDistributed(keras.layers.Dense(2, kernel_regularizer="l2"))(both)
    return keras.Model(tokens, [folded, keras.layers.GlobalAveragePooling1D()(both)])


def stateful_cell():
    steps = keras.Input((4, 3))
    output, hidden, memory = keras.layers.LSTM(5, return_state=True)(steps)
    decoded = keras.layers.RNN([keras.layers.LSTMCell(5), keras.layers.GRUCell(2)])(steps)
    return keras.Model(steps, keras.layers.Concatenate()([output, hidden, memory, decoded]))


def arithmetic():
    x = keras.Input((3,))
    y = (x + 1.5) * 2.0 - 3.0
    return keras.Model(x, keras.layers.Activation("gelu")(y + x))


def chain():
    return keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, "selu", kernel_initializer="he_normal")])


def frames():
    eye = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    film = keras.Input((5, 4, 4, 1))
    return keras.Model(film, keras.layers.LSTM(3)(keras.layers.TimeDistributed(eye)(film)))


@pytest.mark.parametrize("make", [siamese, attentive, stateful_cell, arithmetic, chain, frames])
def test_peoples_own_models_are_the_same_again(make):
    original = make()
    translated = again(original)
    translated.set_weights(original.get_weights())

    generator = np.random.default_rng(1)
    arrays = [generator.normal(size=(2, *tensor.shape[1:])).astype("float32") for tensor in original.inputs]
    expected = original(arrays if len(arrays) > 1 else arrays[0])
    names = [tensor.name for tensor in original.inputs]
    found = translated(dict(zip(names, arrays, strict=True)) if len(arrays) > 1 else arrays[0])
    if isinstance(found, dict):
        found = [found[tensor._keras_history.operation.name] for tensor in original.outputs]
    pairs = zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True)
    assert all(np.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)


def test_the_text_and_the_object_are_the_same():
    text = chain().to_json()

    assert examined(text).spec["model"] == examined(json.loads(text)).spec["model"]


def pointers(keras_json):
    found = examined(keras_json).findings
    return {(finding.pointer, finding.code) for finding in found if finding.severity is Severity.ERROR}


def test_what_the_catalogue_does_not_hold_is_refused():
    document = json.loads(chain().to_json())
    document["config"]["layers"][1]["class_name"] = "Lambda"
    document["config"]["layers"][1]["config"] = {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}

    assert pointers(document) == {("/model/keras_json/config/layers/1", "component.left_out")}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"units": -3}, {("/model/keras_json/config/layers/1/config/units", "parameter.value")}),
        ({"activation": "os.system"}, {("/model/keras_json/config/layers/1/config/activation", "component.unknown")}),
        (
            {"kernel_initializer": {"class_name": "Evil", "module": "os", "config": {}}},
            {("/model/keras_json/config/layers/1/config/kernel_initializer", "component.unknown")},
        ),
        (
            {"quantization_config": {"a": 1}},
            {("/model/keras_json/config/layers/1/config/quantization_config", "parameter.left_out")},
        ),
    ],
)
def test_parameters_are_checked_where_they_were_written(change, found):
    document = json.loads(chain().to_json())
    document["config"]["layers"][1]["config"].update(change)

    assert pointers(document) == found


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"class_name": "Sequential", "config": {"layers": []}}',
        {"class_name": "Dense"},
        "[" * 10_000,
    ],
)
def test_what_is_no_model_is_refused(nonsense):
    codes = {code for _, code in pointers(nonsense)}

    assert codes <= {"keras_json.not_a_model", "json.malformed", "json.too_deep", "json.not_an_object"}
    assert codes
