"""The validation metrics of a finished model are those of the model that is saved, measured again or not."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.keras.trainings import make_spec
from workers.messages import ArtifactSaved, EpochCompleted
from workers.training.data import load
from workers.training.evaluation.known import measured_by_fit

pytestmark = pytest.mark.keras

ADAM = {"type": "Adam", "learning_rate": 0.01}
CASES = {
    "plain": {},
    "stopped": {"callbacks": [{"type": "EarlyStopping", "monitor": "loss", "min_delta": 100.0, "patience": 2}]},
    "best": {
        "optimizer": {**ADAM, "learning_rate": 0.5},
        "callbacks": [{"type": "EarlyStopping", "patience": 3, "restore_best_weights": True}],
    },
    "averaged": {"optimizer": {**ADAM, "use_ema": True}},
    "schedule-free": {"optimizer": {"type": "ScheduleFreeAdamW", "learning_rate": 0.01}},
    "looking ahead": {"optimizer": {"type": "hornbeam>Lookahead", "optimizer": ADAM}},
}


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_they_are_those_of_the_saved_model(train, parts):
    spec = make_spec(**parts, training={"epochs": 4})
    trained = train(spec)

    files = {message.name: Path(message.path) for message in trained.of(ArtifactSaved)}
    told = json.loads(files["summary.json"].read_text())["evaluation"]
    rows = load(spec).validation
    scores = keras.models.load_model(files["model.keras"], compile=False).predict(rows.features, verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy()(rows.labels, scores)
    assert told["accuracy"] == pytest.approx(np.mean(scores.argmax(1) == rows.labels))
    assert told["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_they_are_not_measured_again_where_nothing_touched_the_weights(train):
    spec = make_spec()
    trained = train(spec)

    last = trained.of(EpochCompleted)[-1].metrics
    (summary,) = (Path(message.path) for message in trained.of(ArtifactSaved) if message.name == "summary.json")
    told = json.loads(summary.read_text())["evaluation"]
    assert told == {"loss": last["val_loss"], "accuracy": last["val_accuracy"]}


@pytest.mark.parametrize(
    ("callback", "is_known"),
    [
        ({"type": "TerminateOnNaN"}, True),
        ({"type": "EarlyStopping", "restore_best_weights": False}, True),
        ({"type": "EarlyStopping", "restore_best_weights": True}, False),
        ({"type": "hornbeam>OverfittingGuard"}, False),
        ({"type": "SwapEMAWeights"}, False),
    ],
    ids=str,
)
def test_callbacks_that_may_change_weights_have_them_measured(callback, is_known):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    found = measured_by_fit(model, {"callbacks": [callback]}, [{"loss": 1.0, "val_loss": 2.0}])
    assert found == ({"loss": 2.0} if is_known else None)
