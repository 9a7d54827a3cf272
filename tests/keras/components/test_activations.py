"""The activations against their papers' formulas, and in a model that is saved."""

import keras
import numpy as np
import pytest
from scipy.special import erf
from scipy.stats import norm

from hornbeam.components.activations import SMU, Gaussian, Sine, Snake, StarReLU
from tests.keras.components.probing import differences, gradient, reloaded, restored

pytestmark = pytest.mark.keras

POINTS = np.linspace(-4, 4, 41).astype("float32")
CASES = {
    "gaussian": (Gaussian(), lambda x: norm.pdf(x) * np.sqrt(2 * np.pi)),
    "wide gaussian": (Gaussian(2.5), lambda x: norm.pdf(x, scale=2.5) * np.sqrt(2 * np.pi) * 2.5),
    "sine": (Sine(3.0), lambda x: np.imag(np.exp(3j * x))),
    "snake": (Snake(), lambda x: x + (1 - np.cos(2 * x)) / 2),
    "fast snake": (Snake(7.0), lambda x: x + (1 - np.cos(14 * x)) / 14),
    "smu": (SMU(), lambda x: ((1 + 0.25) * x + (1 - 0.25) * x * erf(0.75 * x)) / 2),
    "gelu": (SMU(0.0, 0.5**0.5), lambda x: x * norm.cdf(x)),
    "star relu": (StarReLU(), lambda x: np.where(x > 0, 0.8944 * x * x, 0) - 0.4472),
    "squared relu": (StarReLU(1.0, 0.0), lambda x: np.where(x > 0, x * x, 0)),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_values(case):
    activation, formula = case
    found = keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(POINTS)))
    np.testing.assert_allclose(found, formula(POINTS.astype("float64")), rtol=1e-4, atol=1e-6)


def test_gradients(case):
    activation, formula = case
    expected = differences(lambda x: formula(x).sum(), POINTS)
    np.testing.assert_allclose(gradient(activation, POINTS), expected, rtol=1e-3, atol=1e-4)


def test_finite_at_the_edges(case):
    activation, _ = case
    edges = np.float32([-1e15, 0, 1e15])
    assert np.isfinite(keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(edges)))).all()
    assert np.isfinite(gradient(activation, edges)).all()


def test_smu_nears_the_leaky_relu():
    found = keras.ops.convert_to_numpy(SMU(0.1, 1e6)(keras.ops.convert_to_tensor(POINTS)))
    np.testing.assert_allclose(found, np.where(POINTS > 0, POINTS, 0.1 * POINTS), atol=1e-5)


def test_star_relu_keeps_normal_inputs_standard():
    inputs = np.random.default_rng(5).normal(size=200_000).astype("float32")
    outputs = keras.ops.convert_to_numpy(StarReLU()(keras.ops.convert_to_tensor(inputs)))
    assert outputs.mean() == pytest.approx(0, abs=0.01)
    assert outputs.std() == pytest.approx(1, abs=0.02)


def test_the_config_is_all(case):
    activation, _ = case
    again = restored(activation)
    assert type(again) is type(activation)
    assert again.get_config() == activation.get_config()


def test_half_precision_stays(case):
    activation, _ = case
    inputs = keras.ops.convert_to_tensor(POINTS, dtype="bfloat16")
    assert keras.backend.standardize_dtype(activation(inputs).dtype) == "bfloat16"


@pytest.mark.parametrize(
    "activation",
    [Gaussian(1e-3), Gaussian(1e6), Sine(30.0), Sine(1e6), Snake(1e6), SMU(mu=1e6)],
    ids=lambda activation: f"{type(activation).__name__}-{activation.get_config()}",
)
def test_half_precision_spoils_nothing(activation):
    """A factor of 1e6 is infinite in float16, and so is 30 times 3000."""
    points = np.float16([-3000, -300, -1, 0, 0.01, 1, 300, 3000])
    found = keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(points)))
    precise = keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(points.astype("float32"))))
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, precise, rtol=1e-3, atol=1e-6)
    # A slope of a million is more than float16 holds; none may be NaN.
    assert not np.isnan(gradient(activation, points)).any()


def test_a_compiled_model_is_saved_with_them(tmp_path):
    activations = [Gaussian(0.7), Sine(2.0), Snake(3.0), SMU(0.1, 2.0), StarReLU(0.5, 0.1)]
    layers = [keras.layers.Dense(3, activation=activation) for activation in activations]
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Activation(Snake())])
    model.compile(optimizer="sgd", loss="mse")
    inputs = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
    model.fit(inputs, np.zeros((6, 3)), verbose=0)
    again = reloaded(model, tmp_path)
    assert [type(layer.activation) for layer in again.layers] == [*map(type, activations), Snake]
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))
