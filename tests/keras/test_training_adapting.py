"""Layers that learn from the training rows: what, where from, and that a saved model and a resumed job keep it."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.keras.specs import CATALOGUE, assembled, checked
from tests.keras.trainings import StopAfterAsking
from workers.messages import ArtifactSaved, PlanRequest, ResumePoint, Stopped, Succeeded
from workers.training.assembly import Assembler
from workers.training.build import Builder, BuildError
from workers.training.data import load
from workers.training.proof import prove

pytestmark = pytest.mark.keras

WINE = {"source": {"builtin": "wine"}, "validation": {"fraction": 0.2}}
DIGITS = {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}}
OUT = {"type": "Dense", "units": 3, "activation": "softmax", "name": "out"}
TEN = {**OUT, "units": 10}


def spec_of(layers, dataset=WINE, **parts):
    training = {"epochs": 2, "batch_size": 64, "seed": 7, "deterministic": True}
    model = layers if isinstance(layers, dict) else {"layers": layers}
    return checked(dataset=dataset, model=model, training={**training, **parts.pop("training", {})}, **parts)


def rows_of(spec):
    """The rows that train, as float64."""
    return load(spec).train.features.astype(np.float64)


def saved_model(trained):
    path = next(message.path for message in trained.of(ArtifactSaved) if message.name == "model.keras")
    return keras.models.load_model(path)


def weights_of(trained):
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in saved_model(trained).weights]


def finished(trained):
    assert trained.last == Succeeded(reason="completed"), trained.last
    return trained


# What they learn


def test_normalization_learns_the_mean_and_variance_of_the_training_rows_alone(train):
    spec = spec_of([{"type": "Normalization"}, OUT])
    rows = rows_of(spec)

    model = saved_model(finished(train(spec)))

    mean, variance, _ = model.layers[0].get_weights()
    assert len(rows) == 142
    assert np.allclose(mean, rows.mean(0), rtol=1e-5)
    assert np.allclose(variance, rows.var(0), rtol=1e-4)


def test_the_saved_model_takes_raw_rows_and_normalizes_them_itself(train):
    spec = spec_of([{"type": "Normalization"}, OUT], training={"epochs": 1})
    rows = rows_of(spec)

    model = saved_model(finished(train(spec)))

    kernel, bias = model.get_layer("out").get_weights()
    scores = (rows - rows.mean(0)) / rows.std(0) @ kernel + bias
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    assert np.allclose(model.predict(rows.astype("float32"), verbose=0), expected, atol=1e-4)


def test_a_model_learns_from_the_start_what_it_could_not_without_scaling(train):
    plain = finished(train(spec_of([OUT]))).history
    scaled = finished(train(spec_of([{"type": "Normalization"}, OUT]))).history

    assert scaled[0]["loss"] < 3 < plain[0]["loss"]


def test_a_layer_learns_from_what_arrives_at_it(train):
    layers = [{"type": "Rescaling", "scale": 3.0, "offset": 1.0}, {"type": "Normalization"}, OUT]
    spec = spec_of(layers)

    mean, variance, _ = saved_model(finished(train(spec))).layers[1].get_weights()

    assert np.allclose(mean, 3 * rows_of(spec).mean(0) + 1, rtol=1e-5)
    assert np.allclose(variance, 9 * rows_of(spec).var(0), rtol=1e-4)


def test_what_is_augmented_while_training_is_not_while_learning():
    rows = np.arange(40, dtype="float32").reshape(20, 2)
    noise = {"type": "GaussianNoise", "stddev": 1.0}

    model, _ = assembled([noise, {"type": "Dropout", "rate": 0.5}, {"type": "Normalization"}], {"input": rows})

    assert np.allclose(model.layers[2].get_weights()[0], rows.mean(0))


def test_layers_learn_one_after_the_other():
    rows = np.random.default_rng(0).normal(5, 3, (200, 2)).astype("float32")

    model, _ = assembled([{"type": "Normalization"}, {"type": "Discretization", "num_bins": 4}], {"input": rows})

    scaled = (rows - rows.mean(0)) / rows.std(0)
    # epsilon, 0.01, is the accuracy with which Keras knows a quantile's rank.
    ranks = [(scaled < boundary).mean() for boundary in model.layers[1].bin_boundaries]
    assert np.allclose(ranks, [0.25, 0.5, 0.75], atol=0.02)


@pytest.mark.parametrize(("mode", "width"), [("int", 13), ("one_hot", 13 * 5), ("multi_hot", 5), ("count", 5)])
def test_bins_are_learnt_and_the_layers_behind_them_fit(train, mode, width):
    bins = {"type": "Discretization", "num_bins": 5, "output_mode": mode, "name": "bins"}

    model = saved_model(finished(train(spec_of([bins, {"type": "Flatten"}, OUT]))))

    assert len(model.get_layer("bins").bin_boundaries) == 4
    assert model.get_layer("out").kernel.shape == (width, 3)


def test_a_number_of_bins_that_keras_misses_by_one_is_no_trouble(train):
    """Of 49 bins Keras makes 50: the steps of 1/49 add up to less than 1."""
    bins = {"type": "Discretization", "num_bins": 49, "output_mode": "multi_hot"}

    model = saved_model(finished(train(spec_of([bins, OUT]))))

    assert model.get_layer("out").kernel.shape[0] == len(model.layers[0].bin_boundaries) + 1


def test_a_vocabulary_of_integers_is_learnt_by_how_often_they_come(train):
    layers = [
        {"type": "IntegerLookup", "max_tokens": 12, "name": "lookup"},
        {"type": "Embedding", "input_dim": 12, "output_dim": 2},
        {"type": "Flatten"},
        TEN,
    ]
    spec = spec_of(layers, DIGITS)
    pixels, counts = np.unique(rows_of(spec), return_counts=True)
    expected = [int(pixel) for pixel, _ in sorted(zip(pixels, counts, strict=True), key=lambda pair: -pair[1])]

    vocabulary = saved_model(finished(train(spec))).get_layer("lookup").get_vocabulary()

    assert vocabulary == [-1, *expected[:11]]


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_a_padded_vocabulary_has_its_width_before_it_is_learnt(train, mode):
    lookup = {"type": "IntegerLookup", "output_mode": mode, "max_tokens": 20, "pad_to_max_tokens": True}
    spec = spec_of([lookup, TEN], DIGITS)

    model = saved_model(finished(train(spec)))

    proven = prove(PlanRequest(spec=spec, max_parameters=10**6))
    assert model.get_layer("out").kernel.shape == (20, 10)
    assert proven.plan.layers[0].output_shape == [None, 20]


def test_words_are_learnt_from_text():
    texts = np.array([["b a"], ["b c"], ["b a"]])
    layers = [{"type": "TextVectorization", "name": "words"}, {"type": "Embedding", "input_dim": 9, "output_dim": 2}]

    model, learnt = assembled(layers, {"text": texts}, text={"shape": [1], "dtype": "string"})

    assert model.get_layer("words").get_vocabulary() == ["", "[UNK]", "b", "a", "c"]
    assert learnt == {"/model/layers/0": {"vocabulary": ["", "[UNK]", "b", "a", "c"]}}


# Where they may stand


def test_layers_of_a_graph_learn_from_their_own_inputs(train):
    model = {
        "inputs": {"taste": {}, "look": {}},
        "layers": [
            {"type": "Normalization", "name": "tasted", "inputs": ["taste"]},
            {"type": "Concatenate", "name": "both", "inputs": ["look", "tasted"]},
            {"type": "Normalization", "name": "all"},
            OUT,
        ],
    }
    columns = {"look": ["hue", "color_intensity"], "taste": ["alcohol"]}
    spec = spec_of(model, {**WINE, "features": columns})
    features = load(spec).train.features

    trained = saved_model(finished(train(spec)))

    assert np.allclose(trained.get_layer("tasted").get_weights()[0], features["taste"].mean(0))
    assert np.allclose(trained.get_layer("all").get_weights()[0], [*features["look"].mean(0), 0], atol=1e-5)


def test_a_shared_layer_learns_from_its_first_call():
    layers = [
        {"type": "Normalization", "name": "scale", "inputs": ["one"]},
        {"shared": "scale", "name": "again", "inputs": ["two"]},
        {"type": "Subtract", "inputs": ["scale", "again"]},
    ]
    features = {"one": np.array([[1.0], [3.0]], "float32"), "two": np.array([[5.0], [90.0]], "float32")}

    model, _ = assembled(layers, features, one={"shape": [1]}, two={"shape": [1]})

    assert np.allclose(model.get_layer("scale").get_weights()[:2], [[2.0], [1.0]])


@pytest.mark.parametrize("inner_input", [{}, {"inputs": {"x": {}}}], ids=["a list", "a graph"])
def test_layers_of_an_inner_model_learn_from_what_arrives_there(train, inner_input):
    inner = {**inner_input, "layers": [{"type": "Rescaling", "scale": 0.5}, {"type": "Normalization", "name": "scale"}]}
    spec = spec_of([{"type": "Rescaling", "scale": 3.0}, {"model": inner, "name": "inner"}, OUT])

    model = saved_model(finished(train(spec)))

    mean = model.get_layer("inner").get_layer("scale").get_weights()[0]
    assert np.allclose(mean, 1.5 * rows_of(spec).mean(0), rtol=1e-5)


def test_what_was_given_is_not_learnt(train):
    given = {"type": "Normalization", "mean": 100.0, "variance": 4.0}

    trained = finished(train(spec_of([given, OUT])))

    assert saved_model(trained).layers[0].input_mean == 100.0


def test_data_that_a_layer_cannot_take_are_its_error():
    layers = [{"type": "Normalization", "name": "scale"}]

    with pytest.raises(BuildError) as caught:
        assembled(layers, {"input": np.array([["a"], ["b"]])})

    assert (caught.value.finding.pointer, caught.value.finding.code) == ("/model/layers/0", "layer.cannot_learn")


# Again


LEARNERS = [
    {"type": "Dense", "units": 4, "name": "drawn", "trainable": False},
    {"type": "Normalization"},
    {"type": "Discretization", "num_bins": 7, "output_mode": "one_hot"},
    {"type": "Flatten"},
    {"type": "Dropout", "rate": 0.2},
    OUT,
]


def test_equal_seeds_learn_the_same(train):
    one, two = (finished(train(spec_of(LEARNERS))) for _ in range(2))

    assert weights_of(one) == weights_of(two)
    assert saved_model(one).layers[2].bin_boundaries == saved_model(two).layers[2].bin_boundaries


@pytest.mark.parametrize(
    ("layers", "dataset"),
    [
        (LEARNERS, WINE),
        (
            [
                {"type": "IntegerLookup", "max_tokens": 12, "mask_token": 0, "num_oov_indices": 2},
                {"type": "Embedding", "input_dim": 12, "output_dim": 2},
                {"type": "Flatten"},
                TEN,
            ],
            DIGITS,
        ),
    ],
    ids=["numbers", "a vocabulary"],
)
def test_a_resumed_training_takes_what_was_learnt_from_its_checkpoint(train, layers, dataset, caplog):
    spec = spec_of(layers, dataset)
    straight = finished(train(spec))
    stopped = train(spec, stop=StopAfterAsking(4))
    assert isinstance(stopped.last, Stopped)
    last = stopped.checkpoints[-1]
    caplog.clear()

    resumed = finished(
        train(spec, resume=ResumePoint(path=last.path, epoch=last.epoch, step=last.step, history=stopped.history))
    )

    assert "learnt from" not in caplog.text
    assert weights_of(resumed) == weights_of(straight)
    rows = load(spec).validation.features
    assert np.array_equal(saved_model(resumed)(rows), saved_model(straight)(rows))


# The proof


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "Normalization"},
        {"type": "Normalization", "axis": None},
        {"type": "Discretization", "num_bins": 5},
        {"type": "Discretization", "num_bins": 5, "output_mode": "multi_hot"},
        {"type": "IntegerLookup"},
        {"type": "IntegerLookup", "output_mode": "multi_hot", "max_tokens": 7, "pad_to_max_tokens": True},
    ],
)
def test_what_is_yet_to_be_learnt_is_proven_as_it_will_be_trained(train, layer):
    spec = spec_of([layer, OUT])

    answer = prove(PlanRequest(spec=spec, max_parameters=10**6))

    model = saved_model(finished(train(spec)))
    assert answer.findings == []
    assert answer.plan.parameters == model.count_params()
    assert answer.plan.layers[0].output_shape == list(model.layers[0].output.shape)


def test_bins_without_a_number_and_without_boundaries_are_refused():
    (finding,) = prove(PlanRequest(spec=spec_of([{"type": "Discretization"}, OUT]), max_parameters=10**6)).findings

    assert (finding.pointer, finding.code) == ("/model/layers/0", "layer.invalid")
    assert "num_bins" in finding.message


@pytest.mark.parametrize("layer", [{"type": "TextVectorization"}, {"type": "StringLookup", "vocabulary": ["a"]}])
def test_numbers_are_no_text(layer):
    (finding,) = prove(PlanRequest(spec=spec_of([layer, {"type": "Flatten"}, OUT]), max_parameters=10**6)).findings

    assert (finding.pointer, finding.code) == ("/model/layers/0", "layer.does_not_fit")
    assert "takes text, and gets float32" in finding.message


def test_text_is_taken_from_an_input_for_text():
    model = {
        "inputs": {"text": {"shape": [1], "dtype": "string"}},
        "layers": [
            {"type": "TextVectorization", "vocabulary": ["good", "bad"], "output_sequence_length": 3},
            {"model": {"layers": [{"type": "Embedding", "input_dim": 4, "output_dim": 1}, {"type": "Flatten"}]}},
        ],
    }

    answer = prove(PlanRequest(spec=checked(model=model), max_parameters=10**6))

    assert answer.findings == []
    assert answer.plan.layers[0].output_shape == [None, 3]
    built = Assembler(Builder(CATALOGUE)).model(checked(model=model)["model"], {})
    good, dull, good_again = keras.ops.convert_to_numpy(
        built(keras.ops.convert_to_tensor([["good"], ["dull"], ["Good!"]]))
    )
    assert (good == good_again).all()
    assert (good != dull).any()


def test_a_list_of_layers_hands_one_tensor_on_and_a_graph_any():
    states = {"type": "LSTM", "units": 3, "return_state": True, "name": "lstm"}
    steps = {"type": "Reshape", "target_shape": [13, 1]}
    (finding,) = prove(PlanRequest(spec=spec_of([steps, states, OUT]), max_parameters=10**6)).findings
    assert (finding.pointer, finding.code) == ("/model/layers/1", "layer.several_outputs")

    graph = {"layers": [steps, states, {"type": "Concatenate", "inputs": ["lstm:1", "lstm:2"]}, OUT]}
    answer = prove(PlanRequest(spec=spec_of(graph), max_parameters=10**6))

    assert answer.findings == []
    assert answer.plan.layers[2].output_shape == [None, 6]


def test_states_train(train):
    states = {"type": "GRU", "units": 3, "return_state": True, "name": "gru"}
    steps = {"type": "Reshape", "target_shape": [13, 1]}

    trained = finished(train(spec_of({"layers": [steps, states, {**OUT, "inputs": ["gru:1"]}]})))

    assert Path(trained.checkpoints[-1].path).exists()
