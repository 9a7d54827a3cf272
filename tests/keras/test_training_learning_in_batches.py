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


def learnt_by(layer):
    if isinstance(layer, keras.layers.Discretization):
        return layer.bin_boundaries
    return np.concatenate([np.ravel(weight) for weight in layer.get_weights()[:2]])
