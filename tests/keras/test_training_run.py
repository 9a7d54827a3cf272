import json
import subprocess
import sys
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from schemas.checkpoints import ArtifactKind
from schemas.datasets import BuiltinDataset
from schemas.jobs import JobPhase
from tests.keras.trainings import StopAfterAsking, dense, layer, make_spec
from workers.messages import ArtifactSaved, PhaseEntered, Progressed, Stopped, Succeeded, Warned, decode, encode

pytestmark = pytest.mark.keras

SCALED = layer("BatchNormalization", "scaled", momentum=0.8)
CLASSIFIERS = {
    "digits": [dense("hidden", 32, "relu"), dense("out", 10, "softmax")],
    "iris": [SCALED, dense("hidden", 16, "relu"), dense("out", 3, "softmax")],
    "wine": [SCALED, dense("hidden", 16, "relu"), dense("out", 3, "softmax")],
    "breast_cancer": [SCALED, dense("hidden", 16, "relu"), dense("out", 1, "sigmoid")],
}


def artifact(trained, name):
    return next(Path(message.path) for message in trained.of(ArtifactSaved) if message.name == name)


def load_json(trained, name):
    return json.loads(artifact(trained, name).read_text())


@pytest.mark.parametrize("dataset", CLASSIFIERS)
def test_every_classification_dataset_is_learned(train, dataset):
    loss = "BinaryCrossentropy" if dataset == "breast_cancer" else "SparseCategoricalCrossentropy"
    spec = make_spec(
        dataset,
        CLASSIFIERS[dataset],
        loss={"type": loss},
        training={"epochs": 12, "batch_size": 16},
        dataset={"validation": {"fraction": 0.25, "stratify": True}},
    )

    trained = train(spec)

    assert trained.last == Succeeded(reason="completed")
    assert load_json(trained, "summary.json")["evaluation"]["accuracy"] > 0.8


def test_regression_is_learned(train):
    spec = make_spec(
        BuiltinDataset.DIABETES.value,
        [dense("hidden", 32, "relu"), dense("out", 1)],
        loss={"type": "MeanSquaredError"},
        metrics=[{"type": "MeanAbsoluteError", "name": "mae"}],
        training={"epochs": 30, "batch_size": 32},
    )

    history = train(spec).history

    assert set(history[0]) == {"loss", "mae", "val_loss", "val_mae"}
    assert history[-1]["val_mae"] < 0.6 * history[0]["val_mae"]


def test_messages_tell_the_phases_epochs_checkpoints_and_artifacts_in_order(train):
    trained = train(make_spec())

    assert [message.phase for message in trained.of(PhaseEntered)] == [
        JobPhase.LOADING_DATA,
        JobPhase.BUILDING,
        JobPhase.TRAINING,
        JobPhase.EVALUATING,
        JobPhase.SAVING,
    ]
    assert [epoch.epoch for epoch in trained.epochs] == [1, 2]
    assert [(saved.epoch, saved.step) for saved in trained.checkpoints] == [(1, 12), (2, 24)]
    assert [saved.metrics for saved in trained.checkpoints] == trained.history
    assert [(message.name, message.artifact_kind) for message in trained.of(ArtifactSaved)] == [
        ("model.keras", ArtifactKind.MODEL),
        ("history.json", ArtifactKind.HISTORY),
        ("tensorboard.tar.gz", ArtifactKind.TENSORBOARD),
        ("summary.json", ArtifactKind.SUMMARY),
        ("splits.npz", ArtifactKind.SPLITS),
        ("evaluation.json", ArtifactKind.EVALUATION),
        ("confusion.png", ArtifactKind.EVALUATION),
        ("curves.png", ArtifactKind.CURVES),
        ("manifest.json", ArtifactKind.MANIFEST),
    ]
    assert [decode(encode(message)) for message in trained.messages] == trained.messages


def test_files_are_written_into_the_working_directory_only(train, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    trained = train(make_spec())

    assert not list(elsewhere.iterdir())
    named = {Path(message.path) for message in [*trained.of(ArtifactSaved), *trained.checkpoints]}
    assert {path.parent for path in named} == {tmp_path / "attempt-1"}
    assert named == set((tmp_path / "attempt-1").iterdir())


def test_progress_grows_and_comes_at_most_four_times_a_second(train, monkeypatch):
    trained = train(make_spec(training={"epochs": 12, "batch_size": 16}))

    reports = [message.progress for message in trained.of(Progressed)]
    seconds = sum(epoch.seconds for epoch in trained.epochs)
    assert 2 <= len(reports) <= 4 * seconds + 2
    assert [report.percent for report in reports] == sorted(report.percent for report in reports)
    assert reports[0].steps_per_epoch == 90
    assert set(reports[-1].metrics) == {"loss", "accuracy"}
    assert reports[-1].eta_seconds is not None


def test_artifacts_and_checkpoints_load_in_a_keras_that_knows_nothing_of_us(train):
    trained = train(make_spec(training={"epochs": 3}))
    features = np.random.default_rng(0).random((5, 64), np.float32)
    np.save(artifact(trained, "model.keras").with_name("features.npy"), features)
    script = (
        "import sys, keras, numpy as np; folder = sys.argv[1];"
        "models = [keras.models.load_model(path) for path in sys.argv[2:]];"
        "np.save(folder + '/outputs.npy', [m.predict(np.load(folder + '/features.npy'), verbose=0) for m in models]);"
        "assert not {'hornbeam', 'workers'} & set(sys.modules)"
    )
    files = [str(artifact(trained, "model.keras")), trained.checkpoints[-1].path]
    folder = artifact(trained, "model.keras").parent

    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder), *files], check=True, cwd=folder)

    outputs = np.load(folder / "outputs.npy")
    assert np.array_equal(outputs[0], outputs[1])
    assert np.allclose(outputs[0], keras.models.load_model(files[0]).predict(features, verbose=0), atol=1e-6)


def test_best_weights_are_restored_into_the_model_that_is_saved(train):
    watch = {
        "type": "EarlyStopping",
        "monitor": "val_loss",
        "patience": 2,
        "mode": "auto",
        "restore_best_weights": True,
    }
    fast = {"type": "Adam", "learning_rate": 0.1}

    trained = train(make_spec(callbacks=[watch], optimizer=fast, training={"epochs": 60}))

    summary = load_json(trained, "summary.json")
    losses = [metrics["val_loss"] for metrics in trained.history]
    assert trained.last == Succeeded(reason="stopped_early: EarlyStopping")
    assert len(losses) < 60
    assert summary["stopped_by"] == "EarlyStopping"
    assert summary["best"]["epoch"] == losses.index(min(losses)) + 1 < len(losses)
    assert summary["evaluation"]["loss"] == pytest.approx(min(losses), rel=1e-4)
    assert [epoch.is_best for epoch in trained.epochs][summary["best"]["epoch"] - 1 :] == [True, False, False]


def test_history_summary_and_manifest_agree_with_what_was_reported(train):
    spec = make_spec()

    trained = train(spec)

    history, summary, manifest = (load_json(trained, f"{name}.json") for name in ("history", "summary", "manifest"))
    assert history["epochs"] == [1, 2]
    assert history["metrics"]["val_loss"] == [metrics["val_loss"] for metrics in trained.history]
    assert summary["last"] == {"epoch": 2, "metrics": trained.history[-1]}
    assert summary["parameters"] == {"total": 65 * 16 + 17 * 10, "trainable": 65 * 16 + 17 * 10}
    assert summary["rows"] == {"train": 1437, "validation": 360, "test": 0}
    assert manifest["spec"] == spec
    assert manifest["versions"]["keras"] == keras.__version__
    assert set(manifest["artifacts"]) == {message.name for message in trained.of(ArtifactSaved)} - {"manifest.json"}


def test_tensorboard_reads_the_event_files(train, tmp_path):
    trained = train(make_spec())
    with tarfile.open(artifact(trained, "tensorboard.tar.gz")) as archive:
        archive.extractall(tmp_path / "logs", filter="data")

    read = {run: EventAccumulator(str(tmp_path / "logs" / run)) for run in ("train", "validation")}
    for accumulator in read.values():
        accumulator.Reload()

    assert set(read["train"].Tags()["scalars"]) == {"epoch_loss", "epoch_accuracy"}
    losses = [event.value for event in read["validation"].Scalars("epoch_loss")]
    assert losses == pytest.approx([metrics["val_loss"] for metrics in trained.history])


def test_curves_are_a_picture(train):
    data = artifact(train(make_spec()), "curves.png").read_bytes()

    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    assert width > 2 * height > 600


def test_without_validation_nothing_is_evaluated(train):
    trained = train(make_spec(dataset={"validation": None}, checkpoints={"monitor": "loss"}))

    assert set(trained.history[0]) == {"loss", "accuracy"}
    assert load_json(trained, "summary.json")["best"]["epoch"] == 2
    assert load_json(trained, "summary.json")["evaluation"] is None
    assert JobPhase.EVALUATING not in [message.phase for message in trained.of(PhaseEntered)]


def test_a_metric_without_a_number_costs_nothing_but_itself(train):
    """PearsonCorrelation divides by a spread that one number a row does not have."""
    metric = {"type": "PearsonCorrelation", "name": "alike"}
    stopping = {"type": "EarlyStopping", "monitor": "val_alike", "mode": "max", "patience": 5}
    layers = [dense("out", 1, "sigmoid")]
    spec = make_spec(
        "breast_cancer", layers, loss={"type": "BinaryCrossentropy"}, metrics=[metric], callbacks=[stopping]
    )

    trained = train(spec)

    assert trained.last == Succeeded(reason="completed"), trained.last
    assert len(trained.checkpoints) == 2
    assert {message.finding.code for message in trained.of(Warned)} == {"training.non_finite_metric"}
    assert set(load_json(trained, "summary.json")["evaluation"]) == {"loss"}


def test_checkpoints_follow_their_policy(train):
    policy = {"every_epochs": 2, "monitor": "val_accuracy", "mode": "max"}

    trained = train(make_spec(checkpoints=policy, training={"epochs": 5}))

    assert [saved.epoch for saved in trained.checkpoints] == [2, 4, 5]
    best: float = -1.0
    for saved in trained.checkpoints:
        assert saved.is_best == (saved.metrics["val_accuracy"] > best)
        best = max(best, saved.metrics["val_accuracy"])


def test_mixed_precision_trains_and_saves(train):
    trained = train(make_spec(training={"dtype_policy": "mixed_bfloat16"}))

    model = keras.models.load_model(artifact(trained, "model.keras"))
    assert model.get_layer("hidden").compute_dtype == "bfloat16"
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]


def test_gradients_accumulate_and_are_clipped(train):
    optimizer = {"type": "SGD", "learning_rate": 0.01, "gradient_accumulation_steps": 4, "clipnorm": 1.0}

    trained = train(make_spec(optimizer=optimizer))

    saved = keras.models.load_model(artifact(trained, "model.keras")).optimizer
    assert (saved.gradient_accumulation_steps, saved.clipnorm) == (4, 1.0)
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]


def test_schedules_move_the_learning_rate(train):
    schedule = {"type": "CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 24, "alpha": 0.0}

    trained = train(make_spec(optimizer={"type": "Adam", "learning_rate": schedule}))

    optimizer = keras.models.load_model(artifact(trained, "model.keras")).optimizer
    assert float(optimizer.learning_rate) == pytest.approx(0.0, abs=1e-6)


def test_plateau_lowers_the_rate_and_reports_it(train):
    watch = {"type": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 1, "factor": 0.5, "min_delta": 100.0}

    trained = train(make_spec(callbacks=[{**watch, "mode": "min"}], training={"epochs": 4}))

    rates = [metrics["learning_rate"] for metrics in trained.history]
    assert rates == pytest.approx([0.01, 0.01, 0.005, 0.0025])


def test_balanced_weights_change_what_is_learned(train):
    rare = {"class_weight": {"0": 100.0}}

    plain, weighed = train(make_spec()), train(make_spec(training=rare))

    assert plain.history[0]["loss"] != weighed.history[0]["loss"]


def test_equal_seeds_give_equal_trainings(train):
    histories = [train(make_spec(training={"seed": seed})).history for seed in (1, 1, 2)]

    assert histories[0] == histories[1] != histories[2]


def test_metrics_with_parameters_and_names_report_under_their_names(train):
    spec = make_spec(
        "breast_cancer",
        [SCALED, dense("out", 1, "sigmoid")],
        loss={"type": "BinaryCrossentropy"},
        metrics=[{"type": "MeanIoU", "num_classes": 2, "name": "iou"}, {"type": "AUC", "name": "auc"}],
    )

    assert set(train(spec).history[0]) == {"loss", "val_loss", "iou", "auc", "val_iou", "val_auc"}


@pytest.mark.filterwarnings("default")
def test_a_warning_of_keras_reaches_the_log_without_paths(train, capsys):
    watch = {"type": "EarlyStopping", "monitor": "learning_rate", "patience": 3, "mode": "min"}
    reduce = {"type": "ReduceLROnPlateau", "monitor": "val_loss", "patience": 9, "mode": "min"}

    train(make_spec(callbacks=[watch, reduce]))

    log = capsys.readouterr().out
    assert "UserWarning: Early stopping conditioned on metric `learning_rate`" in log
    assert "epoch 2/2 in" in log
    assert "site-packages" not in log


def test_a_name_that_the_font_lacks_is_no_obstacle(train):
    assert train({**make_spec(), "name": "数字 $x"}).last == Succeeded(reason="completed")


def test_stop_ends_within_the_epoch_with_a_checkpoint(train):
    trained = train(make_spec(), stop=StopAfterAsking(15))

    assert isinstance(trained.last, Stopped)
    assert [(saved.epoch, saved.step) for saved in trained.checkpoints] == [(1, 12), (1, 16)]
    assert not trained.of(ArtifactSaved)


def test_stop_at_the_end_of_an_epoch_needs_no_second_checkpoint(train):
    trained = train(make_spec(), stop=StopAfterAsking(11))

    assert isinstance(trained.last, Stopped)
    assert [(saved.epoch, saved.step) for saved in trained.checkpoints] == [(1, 12)]
