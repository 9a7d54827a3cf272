"""Layers against NumPy: the formulas of their papers, written out."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import ops

from hornbeam.components import imputation
from hornbeam.components.imputation import Imputation
from hornbeam.components.layers import LayerScale, SqueezeExcitation, StochasticDepth
from tests.keras.components.journeys import in_a_fresh_process, rebuilt, trained

pytestmark = pytest.mark.keras


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate_of(layer, means):
    """Equation 3 of the paper, with the layer's weights."""
    squeeze, squeeze_bias, excite, excite_bias = (numpy(weight) for weight in layer.weights)
    return sigmoid(np.maximum(means @ squeeze + squeeze_bias, 0) @ excite + excite_bias)


def randomised(layer):
    for index, weight in enumerate(layer.weights):
        weight.assign(numbers(*weight.shape, seed=index + 1))


@pytest.mark.parametrize("positions", [(5,), (4, 3), (2, 3, 4)])
def test_channels_are_gated_by_the_means_of_all(positions):
    layer, x = SqueezeExcitation(ratio=2), numbers(3, *positions, 6)
    layer.build(x.shape)
    randomised(layer)

    axes = tuple(range(1, 1 + len(positions)))
    gate = gate_of(layer, x.mean(axes)).reshape(3, *(1 for _ in positions), 6)

    np.testing.assert_allclose(numpy(layer(x)), x * gate, rtol=1e-5, atol=1e-6)
    assert [tuple(weight.shape) for weight in layer.weights] == [(6, 3), (3,), (3, 6), (6,)]


def test_masked_steps_do_not_count():
    layer, x = SqueezeExcitation(ratio=1), numbers(2, 4, 3)
    layer.build(x.shape)
    randomised(layer)
    mask = np.array([[True, True, False, False], [False] * 4])

    output = numpy(layer(x, mask=mask))

    np.testing.assert_allclose(output[0], x[0] * gate_of(layer, x[0, :2].mean(0)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output[1], x[1] * gate_of(layer, np.zeros(3)), rtol=1e-5, atol=1e-6)


def test_a_mask_of_steps_covers_what_is_in_them():
    layer, x = SqueezeExcitation(ratio=1), numbers(2, 4, 5, 3)
    layer.build(x.shape)
    randomised(layer)
    mask = np.array([[True, True, False, False], [True] * 4])

    output = numpy(layer(x, mask=mask))

    for row, steps in enumerate((2, 4)):
        np.testing.assert_allclose(
            output[row], x[row] * gate_of(layer, x[row, :steps].mean((0, 1))), rtol=1e-5, atol=1e-6
        )


def test_few_channels_leave_one_hidden_unit():
    layer = SqueezeExcitation(ratio=16)
    layer.build((None, 8, 8, 3))
    assert layer.weights[0].shape == (3, 1)


@pytest.mark.parametrize("shape", [(None, 3), (None, 2, 2, 2, 2, 3), (None, 4, None)])
def test_inputs_without_positions_or_channels_are_refused(shape):
    with pytest.raises(ValueError, match="one to three axes of positions"):
        SqueezeExcitation().build(shape)


def test_rows_are_dropped_whole_and_the_rest_scaled():
    layer, x = StochasticDepth(0.25, seed=1), numbers(2000, 2, 3)

    output = numpy(layer(x, training=True))

    kept = np.any(output != 0, axis=(1, 2))
    np.testing.assert_allclose(output, np.where(kept[:, None, None], x / 0.75, 0), rtol=1e-6)
    # Within four standard deviations of a binomial distribution.
    assert abs(kept.sum() - 1500) < 4 * np.sqrt(2000 * 0.75 * 0.25)


def test_every_call_drops_other_rows_and_the_seed_repeats_them():
    x = np.ones((64, 1), "float32")
    first, again = StochasticDepth(0.5, seed=3), StochasticDepth(0.5, seed=3)

    draws = [numpy(first(x, training=True)) for _ in range(2)]

    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws, [numpy(again(x, training=True)) for _ in range(2)])


def test_the_state_of_the_random_numbers_is_among_the_variables():
    """A checkpoint keeps it from there."""
    x = np.ones((64, 1), "float32")
    first, other = StochasticDepth(0.5, seed=3), StochasticDepth(0.5, seed=99)
    first(x, training=True)
    [state], [other_state] = first.variables, other.variables
    other_state.assign(state)

    assert np.array_equal(numpy(other(x, training=True)), numpy(first(x, training=True)))


def test_nothing_is_dropped_without_training():
    x = numbers(8, 3)
    assert np.array_equal(numpy(StochasticDepth(0.9)(x)), x)
    assert np.array_equal(numpy(StochasticDepth(0.0)(x, training=True)), x)


def residual_network(policy="float32"):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6, 6, 4))
    x = SqueezeExcitation(2, activation="silu", gate_activation="hard_sigmoid", dtype=policy)(inputs)
    x = keras.layers.Add(dtype=policy)([inputs, StochasticDepth(0.5, dtype=policy)(x)])
    outputs = keras.layers.Dense(1, dtype="float32")(keras.layers.Flatten()(x))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_network_trains_with_a_batch_of_any_size(policy):
    model = residual_network(policy)
    assert trained(model, numbers(20, 6, 6, 4), numbers(20, 1, seed=1), batch_size=8)
    assert model.layers[1].compute_output_shape((None, 6, 6, 4)) == (None, 6, 6, 4)


@pytest.mark.parametrize("make", [lambda: SqueezeExcitation(4, "gelu"), lambda: StochasticDepth(0.3, seed=7)])
def test_a_layer_is_rebuilt_from_its_config(make):
    layer = make()
    assert rebuilt(layer).get_config() == layer.get_config()


def test_a_saved_network_gives_the_same_output_in_a_fresh_process(tmp_path):
    model, x = residual_network(), numbers(3, 6, 6, 4)
    expected = numpy(model(x))

    output = in_a_fresh_process(model, x, tmp_path, "hornbeam.components.layers")

    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)


def test_layer_scale_multiplies_each_channel_by_its_own_weight():
    layer, x = LayerScale(0.5), numbers(2, 3, 4)
    assert np.allclose(numpy(layer(x)), 0.5 * x)
    layer.scale.assign([1.0, 2.0, 3.0, -1.0])
    assert np.allclose(numpy(layer(x)), x * np.array([1.0, 2.0, 3.0, -1.0], "float32"))
    assert layer.compute_output_shape((None, 3, 4)) == (None, 3, 4)
    assert LayerScale.from_config(layer.get_config()).initial_value == 0.5


def _modes(rows):
    """The most frequent number of each column, the smallest of those that come as often."""
    columns = (column[~np.isnan(column)] for column in rows.T)
    counted = (np.unique(column, return_counts=True) for column in columns)
    return [values[counts.argmax()] if len(values) else 0 for values, counts in counted]


@pytest.mark.parametrize("as_batches", [False, True], ids=["whole", "in batches"])
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("mean", np.nanmean), ("median", np.nanmedian), ("most_frequent", lambda rows, axis: _modes(rows))],
)
def test_imputation_learns_from_what_is_there(strategy, expected, as_batches, monkeypatch):
    monkeypatch.setattr(imputation, "_BYTES_AT_ONCE", 8 * 90 * 2)  # two columns at once
    rows = np.random.default_rng(0).integers(0, 9, (90, 5)).astype("float32")
    rows[np.random.default_rng(1).random(rows.shape) < 0.3] = np.nan
    layer = Imputation(strategy)

    layer.adapt([rows[:17], rows[17:18], rows[18:]] if as_batches else rows)

    np.testing.assert_allclose(numpy(layer.fill), expected(rows, axis=0), rtol=1e-6)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_a_column_of_nothing_is_filled_with_zeros(strategy):
    layer, rows = Imputation(strategy), np.array([[np.nan, 1.0], [np.nan, 3.0]], "float32")
    layer.adapt(rows)
    assert numpy(layer(rows))[:, 0].tolist() == [0, 0]


def test_imputation_holds_some_columns_at_once(monkeypatch):
    monkeypatch.setattr(imputation, "_BYTES_AT_ONCE", 2**20)
    rows = numbers(20_000, 40)
    layer = Imputation("median")
    layer.build(rows.shape)
    tracemalloc.start()
    layer.adapt([rows[first : first + 1000] for first in range(0, len(rows), 1000)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows.nbytes
    np.testing.assert_allclose(numpy(layer.fill), np.median(rows, axis=0), rtol=1e-5)
