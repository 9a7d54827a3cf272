import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.keras.trainings import StopAfterAsking, dense, layer, make_spec, resume_from
from workers.messages import ArtifactSaved, Stopped, Succeeded
from workers.training import tensorflow_feeds

pytestmark = pytest.mark.keras

LAYERS = [
    dense("hidden", 16, "relu"),
    layer("BatchNormalization", "norm"),
    layer("Dropout", "dropout", rate=0.3),
    dense("out", 10, "softmax"),
]
SCHEDULE = {"type": "ExponentialDecay", "initial_learning_rate": 0.02, "decay_steps": 5, "decay_rate": 0.9}
WATCH = {"type": "EarlyStopping", "monitor": "val_loss", "patience": 3, "restore_best_weights": True}


def long_spec(**parts):
    optimizer = {"type": "Adam", "learning_rate": SCHEDULE}
    training = {"epochs": 4, "deterministic": True}
    return make_spec("digits", LAYERS, optimizer=optimizer, training=training, **parts)


def final_weights(trained):
    path = next(message.path for message in trained.of(ArtifactSaved) if message.name == "model.keras")
    model = keras.models.load_model(path)
    return [np.asarray(keras.ops.convert_to_numpy(v)) for v in [*model.weights, *model.optimizer.variables]]


def assert_same_bytes(left, right):
    assert [array.tobytes() for array in left] == [array.tobytes() for array in right]


@pytest.mark.parametrize("batches", [11, 17, 30], ids=["end of an epoch", "within an epoch", "within a later epoch"])
def test_a_resumed_training_ends_with_the_bytes_of_one_that_was_not_stopped(train, batches):
    straight = train(long_spec())
    stopped = train(long_spec(), stop=StopAfterAsking(batches))
    assert isinstance(stopped.last, Stopped)

    resumed = train(long_spec(), resume=resume_from(stopped))

    assert resumed.last == Succeeded(reason="completed")
    assert stopped.history + resumed.history == straight.history
    assert_same_bytes(final_weights(resumed), final_weights(straight))


@pytest.mark.parametrize("copied", [2**30, 0], ids=["from a copy in TensorFlow", "by NumPy"])
def test_so_it_does_where_batches_are_gathered_one_by_one(train, monkeypatch, copied):
    monkeypatch.setattr(tensorflow_feeds, "GATHERED_BYTES", 0)
    monkeypatch.setattr(tensorflow_feeds, "COPIED_BYTES", copied)
    straight = train(long_spec())
    stopped = train(long_spec(), stop=StopAfterAsking(17))

    resumed = train(long_spec(), resume=resume_from(stopped))

    assert stopped.history + resumed.history == straight.history
    assert_same_bytes(final_weights(resumed), final_weights(straight))


def test_resume_goes_on_with_epochs_steps_and_history(train):
    stopped = train(long_spec(), stop=StopAfterAsking(30))

    resumed = train(long_spec(), resume=resume_from(stopped))

    assert [epoch.epoch for epoch in stopped.epochs + resumed.epochs] == [1, 2, 3, 4]
    assert [saved.step for saved in resumed.checkpoints] == [36, 48]
    history = next(Path(m.path) for m in resumed.of(ArtifactSaved) if m.name == "history.json").read_text()
    assert '"epochs": [\n    1,\n    2,\n    3,\n    4\n  ]' in history


def test_early_stopping_remembers_across_attempts(train):
    """A best epoch that came before the stop still wins: its weights are the ones that are saved."""
    spec = make_spec(
        callbacks=[{**WATCH, "patience": 2}],
        optimizer={"type": "Adam", "learning_rate": 0.1},
        training={"epochs": 60, "deterministic": True},
    )
    straight = train(spec)
    best = min(range(len(straight.history)), key=lambda epoch: straight.history[epoch]["val_loss"])

    stopped = train(spec, stop=StopAfterAsking(12 * (best + 1) + 3))
    resumed = train(spec, resume=resume_from(stopped))

    assert resumed.last == straight.last == Succeeded(reason="stopped_early: EarlyStopping")
    assert len(stopped.history) == best + 1
    assert stopped.history + resumed.history == straight.history
    assert_same_bytes(final_weights(resumed), final_weights(straight))


def test_an_attempt_lost_after_its_last_epoch_only_saves(train):
    straight = train(make_spec(callbacks=[WATCH]))

    resumed = train(make_spec(callbacks=[WATCH]), resume=resume_from(straight))

    assert resumed.last == Succeeded(reason="completed")
    assert not resumed.epochs
    assert_same_bytes(final_weights(resumed), final_weights(straight))


def test_an_attempt_lost_after_early_stopping_does_not_train_on(train):
    watch = {**WATCH, "patience": 1, "min_delta": 100.0}
    straight = train(make_spec(callbacks=[watch], training={"epochs": 9}))

    resumed = train(make_spec(callbacks=[watch], training={"epochs": 9}), resume=resume_from(straight))

    assert resumed.last == straight.last == Succeeded(reason="stopped_early: EarlyStopping")
    assert not resumed.epochs
    assert_same_bytes(final_weights(resumed), final_weights(straight))


def test_plateau_remembers_the_rate_and_how_long_it_waited(train):
    watch = {"type": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 2, "factor": 0.5, "min_delta": 100.0}
    spec = make_spec(callbacks=[{**watch, "mode": "min"}], training={"epochs": 6})
    straight = train(spec)

    stopped = train(spec, stop=StopAfterAsking(30))
    resumed = train(spec, resume=resume_from(stopped))

    rates = [metrics["learning_rate"] for metrics in stopped.history + resumed.history]
    assert rates == [metrics["learning_rate"] for metrics in straight.history]
    assert len(set(rates)) > 1


def test_best_is_judged_against_the_epochs_before_the_stop(train):
    spec = make_spec(training={"epochs": 4})
    stopped = train(spec, stop=StopAfterAsking(30))
    perfect = [{**metrics, "val_loss": 0.0} for metrics in stopped.history]

    resumed = train(spec, resume=resume_from(stopped).model_copy(update={"history": perfect}))

    assert not any(message.is_best for message in resumed.epochs + resumed.checkpoints)


def test_mixed_precision_resumes_with_its_loss_scale(train):
    spec = make_spec(training={"epochs": 3, "dtype_policy": "mixed_float16", "deterministic": True})
    straight, stopped = train(spec), train(spec, stop=StopAfterAsking(17))

    resumed = train(spec, resume=resume_from(stopped))

    assert_same_bytes(final_weights(resumed), final_weights(straight))


def test_a_checkpoint_is_one_keras_file_with_two_more_members(train):
    path = train(make_spec()).checkpoints[0].path

    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {"config.json", "model.weights.h5", "hornbeam.json", "hornbeam.npz"} < set(archive.namelist())
