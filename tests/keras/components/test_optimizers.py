"""Optimizers against NumPy: the algorithms of their papers, written out in double precision."""

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from hornbeam.components.optimizer_wrappers import GradientCentralization, Lookahead
from hornbeam.components.optimizers import AdaBelief, MomentumSAM
from tests.keras.components.journeys import rebuilt, trained

pytestmark = pytest.mark.keras

STEPS = 7
KERNEL, BIAS = (4, 3), (3,)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor).copy()


def test_weights_in_half_precision_stay_finite():
    """The default epsilon is 0 in float16, and 0 / 0 no number."""
    weight = keras.Variable(np.ones((3,)), dtype="float16")
    optimizer = AdaBelief(0.01)
    for gradient in ([0.0, 0.1, 1.0], [0.0, 0.1, -0.5], [0.0, 0.1, 0.0]):
        optimizer.apply([ops.convert_to_tensor(gradient, "float16")], [weight])
    values = numpy(weight)
    assert np.isfinite(values).all()
    assert values[0] == 1
    assert (values[1:] < 1).all()


START = [numbers(*KERNEL, seed=1), numbers(*BIAS, seed=2)]
GRADIENTS = [[numbers(*KERNEL, seed=10 + step), numbers(*BIAS, seed=50 + step)] for step in range(STEPS)]


def variables(start=START, **parts):
    return [keras.Variable(values, name=f"weight_{index}", **parts) for index, values in enumerate(start)]


def path(optimizer, gradients=GRADIENTS, weights=None):
    """The weights after each step."""
    weights = weights or variables()
    optimizer.build(weights)
    found = []
    for step in gradients:
        take_step(optimizer, [ops.convert_to_tensor(gradient) for gradient in step], weights)
        found.append([numpy(weight) for weight in weights])
    return found


def take_step(optimizer, gradients, weights):
    """As `fit` does, which has no side effects on JAX."""
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients, weights)
        return
    state, before = ([ops.convert_to_tensor(one) for one in group] for group in (optimizer.variables, weights))
    after = optimizer.stateless_apply(state, gradients, before)
    for group, values in zip([weights, optimizer.variables], after, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def assert_same(path, expected, atol=1e-6):
    for step, reference in zip(path, expected, strict=True):
        for weight, value in zip(step, reference, strict=True):
            np.testing.assert_allclose(weight, value, rtol=1e-6, atol=atol)


def adabelief(rates, weight_decay=0.0, b1=0.8, b2=0.95, eps=1e-8, gradients=GRADIENTS):
    """Algorithm 2 of the paper."""
    w = [weight.astype("float64") for weight in START]
    m, s = [0.0, 0.0], [0.0, 0.0]
    for t, (rate, step) in enumerate(zip(rates, gradients, strict=True), 1):
        for i, g in enumerate(step):
            w[i] = w[i] - rate * weight_decay * w[i]
            m[i] = b1 * m[i] + (1 - b1) * g
            s[i] = b2 * s[i] + (1 - b2) * (g - m[i]) ** 2 + eps
            w[i] = w[i] - rate * (m[i] / (1 - b1**t)) / (np.sqrt(s[i] / (1 - b2**t)) + eps)
        yield [weight.copy() for weight in w]


def test_adabelief():
    optimizer = AdaBelief(0.01, 0.8, 0.95, 1e-8, weight_decay=0.1)
    assert_same(path(optimizer), adabelief([0.01] * STEPS, weight_decay=0.1))


def test_adabelief_follows_a_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.01, 0.001])
    rates = [0.1] * 3 + [0.01] * 2 + [0.001] * 2
    assert_same(path(AdaBelief(schedule, 0.8, 0.95, 1e-8)), adabelief(rates))


def test_adabelief_leaves_its_moving_average():
    optimizer, weights = AdaBelief(0.01, 0.8, 0.95, 1e-8, use_ema=True, ema_momentum=0.9), variables()
    path(optimizer, weights=weights)
    average = None
    for step in adabelief([0.01] * STEPS):
        average = step if average is None else [0.9 * a + 0.1 * w for a, w in zip(average, step, strict=True)]

    optimizer.finalize_variable_values(weights)

    assert_same([[numpy(weight) for weight in weights]], [average])


def momentum_sam(rate, mu=0.8, rho=0.5, weight_decay=0.0):
    """Algorithm 1 of the paper, with its weights that are perturbed, and those that are not."""
    perturbed = [weight.astype("float64") for weight in START]
    v = [np.zeros_like(weight) for weight in perturbed]
    for step in GRADIENTS:
        norm = np.sqrt(sum((one**2).sum() for one in v)) or 1.0
        w = [weight + rho * one / norm for weight, one in zip(perturbed, v, strict=True)]
        v = [mu * one + g for one, g in zip(v, step, strict=True)]
        w = [weight - rate * (one + weight_decay * weight) for weight, one in zip(w, v, strict=True)]
        norm = np.sqrt(sum((one**2).sum() for one in v))
        perturbed = [weight - rho * one / norm for weight, one in zip(w, v, strict=True)]
        yield perturbed, w


@pytest.mark.parametrize("weight_decay", [None, 0.3])
def test_momentum_sam_trains_at_the_perturbed_weights_and_leaves_the_others(weight_decay):
    optimizer, weights = MomentumSAM(0.05, 0.8, 0.5, weight_decay=weight_decay), variables()
    expected = list(momentum_sam(0.05, weight_decay=weight_decay or 0.0))

    assert_same(path(optimizer, weights=weights), [perturbed for perturbed, _ in expected])

    optimizer.finalize_variable_values(weights)
    assert_same([[numpy(weight) for weight in weights]], [expected[-1][1]])


def test_momentum_sam_without_a_perturbation_is_momentum():
    plain = path(keras.optimizers.SGD(0.05, momentum=0.9))
    assert_same(path(MomentumSAM(0.05, rho=0.0)), plain)


def test_centralised_gradients_have_no_mean():
    centred = [[kernel - kernel.mean(axis=0, keepdims=True), bias] for kernel, bias in GRADIENTS]
    expected = path(keras.optimizers.SGD(0.1, momentum=0.9), centred)
    assert_same(path(GradientCentralization(keras.optimizers.SGD(0.1, momentum=0.9))), expected)


def test_the_gradient_of_a_convolution_is_centred_for_each_filter():
    kernel, gradient = numbers(3, 3, 2, 4), numbers(3, 3, 2, 4, seed=1)
    [[moved]] = path(GradientCentralization(keras.optimizers.SGD(1.0)), [[gradient]], variables([kernel]))
    for channel in range(4):
        part = gradient[..., channel]
        np.testing.assert_allclose(moved[..., channel], kernel[..., channel] - (part - part.mean()), atol=1e-6)


def lookahead(rate, period, share):
    """Algorithm 1 of the paper around plain descent: the fast and the slow weights."""
    slow = [weight.astype("float64") for weight in START]
    fast = list(slow)
    for t, step in enumerate(GRADIENTS, 1):
        fast = [weight - rate * g for weight, g in zip(fast, step, strict=True)]
        if t % period == 0:
            slow = [s + share * (f - s) for s, f in zip(slow, fast, strict=True)]
            fast = list(slow)
        yield fast, slow


def test_lookahead_follows_every_few_steps_and_leaves_the_slow_weights():
    optimizer, weights = Lookahead(keras.optimizers.SGD(0.1), sync_period=3, slow_step=0.4), variables()
    expected = list(lookahead(0.1, 3, 0.4))

    assert_same(path(optimizer, weights=weights), [fast for fast, _ in expected])

    optimizer.finalize_variable_values(weights)
    assert_same([[numpy(weight) for weight in weights]], [expected[-1][1]])


def test_lookahead_leaves_the_average_of_the_wrapped_optimizer():
    optimizer, weights = Lookahead(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.0), 5), variables()
    last = path(optimizer, weights=weights)[-1]
    optimizer.finalize_variable_values(weights)
    assert_same([[numpy(weight) for weight in weights]], [last])


def test_lookahead_keeps_to_constraints():
    weights = variables()
    weights[0].constraint = keras.constraints.UnitNorm(axis=0)
    path(Lookahead(keras.optimizers.SGD(0.1), sync_period=STEPS), weights=weights)
    np.testing.assert_allclose(np.linalg.norm(numpy(weights[0]), axis=0), 1, rtol=1e-5)


def test_the_weights_that_momentum_sam_leaves_keep_to_constraints():
    optimizer, weights = MomentumSAM(0.5), variables()
    weights[0].constraint = keras.constraints.NonNeg()
    path(optimizer, weights=weights)
    optimizer.finalize_variable_values(weights)
    assert numpy(weights[0]).min() == 0


def test_momentum_sam_averages_the_weights_without_their_perturbation():
    optimizer, weights = MomentumSAM(0.05, 0.8, 0.5, use_ema=True, ema_momentum=0.9), variables()
    path(optimizer, weights=weights)
    average = None
    for _, step in momentum_sam(0.05):
        average = step if average is None else [0.9 * a + 0.1 * w for a, w in zip(average, step, strict=True)]

    optimizer.finalize_variable_values(weights)

    assert_same([[numpy(weight) for weight in weights]], [average])


def test_nothing_but_momentum_sam_moves_its_weights():
    with pytest.raises(ValueError, match="leave ema_overwrite_frequency out"):
        MomentumSAM(use_ema=True, ema_overwrite_frequency=3)
    for optimizer in (MomentumSAM(), keras.optimizers.ScheduleFreeAdamW()):
        with pytest.raises(TypeError, match=f"Lookahead can't wrap {type(optimizer).__name__}"):
            Lookahead(GradientCentralization(optimizer))


ALL = {
    "AdaBelief": lambda **parts: AdaBelief(0.01, **parts),
    "MomentumSAM": lambda **parts: MomentumSAM(0.01, **parts),
    "GradientCentralization": lambda **parts: GradientCentralization(keras.optimizers.Adam(0.01, **parts)),
    "Lookahead": lambda **parts: Lookahead(keras.optimizers.AdamW(0.01, **parts), sync_period=2),
    "Lookahead of GradientCentralization": lambda **parts: Lookahead(
        GradientCentralization(AdaBelief(0.01, **parts)), sync_period=2
    ),
}
every = pytest.mark.parametrize("make", ALL.values(), ids=ALL)


@every
def test_accumulated_gradients_are_one_step_with_their_mean(make):
    pairs = [GRADIENTS[0:2], GRADIENTS[2:4], GRADIENTS[4:6]]
    means = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in pairs]

    accumulated = path(make(gradient_accumulation_steps=2), GRADIENTS[:6])

    assert_same(accumulated[1::2], path(make(), means), atol=3e-6)
    assert_same(accumulated[:1], [START])


def clipped(step):
    return [gradient / np.linalg.norm(gradient) for gradient in step]


@pytest.mark.parametrize("name", ["AdaBelief", "MomentumSAM", "Lookahead"])
def test_gradients_are_clipped(name):
    wide = [[100 * gradient for gradient in step] for step in GRADIENTS[:3]]
    expected = path(ALL[name](), [clipped(step) for step in wide])
    assert_same(path(ALL[name](clipnorm=1.0), wide), expected, atol=3e-6)


def test_gradients_are_centred_before_they_are_clipped():
    wide = [[100 * kernel, 100 * bias] for kernel, bias in GRADIENTS[:3]]
    centred = [clipped([kernel - kernel.mean(0), bias]) for kernel, bias in wide]
    expected = path(keras.optimizers.SGD(0.1), centred)
    assert_same(path(GradientCentralization(keras.optimizers.SGD(0.1, clipnorm=1.0)), wide), expected, atol=3e-6)


@every
def test_weights_that_are_loaded_after_the_slots_were_made_are_where_it_starts(make):
    late, optimizer = variables([np.zeros(KERNEL), np.zeros(BIAS)]), make()
    optimizer.build(late)
    for variable, value in zip(late, START, strict=True):
        variable.assign(value)

    assert_same(path(optimizer, GRADIENTS[:3], late), path(make(), GRADIENTS[:3]))


@every
def test_finishing_before_the_first_step_changes_nothing(make):
    optimizer, weights = make(), variables()
    optimizer.build(weights)
    optimizer.finalize_variable_values(weights)
    assert_same([[numpy(weight) for weight in weights]], [START])


@every
def test_finishing_does_not_change_what_follows(make):
    """A resumed training may finish twice."""
    optimizer, weights = make(), variables()
    path(optimizer, GRADIENTS[:3], weights)
    optimizer.finalize_variable_values(weights)
    once = [numpy(weight) for weight in weights]
    optimizer.finalize_variable_values(weights)
    assert_same([[numpy(weight) for weight in weights]], [once])


@every
def test_an_optimizer_is_rebuilt_from_its_config(make):
    optimizer = make(weight_decay=0.02, clipnorm=2.0)
    assert rebuilt(optimizer).get_config() == optimizer.get_config()


@every
def test_the_learning_rate_can_be_set(make):
    optimizer = make()
    optimizer.learning_rate = 0.25
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == 0.25
    assert rebuilt(optimizer).learning_rate == 0.25


@every
def test_a_scaled_loss_gives_the_same_steps(make):
    scaled = [[1024 * gradient for gradient in step] for step in GRADIENTS[:3]]
    optimizer = make(loss_scale_factor=1024.0)
    assert optimizer.scale_loss(2.0) == 2048
    assert_same(path(optimizer, scaled), path(make(), GRADIENTS[:3]))


@every
def test_keras_scales_the_loss_once(make):
    """In mixed precision it wraps what it is given, and takes the factor away."""
    optimizer = keras.optimizers.LossScaleOptimizer(make(loss_scale_factor=1024.0), initial_scale=2.0)
    doubled = [[2 * gradient for gradient in step] for step in GRADIENTS[:3]]
    assert_same(path(optimizer, doubled), path(make(), GRADIENTS[:3]))


@pytest.mark.parametrize("kind", [GradientCentralization, Lookahead])
def test_a_wrapper_must_know_the_variables(kind):
    with pytest.raises(ValueError, match="is not built yet"):
        kind("sgd").apply([ops.convert_to_tensor(gradient) for gradient in GRADIENTS[0]])


def network(policy="float32"):
    keras.utils.set_random_seed(5)
    tokens = keras.Input((3,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(6, 4, dtype=policy)(tokens))
    x = keras.layers.Dense(5, "tanh", dtype=policy)(x)
    return keras.Model(tokens, keras.layers.Dense(1, dtype="float32")(x))


def rows(count):
    rng = np.random.default_rng(3)
    return rng.integers(0, 6, (count, 3)), rng.normal(size=(count, 1)).astype("float32")


@every
def test_mixed_precision_trains(make):
    assert trained(network("mixed_float16"), *rows(20), batch_size=8, optimizer=make())


@every
def test_a_saved_training_goes_on_exactly(make, tmp_path):
    """Into one file and out of it between two batches, with a gradient on its way."""
    model, (x, y) = network(), rows(12)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.9)
    optimizer = make(gradient_accumulation_steps=2)
    optimizer.learning_rate = schedule
    model.compile(optimizer, "mse")
    for _ in range(5):
        model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")
    for _ in range(5):
        assert model.train_on_batch(x, y) == loaded.train_on_batch(x, y)

    for left, right in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        assert numpy(left).tobytes() == numpy(right).tobytes()


@pytest.mark.parametrize("name", ["Lookahead", "GradientCentralization"])
def test_a_file_holds_the_wrapped_state_once(name, tmp_path):
    model, (x, y) = network(), rows(4)
    model.compile(ALL[name](), "mse")
    model.train_on_batch(x, y)

    model.save_weights(tmp_path / "model.weights.h5")

    with h5py.File(tmp_path / "model.weights.h5") as file:
        own, inner = file["optimizer/vars"], file["optimizer/inner_optimizer/vars"]
        assert len(own) + len(inner) == len(model.optimizer.variables)


def test_fit_ends_with_the_weights_that_the_optimizer_leaves():
    model, (x, y) = network(), rows(16)
    model.compile(MomentumSAM(0.05), "mse")
    model.fit(x, y, batch_size=4, epochs=3, verbose=0)
    left = [numpy(weight) for weight in model.trainable_variables]

    model.train_on_batch(x, y)

    assert_same([before_the_last_step(model)], [left])


def before_the_last_step(model):
    """The weights that the last step of MomentumSAM, at 0.05, started from."""
    optimizer = model.optimizer
    return [
        numpy(weights) + np.float32(0.05) * numpy(momentum)
        for weights, momentum in zip(optimizer._weights, optimizer._momenta, strict=True)
    ]
