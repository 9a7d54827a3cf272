"""The OverfittingGuard: alone, on a history that is written out, and in jobs that overfit."""

import math
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hornbeam.components.callbacks import OverfittingGuard
from hornbeam.components.overfitting import Overfitted
from schemas.jobs import ErrorOrigin
from tests.keras.trainings import StopAfterAsking, dense, layer, make_spec
from workers.messages import ArtifactSaved, GuardEvaluated, ResumePoint, Stopped, Succeeded, Warned
from workers.training.course import Course
from workers.training.data import Rows
from workers.training.guards import sample

pytestmark = pytest.mark.keras

VALIDATION = [1.0, 0.5, 0.6, 0.7, 0.8, 0.9]
TRAINING = [1.0, 0.6, 0.5, 0.4, 0.3, 0.2]
"""Best in epoch 2; with a patience of 2 overfitting from epoch 4 on."""
QUICK = {"warmup": 0, "patience": 2, "train_reference": "running"}


class Listening:
    """A context that notes what it is told."""

    def __init__(self):
        self.reported, self.warned = [], []

    def train_errors(self, rows):
        raise AssertionError("nobody asks for them with train_reference running")

    def report(self, evaluation):
        self.reported.append(evaluation)

    def warn(self, evaluation):
        self.warned.append(evaluation)


class Scripted(keras.callbacks.Callback):
    """Gives the epochs the losses of the history, and the model the number of the epoch as its only weight."""

    def __init__(self, validation, training):
        super().__init__()
        self.history = list(zip(validation, training, strict=True))

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"], logs["loss"] = self.history[epoch]
        self.model.set_weights([np.full((1, 1), epoch + 1.0)])


def fit(guard, validation=VALIDATION, training=TRAINING, *, first=0):
    """Epochs of a model whose weight is the number of the last epoch that it was trained for."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    row = np.zeros((1, 1))
    callbacks = [Scripted(validation, training), guard]
    history = model.fit(row, row, initial_epoch=first, epochs=len(validation), callbacks=callbacks, verbose=0)
    return model, history.epoch


def listening(**parameters):
    guard = OverfittingGuard(**{**QUICK, **parameters})
    guard.context = Listening()
    return guard


def weight(model):
    return float(model.get_weights()[0][0, 0])


def test_observing_reports_each_epoch_and_changes_nothing():
    guard = listening(action="observe")
    model, epochs = fit(guard)
    assert [told.verdict for told in guard.context.reported] == ["ok"] * 3 + ["overfitting"] * 3
    assert (guard.context.warned, len(epochs), weight(model)) == ([], 6, 6.0)


def test_warning_is_done_once_for_each_best_epoch():
    guard = listening(action="warn")
    model, epochs = fit(guard, [*VALIDATION, 0.4, 0.6, 0.6, 0.6], [*TRAINING, 0.15, 0.1, 0.05, 0.02])
    assert [(told.epoch, told.best_epoch) for told in guard.context.warned] == [(4, 2), (9, 7)]
    assert (len(epochs), weight(model)) == (10, 10.0)


def test_stopping_keeps_the_weights_of_the_best_epoch():
    model, epochs = fit(listening(action="stop"))
    assert (epochs, weight(model)) == ([0, 1, 2, 3], 2.0)


def test_a_training_that_was_not_stopped_keeps_its_last_weights():
    model, epochs = fit(listening(action="stop", patience=6))
    assert (len(epochs), weight(model)) == (6, 6.0)


def test_failing_waits_for_the_end_of_the_epoch():
    guard = listening(action="fail")
    with pytest.raises(Overfitted) as caught:
        fit(guard)
    assert caught.value.evaluation == guard.context.reported[-1]
    assert len(guard.context.reported) == 4
    assert weight(guard.model) == 4.0


def test_an_accuracy_may_be_watched():
    guard = listening(monitor="val_score", action="observe")

    class Scores(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_score"], logs["score"] = 1 - logs["val_loss"], 1 - logs["loss"]

    scripted = Scripted(VALIDATION, TRAINING)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    row = np.zeros((1, 1))
    model.fit(row, row, epochs=6, callbacks=[scripted, Scores(), guard], verbose=0)
    assert [told.verdict for told in guard.context.reported] == ["ok"] * 3 + ["overfitting"] * 3


def test_what_is_not_reported_is_not_finite():
    guard = listening(monitor="val_unknown", action="stop")
    _, epochs = fit(guard)
    assert {told.verdict for told in guard.context.reported} == {"non_finite"}
    assert len(epochs) == 6


def test_alone_it_warns_as_python_does_and_needs_no_rows():
    with pytest.warns(UserWarning, match="val_loss is 40 % worse than its best, 0.5 in epoch 2"):
        fit(OverfittingGuard(**QUICK))


def test_alone_it_can_not_evaluate_training_rows():
    with pytest.raises(ValueError, match="running"):
        fit(OverfittingGuard())


def test_its_config_goes_through_keras_and_back():
    parameters = {"monitor": "val_accuracy", "action": "stop", "smoothing": 0.5, "train_sample": None}
    config = keras.saving.serialize_keras_object(OverfittingGuard(**parameters))
    assert config["registered_name"] == "hornbeam>OverfittingGuard"
    again = keras.saving.deserialize_keras_object(config).get_config()
    assert again == OverfittingGuard(**parameters).get_config()
    assert {name: again[name] for name in parameters} == parameters


@pytest.mark.parametrize(("cut", "best"), [(1, 2.0), (3, 2.0), (4, 2.0)])
def test_its_state_carries_the_best_weights_and_the_verdicts(cut, best):
    first, second = listening(action="stop"), listening(action="stop")
    fit(first, VALIDATION[:cut], TRAINING[:cut])
    state = first.get_state()

    class Resumed(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            second.set_state(state)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    row = np.zeros((1, 1))
    callbacks = [Scripted(VALIDATION, TRAINING), second, Resumed()]
    model.fit(row, row, initial_epoch=cut, epochs=4, callbacks=callbacks, verbose=0)
    assert [told.epoch for told in second.context.reported] == list(range(cut + 1, 5))
    assert weight(model) == best


# Jobs


GUARD = {
    "type": "hornbeam>OverfittingGuard",
    "monitor": "val_loss",
    "mode": "min",
    "warmup": 2,
    "patience": 3,
    "rel_threshold": 0.01,
}


def overfitting_spec(layers=None, /, *, training=None, **guard):
    """400 handwritten digits to learn by heart, 1397 to see it."""
    return make_spec(
        "digits",
        layers or [dense("hidden", 64, "relu"), dense("out", 10, "softmax")],
        dataset={"validation": {"fraction": 1397 / 1797, "stratify": False, "seed": None}},
        optimizer={"type": "Adam", "learning_rate": 0.01},
        training={"epochs": 60, "batch_size": 32, "deterministic": True, **(training or {})},
        callbacks=[{**GUARD, **guard}],
    )


def evaluations(trained):
    return [message.evaluation for message in trained.of(GuardEvaluated)]


def saved_model(trained):
    (path,) = [message.path for message in trained.of(ArtifactSaved) if message.name == "model.keras"]
    return keras.models.load_model(path)


def crossentropy(model, rows):
    features, labels = rows
    probabilities = np.asarray(model.predict(features, verbose=0), np.float64)
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


def parts(spec):
    """The training and the validation rows, as scikit-learn splits them."""
    digits = load_digits()
    numbers = train_test_split(
        np.arange(len(digits.target)),
        test_size=spec["dataset"]["validation"]["fraction"],
        random_state=spec["training"]["seed"],
    )
    return [(digits.data[part].astype(np.float32), digits.target[part]) for part in numbers]


def resume_from(trained):
    last = trained.checkpoints[-1]
    return ResumePoint(path=last.path, epoch=last.epoch, step=last.step, history=trained.history[: last.epoch])


def test_a_stopped_job_succeeds_with_the_model_of_its_best_epoch(train):
    spec = overfitting_spec(action="stop")
    trained = train(spec)

    assert trained.last == Succeeded(reason="stopped_early: OverfittingGuard")
    told = evaluations(trained)
    assert [one.epoch for one in told] == list(range(1, len(trained.history) + 1))
    assert [one.verdict == "overfitting" for one in told] == [False] * (len(told) - 1) + [True]
    best = min(range(len(told)), key=lambda index: trained.history[index]["val_loss"])
    assert told[-1].best_epoch == best + 1
    _, validation = parts(spec)
    measured = crossentropy(saved_model(trained), validation)
    assert measured == pytest.approx(trained.history[best]["val_loss"], rel=1e-4)
    assert measured < 0.99 * trained.history[-1]["val_loss"]


def test_a_failed_job_says_why_and_keeps_all_but_the_model(train):
    trained = train(overfitting_spec(action="fail"))

    error, last = trained.error, evaluations(trained)[-1]
    assert (error.origin, error.code, error.retryable) == (ErrorOrigin.TRAINING, "training.overfitting", False)
    assert error.message == last.why
    assert error.where.epoch == last.epoch == len(trained.epochs) < 60
    assert len(trained.checkpoints) == len(trained.epochs)
    names = [message.name for message in trained.of(ArtifactSaved)]
    kept = ["history.json", "tensorboard.tar.gz", "summary.json", "splits.npz", "curves.png", "manifest.json"]
    assert names == kept


def test_a_warned_job_goes_on(train):
    trained = train(overfitting_spec(action="warn", training={"epochs": 30}))

    assert trained.last == Succeeded(reason="completed")
    first = next(one for one in evaluations(trained) if one.verdict == "overfitting")
    finding = trained.of(Warned)[0].finding
    assert (finding.severity, finding.pointer, finding.code) == ("warning", "/callbacks/0", "training.overfitting")
    assert finding.message == first.why


def test_training_errors_are_measured_at_the_end_without_dropout_and_weights(train):
    layers = [dense("hidden", 64, "relu"), layer("Dropout", "dropout", rate=0.5), dense("out", 10, "softmax")]
    weighed = {"epochs": 3, "class_weight": {"0": 25.0}}
    spec = overfitting_spec(layers, training=weighed, action="observe", train_sample=None)
    trained = train(spec)

    last = evaluations(trained)[-1]
    training, validation = parts(spec)
    model = saved_model(trained)
    assert last.training == pytest.approx(crossentropy(model, training), rel=1e-4)
    assert last.validation == pytest.approx(crossentropy(model, validation), rel=1e-4)
    assert last.training < 0.9 * trained.history[-1]["loss"]


def test_running_means_are_keras_own(train):
    trained = train(overfitting_spec(action="observe", training={"epochs": 3}, train_reference="running"))
    assert [one.training for one in evaluations(trained)] == [metrics["loss"] for metrics in trained.history]


def test_a_guard_changes_nothing_that_is_trained(train):
    """Its evaluations draw no random number and leave no metric behind."""
    layers = [dense("hidden", 16, "relu"), layer("Dropout", "dropout", rate=0.3), dense("out", 10, "softmax")]
    spec = overfitting_spec(layers, training={"epochs": 4}, action="observe")
    assert train(spec).history == train({**spec, "callbacks": []}).history


@pytest.mark.parametrize("batches", [13, 100], ids=["at the end of the first epoch", "within a later one"])
def test_a_guard_remembers_across_attempts(train, batches):
    spec = overfitting_spec(action="stop")
    straight = train(spec)

    stopped = train(spec, stop=StopAfterAsking(batches))
    resumed = train(spec, resume=resume_from(stopped))

    assert isinstance(stopped.last, Stopped)
    assert resumed.last == straight.last == Succeeded(reason="stopped_early: OverfittingGuard")
    assert evaluations(stopped) + evaluations(resumed) == evaluations(straight)
    left, right = (saved_model(one).get_weights() for one in (resumed, straight))
    assert all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


def test_an_attempt_lost_after_a_guards_failure_fails_again(train):
    straight = train(overfitting_spec(action="fail"))

    resumed = train(overfitting_spec(action="fail"), resume=resume_from(straight))

    assert resumed.error == straight.error
    assert not resumed.epochs


def test_the_state_in_a_checkpoint_is_json(train):
    path = train(overfitting_spec(action="stop", training={"epochs": 1})).checkpoints[0].path
    with zipfile.ZipFile(Path(path)) as archive:
        facts = archive.read("hornbeam.json").decode()
    assert '"best_epoch": 1' in facts


def test_a_sample_is_drawn_by_the_seed_alone():
    rows = Rows(np.arange(50.0), np.arange(50), np.ones(50, np.float32))

    def drawn(seed, count):
        course = Course(rows, None, epochs=9, batch_size=math.inf, seed=seed, shuffle=False)
        return sample(course, count)

    assert drawn(1, None).labels.tolist() == drawn(1, 50).labels.tolist() == list(range(50))
    assert drawn(1, 20).labels.tolist() == drawn(1, 20).labels.tolist() != drawn(2, 20).labels.tolist()
    assert len(set(drawn(1, 20).labels.tolist())) == 20
    assert drawn(1, 20).features.tolist() == drawn(1, 20).labels.tolist()
    assert drawn(1, 20).weights is drawn(1, None).weights is None
