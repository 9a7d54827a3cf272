import json

import numpy as np
import pytest

from hornbeam.datasets.labels import LabelKind, Labels
from workers.training.ends import End
from workers.training.evaluation.reports import report_on
from workers.training.evaluation.tasks import Task, TaskKind, task_of

BINARY = {"type": "BinaryCrossentropy", "from_logits": False}
LOGITS = {"type": "BinaryCrossentropy", "from_logits": True}
SPARSE = {"type": "SparseCategoricalCrossentropy", "from_logits": False}


def end(labels, loss, activation="linear"):
    layer = {"type": "Dense", "units": 1, "activation": {"type": activation}}
    return End(None, layer, "/model/layers/0", loss, "/loss", (), labels)


def classes(*names, kind=LabelKind.CLASSES):
    return Labels(("kind",), kind, (len(names),) if kind is LabelKind.ONE_HOT else (), names)


def columns(*names, kind=LabelKind.NUMBERS):
    return Labels(names, kind, (len(names),))


@pytest.mark.parametrize(
    ("loss", "activation", "threshold"),
    [
        (BINARY, "sigmoid", 0.5),
        (LOGITS, "linear", 0.0),
        ({"type": "Hinge"}, "linear", 0.0),
        ({"type": "MeanSquaredError"}, "tanh", 0.0),
        ({"type": "MeanSquaredError"}, "linear", 0.5),
    ],
)
def test_one_unit_tells_two_classes_apart_at_a_threshold(loss, activation, threshold):
    task = task_of(end(classes("no", "yes"), loss, activation), (None, 1))

    assert (task.kind, task.threshold) == (TaskKind.TWO_CLASSES, threshold)
    assert task.kept(np.array([[0.25], [0.75]])).tolist() == [0.25, 0.75]


def test_two_units_are_scored_by_their_difference_whether_logits_or_probabilities():
    task = task_of(end(classes("no", "yes"), SPARSE), (None, 2))

    assert task.kept(np.array([[0.25, 0.75], [3.0, -1.0]])).tolist() == [0.5, -4]
    assert task.threshold == 0


def test_one_unit_for_each_class_and_units_to_spare():
    task = task_of(end(classes("a", "b", "c"), SPARSE), (None, 4))

    assert task.kind is TaskKind.CLASSES
    assert task.classes == ("a", "b", "c", "unit 3")
    assert task.kept(np.array([[0.1, 0.7, 0.2, 0], [np.nan, 1, 2, 3]])).tolist() == [1, -1]


def test_one_hot_labels_are_numbers_of_classes_again():
    task = task_of(end(classes("a", "b", "c", kind=LabelKind.ONE_HOT), {"type": "CategoricalCrossentropy"}), (None, 3))

    assert task.truth(np.eye(3, dtype=np.float32)[[2, 0]]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "shape", "kind"),
    [
        (columns("x", "y"), (None, 2), TaskKind.NUMBERS),
        (columns("x", "y"), (None, 6), TaskKind.OTHER),
        (columns("x", "y", kind=LabelKind.MULTI_LABEL), (None, 2), TaskKind.MULTI_LABEL),
        (Labels(("x",), LabelKind.NUMBERS), (None, 1), TaskKind.NUMBERS),
        (Labels(("x",), LabelKind.NUMBERS), (None, 3), TaskKind.OTHER),
        (Labels(("x",), LabelKind.NUMBERS, (4, 3)), (None, 4, 3), TaskKind.NUMBERS),
        (Labels(("x",), LabelKind.NUMBERS, (4, 3)), (None, None, 3), TaskKind.OTHER),
        (classes("a", "b", "c"), (None, 1), TaskKind.NUMBERS),
        (classes("a", "b", "c"), (None, 2), TaskKind.OTHER),
        (classes("a", "b", "c"), (None, 5, 3), TaskKind.OTHER),
        (None, (None, 3), TaskKind.OTHER),
    ],
)
def test_what_an_output_is_measured_by(labels, shape, kind):
    assert task_of(end(labels, {"type": "MeanSquaredError"}), shape).kind is kind


def test_an_embedding_is_not_compared_with_classes():
    loss = {"type": "hornbeam>SupervisedContrastive"}

    task = task_of(end(classes("a", "b"), loss), (None, 16))

    assert report_on(task, np.zeros(3), None, np.arange(3)) == {"kind": "other", "target": ["kind"]}


def test_a_report_on_two_classes():
    task = task_of(end(classes("no", "yes"), BINARY, "sigmoid"), (None, 1))
    scores = np.array([0.1, 0.6, 0.8, np.nan, 0.4], np.float32)

    report = report_on(task, np.array([0, 0, 1, 1, 1]), scores, np.arange(5))

    assert report["confusion"] == [[1, 1], [1, 1]]
    assert (report["rows"], report["not_finite"], report["accuracy"]) == (4, 1, 0.5)
    assert report["per_class"][1] == {"class": "yes", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert (report["positive"], report["roc_auc"]) == ("yes", 0.75)
    assert report["average_precision"] == pytest.approx(5 / 6)


def test_a_report_on_labels_that_may_all_be_true():
    task = Task(None, TaskKind.MULTI_LABEL, ("urgent", "spam"), threshold=0.5)
    true = np.array([[1, 0], [0, 0], [1, 1]], np.float32)

    report = report_on(task, true, np.array([[0.9, 0.2], [0.2, 0.7], [0.3, 0.8]], np.float32), np.arange(3))

    assert report["accuracy"] == pytest.approx(1 / 3)
    assert [label["confusion"] for label in report["per_label"]] == [[[1, 0], [1, 1]], [[1, 1], [0, 1]]]
    assert report["weighted"]["recall"] == pytest.approx(2 / 3)
    assert report["per_label"][1]["roc_auc"] == 1


def test_a_report_on_numbers_names_the_worst_rows_of_the_dataset():
    task = task_of(end(columns("x", "y"), {"type": "MeanSquaredError"}), (None, 2))
    true = np.zeros((25, 2), np.float32)
    kept = np.stack([np.arange(25), np.zeros(25)], axis=1).astype(np.float32)

    first, second = report_on(task, true, kept, np.arange(100, 125))["targets"]

    assert [row["row"] for row in first["worst"]] == list(range(124, 104, -1))
    assert first["worst"][0] == {"row": 124, "error": 24, "true": 0, "predicted": 24}
    assert (first["mean"], first["mae"], first["r2"], second["rmse"]) == (-12, 12, None, 0)


def test_a_report_on_arrays_takes_all_their_numbers_together():
    task = Task(None, TaskKind.NUMBERS, ("curve",))

    (report,) = report_on(task, np.zeros((2, 3)), np.array([[1.0, 1, 1], [0, 0, 6]]), np.array([7, 9]))["targets"]

    assert (report["mae"], report["rows"]) == (1.5, 2)
    assert report["worst"] == [{"row": 9, "error": 2}, {"row": 7, "error": 1}]


def test_reports_on_predictions_that_are_all_lost_are_json():
    numbers, rows = Task(None, TaskKind.NUMBERS, ("x",)), np.arange(2)
    lost = np.full(2, np.nan, np.float32)

    reports = [
        report_on(numbers, np.zeros((2, 1)), lost[:, None], rows),
        report_on(Task(None, TaskKind.TWO_CLASSES, ("k",), ("a", "b")), np.zeros(2, np.int32), lost, rows),
        report_on(Task(None, TaskKind.CLASSES, ("k",), ("a", "b", "c")), np.zeros(2, np.int32), rows - 2, rows),
        report_on(Task(None, TaskKind.MULTI_LABEL, ("x",)), np.zeros((2, 1)), lost[:, None], rows),
    ]

    assert json.dumps(reports, allow_nan=False)
    assert reports[0]["targets"][0]["rmse"] is None
