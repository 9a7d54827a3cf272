"""The losses for numbers to predict, against scikit-learn and their papers' formulas."""

import keras
import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from hornbeam.components.regression_losses import AdaptiveWing, Quantile, Wing
from tests.keras.components.probing import differences, gradient, reloaded, restored

pytestmark = pytest.mark.keras

RANDOM = np.random.default_rng(11)
ROWS = 20
NUMBERS = RANDOM.normal(size=ROWS).astype("float32")
OUTPUTS = RANDOM.normal(size=(ROWS, 3)).astype("float32")
FEATURES = RANDOM.normal(size=(ROWS, 4)).astype("float32")
QUANTILES = (0.1, 0.5, 0.8)
HEATS = RANDOM.uniform(size=(4, 6, 6, 2)).astype("float32")
GUESSES = RANDOM.uniform(-0.5, 1.5, size=HEATS.shape).astype("float32")


def pinball(numbers, outputs):
    return np.mean([mean_pinball_loss(numbers, outputs[:, i], alpha=q) for i, q in enumerate(QUANTILES)])


def wing(numbers, outputs, w=10.0, epsilon=2.0):
    constant = w - w * np.log(1 + w / epsilon)
    sizes = np.abs(numbers - outputs).ravel()
    return np.mean([w * np.log(1 + x / epsilon) if x < w else x - constant for x in sizes])


def adaptive_wing(labels, outputs, alpha=2.1, omega=14.0, epsilon=1.0, theta=0.5):
    losses = []
    for y, x in zip(labels.ravel(), outputs.ravel(), strict=True):
        steep = (
            omega
            * (1 / (1 + (theta / epsilon) ** (alpha - y)))
            * (alpha - y)
            * (theta / epsilon) ** (alpha - y - 1)
            * (1 / epsilon)
        )
        constant = theta * steep - omega * np.log(1 + (theta / epsilon) ** (alpha - y))
        error = abs(y - x)
        losses.append(
            omega * np.log(1 + (error / epsilon) ** (alpha - y)) if error < theta else steep * error - constant
        )
    return np.mean(losses)


CASES = {
    "quantiles": (Quantile(QUANTILES), pinball, NUMBERS, OUTPUTS),
    "median": (
        Quantile(),
        lambda y, x: mean_pinball_loss(y.astype("float64"), x[:, 0], alpha=0.5),
        NUMBERS,
        OUTPUTS[:, :1],
    ),
    "wing": (Wing(), lambda y, x: wing(y[:, None], x), NUMBERS, OUTPUTS[:, :1] * 12),
    "narrow wing": (Wing(1.5, 0.2), lambda y, x: wing(y, x, 1.5, 0.2), OUTPUTS * 2, OUTPUTS[::-1].copy()),
    "adaptive wing": (AdaptiveWing(), adaptive_wing, HEATS, GUESSES),
    "other adaptive wing": (
        AdaptiveWing(2.5, 3.0, 0.3, 0.9),
        lambda y, x: adaptive_wing(y, x, 2.5, 3.0, 0.3, 0.9),
        HEATS,
        GUESSES,
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_values(case):
    loss, reference, labels, outputs = case
    assert float(loss(labels, outputs)) == pytest.approx(reference(labels, outputs.astype("float64")), rel=1e-5)


def test_gradients(case):
    loss, reference, labels, outputs = case
    expected = differences(lambda x: reference(labels, x), outputs)
    np.testing.assert_allclose(gradient(lambda x: loss(labels, x), outputs), expected, rtol=2e-3, atol=1e-6)


def test_the_config_is_all(case):
    loss, _, labels, outputs = case
    again = restored(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(labels, outputs)) == float(loss(labels, outputs))


@pytest.mark.parametrize("loss", [Quantile(), Wing(), AdaptiveWing(), AdaptiveWing(10.0)])
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("error", [0.0, 0.5, 1e15])
def test_finite_at_the_edges(loss, label, error):
    labels, outputs = np.float32([[label]]), np.float32([[label + error]])
    assert np.isfinite(float(loss(labels, outputs)))
    assert np.isfinite(gradient(lambda x: loss(labels, x), outputs)).all()


@pytest.mark.parametrize(("label", "as_if"), [(346.0, 1.0), (-3.0, 0.0)])
@pytest.mark.parametrize("error", [0.0, 0.3, 100.0])
def test_labels_beyond_a_heat_map_bend_the_adaptive_wing_as_its_ends_do(label, as_if, error):
    """Their exponent would be negative, and the loss of an error of 0 infinite."""
    labels, outputs = np.float32([[label]]), np.float32([[label + error]])
    expected = adaptive_wing(np.array([[as_if]]), np.array([[as_if + error]]))
    assert float(AdaptiveWing()(labels, outputs)) == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert np.isfinite(gradient(lambda x: AdaptiveWing()(labels, x), outputs)).all()


def test_the_constant_that_costs_least_is_the_quantile():
    guesses = np.sort(NUMBERS)
    costs = [float(Quantile((0.77,))(NUMBERS[:, None], np.full((ROWS, 1), guess))) for guess in guesses]
    assert guesses[np.argmin(costs)] == np.quantile(NUMBERS, 0.77, method="inverted_cdf")


def test_several_targets_with_several_quantiles():
    targets = OUTPUTS[:, :2]
    outputs = RANDOM.normal(size=(ROWS, 2, 3)).astype("float32")
    expected = np.mean([pinball(targets[:, column], outputs[:, column]) for column in range(2)])
    assert float(Quantile(QUANTILES)(targets, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [Quantile(), Wing(), AdaptiveWing()], ids=lambda loss: loss.name)
def test_labels_may_lack_the_last_axis(loss):
    outputs = OUTPUTS[:, :1]
    assert float(loss(NUMBERS, outputs)) == float(loss(NUMBERS[:, None], outputs))


@pytest.mark.parametrize(
    ("loss", "labels", "outputs", "message"),
    [
        (Quantile(QUANTILES), (4,), (4, 2), "3 quantiles, and the output has 2 numbers"),
        (Quantile(QUANTILES), (4, 3), (4, 3), "labels' shape"),
        (Wing(), (4, 2), (4, 3), "do not fit"),
        (AdaptiveWing(), (4,), (4, 3, 3), "do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(loss, labels, outputs, message):
    with pytest.raises(ValueError, match=message):
        loss(np.zeros(labels), np.zeros(outputs))


@pytest.mark.parametrize("loss", [Quantile(QUANTILES), Wing(), AdaptiveWing()], ids=lambda loss: loss.name)
def test_a_compiled_model_trains_and_is_saved_with_it(loss, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")])
    labels = NUMBERS if isinstance(loss, Quantile) else np.abs(OUTPUTS) % 1
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss)
    model.fit(FEATURES, labels, batch_size=7, verbose=0)
    again = reloaded(model, tmp_path)
    assert again.loss.get_config() == loss.get_config()
    assert again.evaluate(FEATURES, labels, verbose=0) == model.evaluate(FEATURES, labels, verbose=0)
