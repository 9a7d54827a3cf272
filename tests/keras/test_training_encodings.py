"""Layers that encode numbers and words: what the proof says of them is what comes out."""

import keras
import numpy as np
import pytest

from tests.keras.specs import CATALOGUE, checked
from workers.messages import PlanRequest
from workers.training.assembly import Assembler
from workers.training.build import Builder
from workers.training.proof import prove

pytestmark = pytest.mark.keras

WORDS = ["a", "b", "c"]
SHAPES = [(1,), (2,), (2, 1), (1, 1), (1, 2), (2, 2), (3, 2), (2, 1, 1)]
NUMBERS = {
    "CategoryEncoding": {"num_tokens": 4},
    "Hashing": {"num_bins": 4},
    "IntegerLookup": {"vocabulary": [1, 2]},
    "Discretization": {"bin_boundaries": [1.5, 2.5]},
}
MODES = {
    "CategoryEncoding": ("one_hot", "multi_hot", "count"),
    "Discretization": ("int", "one_hot", "multi_hot", "count"),
    "Hashing": ("int", "one_hot", "multi_hot", "count"),
    "IntegerLookup": ("int", "one_hot", "multi_hot", "count"),
}


def proof_of(model):
    return prove(PlanRequest(spec=checked(model=model), max_parameters=10**6))


def model_of(shape, *layers, dtype="int64"):
    return {"inputs": {"x": {"shape": list(shape), "dtype": dtype}}, "layers": list(layers)}


def built(model):
    return Assembler(Builder(CATALOGUE)).model(checked(model=model)["model"], {})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_numbers_come_out_as_proven_or_are_refused(kind, mode, shape):
    layer = {"type": kind, **NUMBERS[kind], "output_mode": mode}
    dtype = "float32" if kind == "Discretization" else "int64"
    rows = np.random.default_rng(0).integers(0, 4, (3, *shape)).astype(dtype)
    plain = getattr(keras.layers, kind)(**NUMBERS[kind], output_mode=mode)
    announced = plain(keras.Input(shape, dtype=dtype)).shape[1:]

    answer = proof_of(model_of(shape, layer, dtype=dtype))

    came_out = tuple(plain(keras.ops.convert_to_tensor(rows)).shape[1:])
    if announced == came_out:
        assert answer.findings == []
        assert tuple(answer.plan.layers[0].output_shape[1:]) == came_out
    else:
        (finding,) = answer.findings
        assert (finding.pointer, finding.code) == ("/model/layers/0", "layer.does_not_fit")
        assert "CategoryEncoding" in finding.suggestion


@pytest.mark.parametrize("split", ["whitespace", "character", None])
@pytest.mark.parametrize("mode", ["int", "multi_hot", "count", "tf_idf"])
def test_texts_come_out_as_proven(mode, split, tmp_path):
    weights = {"idf_weights": [1.0, 2.0, 3.0]} if mode == "tf_idf" else {}
    length = {"output_sequence_length": 5} if mode == "int" else {}
    layer = {"type": "TextVectorization", "vocabulary": WORDS, "split": split, "output_mode": mode, **weights, **length}
    model = model_of([1], layer, {"type": "Dense", "units": 2}, dtype="string")
    texts = keras.ops.convert_to_tensor([["a b"], ["b c"], ["d"]])

    answer, made = proof_of(model), built(model)

    assert answer.findings == []
    assert tuple(made(texts).shape) == (3, 2)
    assert answer.plan.output_shape == [None, 2]
    coded = keras.Model(made.inputs, made.layers[-1].input)(texts)
    if split is not None or mode != "int":
        assert tuple(coded.shape[1:]) == tuple(answer.plan.layers[0].output_shape[1:])
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(texts), made(texts))


def test_a_list_of_layers_takes_counted_words_too():
    layers = [
        {"type": "TextVectorization", "name": "words", "vocabulary": WORDS, "output_mode": "count"},
        {"type": "Flatten"},
        {"type": "Dense", "units": 2},
    ]
    model = {
        "inputs": {"x": {"shape": [1], "dtype": "string"}},
        "layers": [{"name": "inner", "model": {"layers": layers}}],
    }

    answer = proof_of(model)

    assert answer.findings == []
    assert answer.plan.parameters == 4 * 2 + 2
    assert tuple(built(model)(keras.ops.convert_to_tensor([["a b"], ["b"]])).shape) == (2, 2)


@pytest.mark.parametrize(
    ("layer", "dtype", "inputs"),
    [
        ({"type": "TextVectorization", "vocabulary": WORDS, "output_mode": "count"}, "string", ["x"]),
        ({"type": "HashedCrossing", "num_bins": 3}, "int64", ["x", "x"]),
    ],
    ids=["TextVectorization", "HashedCrossing"],
)
def test_several_columns_are_refused_where_keras_takes_one(layer, dtype, inputs):
    answer = proof_of(model_of([2], {**layer, "inputs": inputs}, dtype=dtype))

    (finding,) = answer.findings
    assert (finding.pointer, finding.code) == ("/model/layers/0", "layer.does_not_fit")
    assert "several" in finding.message
