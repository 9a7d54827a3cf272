"""The detector against its definition, written out over whole histories with NumPy."""

import json
import math

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from hornbeam.components.overfitting import Limits, OverfittingDetector

errors = st.floats(min_value=2**-20, max_value=2**20)
distinct = st.integers(1, 2**30).map(lambda number: number / 2**10)
"""Errors of which no two are so close that rounding decides between them."""
histories = st.lists(st.tuples(errors, errors), min_size=1, max_size=40)


def walk(seed, epochs, drift):
    """A noisy history; no two of its numbers are so close that rounding decides between them."""
    steps = np.random.default_rng(seed).normal([drift, -drift], [0.2, 0.1], (epochs, 2))
    return [(float(v), float(t)) for v, t in np.exp(steps.cumsum(axis=0))]


walks = st.builds(walk, st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([-0.1, 0.0, 0.1]))
limits = st.builds(
    Limits,
    mode=st.sampled_from(["min", "max"]),
    warmup=st.integers(0, 6),
    patience=st.integers(1, 5),
    rel_threshold=st.sampled_from([0.0, 0.05, 0.5]),
    abs_threshold=st.sampled_from([0.0, 0.1, 100.0]),
    min_train_progress=st.sampled_from([0.0, 0.01, 0.3]),
    smoothing=st.sampled_from([0.0, 0.3, 0.9]),
)

FALLING = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.17, 0.15, 0.13, 0.12]
RISING_AGAIN = [1.0, 0.8, 0.6, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]


def run(history, limits=None, start=0):
    detector = OverfittingDetector(limits or Limits())
    return [detector.evaluate(start + epoch, *pair) for epoch, pair in enumerate(history, 1)]


def verdicts(history, limits=None):
    return [evaluation.verdict.value for evaluation in run(history, limits)]


def smoothed(values, weight):
    out = np.empty(len(values))
    for index in range(len(values)):
        powers = weight ** np.arange(index, -1, -1)
        shares = np.where(np.arange(index + 1) == 0, powers, (1 - weight) * powers)
        out[index] = shares @ values[: index + 1]
    return out


def defined(history, limits):
    """The verdicts by the definition, each from the whole history up to its epoch."""
    sign = 1 if limits.mode == "min" else -1
    validation = sign * smoothed(np.array([v for v, _ in history]), limits.smoothing)
    training = sign * smoothed(np.array([t for _, t in history]), limits.smoothing)
    found = []
    for epoch in range(1, len(history) + 1):
        seen = validation[:epoch]
        best = int(np.argmin(seen))
        gaps = seen[best + 1 :] - seen[best]
        beyond = (gaps >= limits.rel_threshold * abs(seen[best])) & (gaps >= limits.abs_threshold)
        lasting = len(beyond) >= limits.patience and beyond[-limits.patience :].all()
        progress = (training[best] - training[epoch - 1]) / abs(training[best])
        if epoch <= limits.warmup:
            found.append("insufficient_data")
        elif lasting and progress >= limits.min_train_progress:
            found.append("overfitting")
        elif lasting and progress <= -limits.min_train_progress:
            found.append("diverging")
        else:
            found.append("plateau" if epoch - (best + 1) >= limits.patience else "ok")
    return found


@settings(max_examples=400)
@given(walks, limits)
def test_verdicts_are_those_of_the_definition(history, limits):
    found = verdicts(history, limits)
    event(found[-1])
    assert found == defined(history, limits)


@given(st.lists(distinct, min_size=1, max_size=40, unique=True), st.lists(errors, min_size=40, max_size=40), limits)
def test_validation_that_always_improves_is_never_overfitting(validation, training, limits):
    ordered = sorted(validation, reverse=limits.mode == "min")
    assert set(verdicts(zip(ordered, training, strict=False), limits)) <= {"ok", "insufficient_data"}


@given(histories, limits, st.integers(-10, 10))
def test_the_relative_test_does_not_depend_on_the_scale(history, limits, power):
    """Powers of two scale numbers without rounding."""
    relative = Limits(mode=limits.mode, patience=limits.patience, rel_threshold=limits.rel_threshold)
    scaled = [(v * 2.0**power, t * 2.0**power) for v, t in history]
    assert verdicts(scaled, relative) == verdicts(history, relative)


@given(histories, limits)
def test_more_patience_never_finds_more(history, limits):
    patient = Limits(**{name: getattr(limits, name) for name in limits.__slots__} | {"patience": limits.patience + 1})
    soon = [verdict == "overfitting" for verdict in verdicts(history, limits)]
    late = [verdict == "overfitting" for verdict in verdicts(history, patient)]
    assert all(first or not second for first, second in zip(soon, late, strict=True))


@given(histories, limits, st.integers(0, 40))
def test_a_detector_goes_on_from_its_state_as_json(history, limits, cut):
    first = OverfittingDetector(limits)
    before = [first.evaluate(epoch, *pair) for epoch, pair in enumerate(history[:cut], 1)]
    second = OverfittingDetector(limits)
    second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
    after = [second.evaluate(epoch, *pair) for epoch, pair in enumerate(history[cut:], cut + 1)]
    assert before + after == run(history, limits)


@given(histories, limits, st.sampled_from([math.nan, math.inf, -math.inf]), st.booleans())
def test_an_epoch_without_finite_numbers_changes_no_later_gap(history, limits, odd, in_training):
    detector, undisturbed = OverfittingDetector(limits), OverfittingDetector(limits)
    for epoch, pair in enumerate(history, 1):
        told = detector.evaluate(2 * epoch - 1, *((0.5, odd) if in_training else (odd, 0.5)))
        assert (told.verdict, told.validation, told.gap) == ("non_finite", None, None)
        after, plain = detector.evaluate(2 * epoch, *pair), undisturbed.evaluate(epoch, *pair)
        assert (after.gap, after.relative_gap, after.beyond) == (plain.gap, plain.relative_gap, plain.beyond)


def test_the_classic_picture():
    """Best in epoch 4; from epoch 5 on at least 10 % worse: with a patience of 5 that is overfitting in epoch 9."""
    found = verdicts(list(zip(RISING_AGAIN, FALLING, strict=True)))
    assert found == ["insufficient_data"] * 5 + ["ok"] * 3 + ["overfitting"] * 4


def test_the_numbers_of_a_verdict():
    told = run(list(zip(RISING_AGAIN, FALLING, strict=True)))[8]
    assert (told.epoch, told.best_epoch, told.best_validation, told.beyond) == (9, 4, 0.5, 5)
    assert (told.gap, told.relative_gap) == (pytest.approx(0.4), pytest.approx(0.8))
    assert told.train_progress == pytest.approx((0.5 - 0.17) / 0.5)
    assert told.why == (
        "val_loss is 80 % worse than its best, 0.5 in epoch 4, and has been beyond the limits for 5 evaluations "
        "in a row, while training improved by 66 %."
    )


def test_an_accuracy_is_overfitted_when_it_falls():
    history = [(1 - v / 2, 1 - t) for v, t in zip(RISING_AGAIN, FALLING, strict=True)]
    told = run(history, Limits(monitor="val_accuracy", mode="max"))[9]
    assert (told.verdict, told.best_epoch, told.best_validation) == ("overfitting", 4, 0.75)
    assert told.gap == pytest.approx(0.25)
    assert told.train_progress == pytest.approx(0.35 / 0.5)


def test_both_getting_worse_is_no_overfitting():
    assert verdicts([(v, v) for v in RISING_AGAIN])[-1] == "diverging"


def test_training_that_stands_still_is_no_overfitting():
    assert verdicts([(v, 0.5) for v in RISING_AGAIN])[-1] == "plateau"


def test_a_gap_within_the_limits_is_a_plateau():
    assert verdicts([(1.04 if epoch else 1.0, t) for epoch, t in enumerate(FALLING)])[-1] == "plateau"


def test_one_good_epoch_starts_the_count_again():
    validation = [0.5, 0.6, 0.6, 0.6, 0.6, 0.51, 0.6, 0.6, 0.6, 0.6, 0.6]
    found = verdicts(list(zip(validation, FALLING, strict=False)), Limits(warmup=0))
    assert [epoch for epoch, verdict in enumerate(found, 1) if verdict == "overfitting"] == [11]


def test_smoothing_bears_a_single_outlier():
    validation = [1.0, 0.8, 0.6, 0.5, 0.45, 0.4, 2.0, 0.38, 0.36, 0.35, 0.34, 0.33]
    history = list(zip(validation, FALLING, strict=True))
    impatient = {"warmup": 0, "patience": 1}
    assert "overfitting" in verdicts(history, Limits(**impatient))
    assert "overfitting" not in verdicts(history, Limits(**impatient, smoothing=0.9, rel_threshold=0.2))


def test_a_best_error_of_zero_leaves_the_absolute_limit_to_decide():
    history = [(0.0, 1.0)] + [(0.001, 1.0 / epoch) for epoch in range(2, 9)]
    assert verdicts(history)[-1] == "overfitting"
    assert verdicts(history, Limits(abs_threshold=0.01))[-1] == "plateau"


def test_a_history_of_odd_numbers_has_no_best():
    told = run([(math.nan, 1.0)])[0]
    assert (told.verdict, told.best_epoch, told.best_validation, told.beyond) == ("non_finite", None, None, 0)
