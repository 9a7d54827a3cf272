import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_wine
from sklearn.metrics import confusion_matrix, log_loss

from schemas.checkpoints import ArtifactKind
from tests.keras.specs import checked
from tests.keras.trainings import StopAfterAsking, dense, layer, make_spec
from workers.messages import ArtifactSaved, EpochCompleted, Evaluated, PhaseEntered, StartingPoint, Stopped, Succeeded
from workers.training.data import load
from workers.training.preprocessing import graph_of

pytestmark = pytest.mark.keras

SCALED = layer("BatchNormalization", "scaled", momentum=0.8)
DIGITS = {"source": {"builtin": "digits"}, "validation": {"fraction": 0.2}}
TEST = {"fraction": 0.25, "stratify": False, "seed": None}


def artifact(trained, name):
    return next(Path(message.path) for message in trained.of(ArtifactSaved) if message.name == name)


def load_json(trained, name):
    return json.loads(artifact(trained, name).read_text())


def output_of(trained):
    assert isinstance(trained.last, Succeeded), trained.last
    (output,) = load_json(trained, "evaluation.json")["outputs"].values()
    return output


def is_picture(path):
    with Image.open(path) as picture:
        return picture.format == "PNG" and min(picture.size) > 150


def classifier(dataset, units, activation, loss, **parts):
    layers = [SCALED, dense("hidden", 16, "relu"), dense("out", units, activation)]
    return make_spec(
        dataset,
        layers,
        loss=loss,
        dataset={"test": TEST, "validation": None, **parts},
        training={"epochs": 8, "batch_size": 16},
        checkpoints={"monitor": "loss"},
    )


@pytest.mark.parametrize(("activation", "from_logits"), [("sigmoid", False), ("linear", True)])
def test_one_unit_for_two_classes(train, activation, from_logits):
    loss = {"type": "BinaryCrossentropy", "from_logits": from_logits}

    trained = train(classifier("breast_cancer", 1, activation, loss))

    output = output_of(trained)
    assert output["classes"] == ["malignant", "benign"]
    assert np.sum(output["confusion"]) == output["rows"] == 143
    assert min(output["accuracy"], output["roc_auc"], output["average_precision"]) > 0.85
    assert is_picture(artifact(trained, "confusion.png"))


@pytest.mark.parametrize(("activation", "from_logits"), [("softmax", False), ("linear", True)])
def test_one_unit_for_each_class_agrees_with_keras(train, activation, from_logits):
    spec = classifier("wine", 3, activation, {"type": "SparseCategoricalCrossentropy", "from_logits": from_logits})

    trained = train(spec)

    output, evaluation = output_of(trained), load_json(trained, "evaluation.json")
    (evaluated,) = trained.of(Evaluated)
    assert evaluation["metrics"] == evaluated.metrics == load_json(trained, "summary.json")["test"]
    assert output["accuracy"] == pytest.approx(evaluated.metrics["accuracy"], abs=1e-6)
    model = keras.models.load_model(artifact(trained, "model.keras"))
    test = load(spec).test
    predicted = model.predict(test.features, verbose=0).argmax(axis=1)
    assert output["confusion"] == confusion_matrix(test.labels, predicted).tolist()


def test_one_hot_labels(train):
    target = {"columns": ["label"], "kind": "one_hot"}

    trained = train(classifier("iris", 3, "softmax", {"type": "CategoricalCrossentropy"}, target=target))

    output = output_of(trained)
    assert output["classes"] == ["setosa", "versicolor", "virginica"]
    assert output["accuracy"] == pytest.approx(trained.of(Evaluated)[0].metrics["accuracy"], abs=1e-6)


def test_labels_that_may_all_be_true(train):
    target = {"columns": ["sex", "age"], "kind": "multi_label"}
    spec = make_spec(
        "diabetes",
        [dense("hidden", 8, "relu"), dense("out", 2, "sigmoid")],
        loss={"type": "BinaryCrossentropy", "from_logits": False},
        metrics=[],
        dataset={"test": TEST, "target": target, "features": ["bmi", "bp", "s1"]},
    )

    trained = train(spec)

    output = output_of(trained)
    assert [label["label"] for label in output["per_label"]] == ["sex", "age"]
    assert is_picture(artifact(trained, "confusion.png"))
    assert load_json(trained, "summary.json")["classes"] == {"output": ["sex", "age"]}


def test_regression_names_the_worst_rows_of_the_dataset(train):
    spec = make_spec(
        "diabetes",
        [dense("hidden", 16, "relu"), dense("out", 1)],
        loss={"type": "MeanSquaredError"},
        metrics=[{"type": "MeanAbsoluteError", "name": "mae"}],
        dataset={"test": TEST},
    )

    trained = train(spec)

    (target,) = output_of(trained)["targets"]
    assert target["mae"] == pytest.approx(trained.of(Evaluated)[0].metrics["mae"], rel=1e-5)
    worst = target["worst"][0]
    whole = load(make_spec("diabetes", dataset={"validation": None})).train
    assert whole.labels[worst["row"]] == worst["true"]
    with np.load(artifact(trained, "splits.npz")) as splits:
        assert worst["row"] in splits["test"]
    assert is_picture(artifact(trained, "residuals.png"))


def test_two_outputs_each_have_a_report_and_a_picture(train):
    model = {
        "inputs": {"flower": {"shape": None, "dtype": None}},
        "layers": [
            {**dense("hidden", 16, "relu"), "inputs": ["flower"]},
            {**dense("species", 3, "softmax"), "inputs": ["hidden"]},
            {**dense("width", 1), "inputs": ["hidden"]},
        ],
        "outputs": {"species": "species", "width": "width"},
        "input_shape": None,
    }
    spec = make_spec(
        "iris",
        model=model,
        loss={"species": {"type": "SparseCategoricalCrossentropy"}, "width": {"type": "MeanSquaredError"}},
        metrics={},
        dataset={
            "test": TEST,
            "features": {"flower": ["sepal length (cm)", "sepal width (cm)"]},
            "target": {"species": "label", "width": "petal width (cm)"},
        },
    )

    trained = train(spec)

    assert isinstance(trained.last, Succeeded), trained.last
    outputs = load_json(trained, "evaluation.json")["outputs"]
    assert {name: output["kind"] for name, output in outputs.items()} == {"species": "classes", "width": "numbers"}
    names = {message.name for message in trained.of(ArtifactSaved)}
    assert {"confusion-species.png", "residuals-width.png"} <= names
    assert load_json(trained, "manifest.json")["dataset"]["classes"] == {
        "species": ["setosa", "versicolor", "virginica"]
    }


def test_windows_are_reported_by_the_rows_of_their_labels(train):
    spec = make_spec(
        "diabetes",
        [layer("Flatten", "flat"), dense("out", 1)],
        loss={"type": "MeanSquaredError"},
        metrics=[],
        dataset={
            "validation": None,
            "test": TEST,
            "features": ["bmi", "bp"],
            "target": "bp",
            "window": {"length": 4, "stride": 1, "horizon": 2},
        },
        checkpoints={"monitor": "loss"},
    )

    trained = train(spec)

    (target,) = output_of(trained)["targets"]
    pressure = load(make_spec("diabetes", dataset={"validation": None, "features": ["bp"]})).train.features[:, 0]
    assert target["rows"] == 111 - 5
    assert all(pressure[row["row"]] == pytest.approx(row["true"]) for row in target["worst"])


def test_without_a_test_part_the_validation_rows_are_reported(train):
    trained = train(make_spec())

    evaluation = load_json(trained, "evaluation.json")
    assert (evaluation["part"], evaluation["rows"]) == ("validation", 360)
    assert not trained.of(Evaluated)
    assert load_json(trained, "summary.json")["test"] is None


def test_without_rows_held_back_nothing_is_reported(train):
    trained = train(make_spec(dataset={"validation": None}, checkpoints={"monitor": "loss"}))

    assert "evaluation.json" not in {message.name for message in trained.of(ArtifactSaved)}


def test_the_row_numbers_of_each_part_are_an_artifact(train):
    spec = make_spec("iris", [dense("out", 3, "softmax")], dataset={"test": TEST})

    trained = train(spec)

    data = load(spec)
    with np.load(artifact(trained, "splits.npz"), allow_pickle=False) as splits:
        parts = {name: splits[name] for name in splits.files}
    assert {name: numbers.dtype for name, numbers in parts.items()} == dict.fromkeys(parts, np.dtype(np.int64))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(150))
    assert parts["test"].tolist() == data.parts.test.tolist()
    assert "splits.npz" in load_json(trained, "manifest.json")["artifacts"]
    assert load_json(trained, "summary.json")["rows"] == {"train": 82, "validation": 30, "test": 38}


def test_a_job_without_epochs_measures_and_trains_nothing(train):
    spec = make_spec(
        "iris",
        [dense("out", 3, "softmax")],
        training={"epochs": 0},
        dataset={"validation": None, "test": {"source": {"builtin": "iris"}}},
        checkpoints={"monitor": "loss"},
    )

    trained = train(spec)

    assert trained.last == Succeeded(reason="completed")
    assert [message.phase for message in trained.of(PhaseEntered)][2:] == ["evaluating", "saving"]
    assert not trained.of(EpochCompleted)
    assert not trained.checkpoints
    assert [message.artifact_kind for message in trained.of(ArtifactSaved)] == [
        ArtifactKind.SUMMARY,
        ArtifactKind.SPLITS,
        ArtifactKind.EVALUATION,
        ArtifactKind.EVALUATION,
        ArtifactKind.MANIFEST,
    ]
    assert output_of(trained)["rows"] == 150
    with np.load(artifact(trained, "splits.npz")) as splits:
        assert len(splits["train"]) == len(splits["test"]) == 150


def test_columns_go_through_what_they_went_through_in_the_training(train):
    """The statistics of all rows are others than those of the few that were trained on."""
    data = {"source": {"builtin": "wine"}, "preprocess": "auto"}
    layers = [{"type": "Dense", "units": 3, "activation": "softmax"}]
    few = checked(
        dataset={**data, "test": {"fraction": 0.9}}, model={"layers": layers}, training={"epochs": 3, "seed": 7}
    )
    first = train(few)
    assert isinstance(first.last, Succeeded), first.last
    path = artifact(first, "model.keras")
    start = StartingPoint(
        path=str(path), checkpoint=None, sha256="ab" * 32, epoch=3, job_id="job_source", model=few["model"]
    )
    whole = checked(
        dataset={**data, "test": {"source": {"builtin": "wine"}}},
        model={"layers": layers, "initial_weights": {"job": "job_source"}},
        training={"epochs": 0, "seed": 7},
    )

    (evaluated,) = train(whole, begin_with=start).of(Evaluated)

    wine = load_wine()
    by_column = dict(zip(wine.feature_names, np.split(wine.data.astype(np.float32), 13, axis=1), strict=True))
    rows = {name: by_column[feed.columns[0]] for name, feed in graph_of(few).feeds.items()}
    predicted = keras.models.load_model(path).predict(rows, verbose=0)
    assert evaluated.metrics["loss"] == pytest.approx(log_loss(wine.target, predicted), rel=1e-4)


def test_measuring_alone_can_be_stopped(train):
    spec = make_spec("iris", [dense("out", 3, "softmax")], training={"epochs": 0}, dataset={"test": TEST})

    assert train(spec, stop=StopAfterAsking(0)).last == Stopped()


def test_the_finished_model_of_a_job_hands_on_its_weights_and_what_its_layers_learnt(train):
    """EarlyStopping has put weights back that no checkpoint after them has; boundaries of bins are no weight at all."""
    layers = [
        {"type": "Discretization", "num_bins": 5, "output_mode": "multi_hot"},
        {"type": "Dense", "units": 10, "activation": "softmax"},
    ]
    stopping = {"type": "EarlyStopping", "monitor": "loss", "mode": "max", "patience": 1, "restore_best_weights": True}
    spec = checked(dataset=DIGITS, model={"layers": layers}, training={"epochs": 5}, callbacks=[stopping])
    first = train(spec)
    assert first.last == Succeeded(reason="stopped_early: EarlyStopping")
    path = artifact(first, "model.keras")
    start = StartingPoint(
        path=str(path), checkpoint=None, sha256="ab" * 32, epoch=2, job_id="job_source", model=spec["model"]
    )
    model = {"layers": layers, "initial_weights": {"job": "job_source"}}
    whole = {**DIGITS, "test": {"source": {"builtin": "digits"}}}

    measured = train(checked(dataset=whole, model=model, training={"epochs": 0, "seed": 3}), begin_with=start)

    (evaluated,) = measured.of(Evaluated)
    rows = load(checked(dataset=whole, model=model, training={"epochs": 0, "seed": 3})).test
    assert evaluated.metrics["loss"] == pytest.approx(
        keras.models.load_model(path).evaluate(rows.features, rows.labels, verbose=0, return_dict=True)["loss"],
        rel=1e-5,
    )
