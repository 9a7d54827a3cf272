"""Layers that learn from more rows than memory should hold at once."""

import keras
import numpy as np
import pytest

from tests.keras.specs import assembled
from workers.training import adapting
from workers.training.columns import Column

pytestmark = pytest.mark.keras


class Counted(Column):
    """Rows on no disk, which tells how many were asked for at once."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.most = rows, rows.shape, rows.dtype, 0

    def __getitem__(self, numbers):
        self.most = max(self.most, len(numbers))
        return self.rows[numbers]


@pytest.mark.parametrize("before", [[], [{"type": "Rescaling", "scale": 2.0}]], ids=["raw", "computed"])
@pytest.mark.parametrize(
    "layer",
    [
        {"type": "Normalization"},
        {"type": "Normalization", "axis": None},
        {"type": "hornbeam>Imputation"},
        {"type": "hornbeam>Imputation", "strategy": "median"},
        {"type": "Discretization", "num_bins": 4},
    ],
    ids=str,
)
def test_rows_that_could_fill_the_memory_are_learnt_from_some_at_a_time(layer, before, monkeypatch):
    rows = np.random.default_rng(0).normal(5, 3, (3000, 2)).astype("float32")
    [*_, whole] = assembled([*before, layer], {"input": rows})[0].layers
    monkeypatch.setattr(adapting, "_WHOLE_BYTES", 0)
    column = Counted(rows)

    [*_, by_batches] = assembled([*before, layer], {"input": column})[0].layers

    assert column.most == 1024
    # Keras knows a quantile's rank to 0.01.
    atol = 0.3 if layer["type"] == "Discretization" else 1e-5
    assert np.allclose(learnt_by(whole), learnt_by(by_batches), rtol=1e-5, atol=atol)


@pytest.mark.parametrize(
    "layer",
    [{"type": "Normalization", "axis": None}, {"type": "Discretization", "num_bins": 3}, {"type": "IntegerLookup"}],
    ids=str,
)
def test_rows_whose_size_varies_are_learnt_from(layer):
    texts = np.array([["word " * (1 + row % 7)] for row in range(2000)], dtype=object)
    words = {"type": "TextVectorization", "vocabulary": ["word"]}

    model, _ = assembled([words, layer], {"text": texts}, text={"shape": [1], "dtype": "string"})

    learnt = model.layers[-1]
    if isinstance(learnt, keras.layers.Normalization):
        # The numbers of the words, and zeros up to the longest text of 1,024 rows, which all of them are.
        assert np.allclose(learnt.adapt_mean, np.mean([2 * (1 + row % 7) / 7 for row in range(2000)]), rtol=1e-4)


def test_what_a_normalization_learnt_from_batches_has_the_type_of_its_policy(monkeypatch):
    rows = np.random.default_rng(0).normal(5, 3, (3000, 2)).astype("float32")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        [*_, whole] = assembled([{"type": "Normalization"}], {"input": rows})[0].layers
        monkeypatch.setattr(adapting, "_WHOLE_BYTES", 0)
        [*_, by_batches] = assembled([{"type": "Normalization"}], {"input": Counted(rows)})[0].layers
    finally:
        keras.config.set_dtype_policy("float32")
    assert by_batches.mean.dtype == whole.mean.dtype == "float16"
    assert np.allclose(by_batches(rows[:5]), whole(rows[:5]), atol=2e-3)


def learnt_by(layer):
    if isinstance(layer, keras.layers.Discretization):
        return layer.bin_boundaries
    return np.concatenate([np.ravel(weight) for weight in layer.get_weights()[:2]])
