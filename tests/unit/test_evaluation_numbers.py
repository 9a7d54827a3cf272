import numpy as np
import pytest
from sklearn import metrics

from workers.training.evaluation import confusion, ranking, residuals


def drawn(classes, rows=500, seed=0):
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, rows).astype(np.int32)
    return true, np.where(random.random(rows) < 0.6, true, random.integers(0, classes, rows)).astype(np.int32)


def test_a_confusion_matrix_by_hand():
    counts = confusion.confusion(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 2]), 3)

    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert confusion.accuracy(counts) == 0.6
    assert confusion.scores(counts).precision.tolist() == [0.5, 0.5, 1]
    assert confusion.scores(counts).recall.tolist() == [0.5, 1, 0.5]


@pytest.mark.parametrize("classes", [2, 3, 40])
def test_classes_are_measured_as_scikit_learn_does(classes):
    true, predicted = drawn(classes)

    counts = confusion.confusion(true, predicted, classes)

    assert (counts == metrics.confusion_matrix(true, predicted)).all()
    assert confusion.accuracy(counts) == pytest.approx(metrics.accuracy_score(true, predicted))
    for average, found in (("macro", confusion.macro), ("weighted", confusion.weighted), (None, confusion.scores)):
        expected = metrics.precision_recall_fscore_support(true, predicted, average=average)
        ours = found(counts)
        for own, theirs in zip((ours.precision, ours.recall, ours.f1), expected[:3], strict=True):
            assert own == pytest.approx(theirs)


def test_classes_that_no_row_has_or_is_taken_for():
    counts = confusion.confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 4)

    assert confusion.scores(counts).f1.tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert float(confusion.macro(counts).f1) == pytest.approx(
        metrics.f1_score([0, 0, 1], [0, 1, 1], average="macro", zero_division=0)
    )


def test_no_rows_at_all():
    counts = confusion.confusion(np.zeros(0, np.int32), np.zeros(0, np.int32), 3)

    assert np.isnan(confusion.accuracy(counts))
    assert float(confusion.macro(counts).recall) == 0
    assert np.isnan(residuals.statistics(np.zeros(0), np.zeros(0))["rmse"])
    assert np.isnan(residuals.quantiles(np.zeros(0), np.zeros(0))["0.5"])


def test_the_most_confused_classes_in_their_order():
    counts = np.array([[9, 0, 0, 0], [0, 5, 4, 0], [0, 1, 5, 0], [0, 2, 0, 7]])

    assert confusion.most_confused(counts, 2).tolist() == [1, 2]
    assert confusion.most_confused(counts, 9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("seed", range(5))
def test_ranking_is_measured_as_scikit_learn_does_with_ties_too(decimals, seed):
    random = np.random.default_rng(seed)
    true = random.random(300) < 0.3
    scores = np.round(random.random(300) * 0.7 + true * 0.2, decimals).astype(np.float32)

    assert ranking.roc_auc(true, scores) == pytest.approx(metrics.roc_auc_score(true, scores))
    assert ranking.average_precision(true, scores) == pytest.approx(metrics.average_precision_score(true, scores))


def test_ranking_of_a_single_class_says_nothing():
    assert np.isnan(ranking.roc_auc(np.ones(3, bool), np.arange(3.0)))
    assert np.isnan(ranking.roc_auc(np.zeros(3, bool), np.arange(3.0)))
    assert np.isnan(ranking.average_precision(np.zeros(3, bool), np.arange(3.0)))
    assert ranking.average_precision(np.ones(3, bool), np.arange(3.0)) == 1


def test_residuals_are_measured_as_scikit_learn_does():
    random = np.random.default_rng(1)
    true = random.normal(50, 9, 400).astype(np.float32)
    predicted = (true + random.normal(1, 3, 400)).astype(np.float32)

    found = residuals.statistics(true, predicted)

    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(true, predicted), rel=1e-6)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, predicted), rel=1e-6)
    assert found["r2"] == pytest.approx(metrics.r2_score(true, predicted), rel=1e-6)
    assert found["median"] == pytest.approx(np.median(true - predicted), rel=1e-5)
    assert residuals.quantiles(true, predicted)["0.25"] == pytest.approx(np.quantile(true - predicted, 0.25), rel=1e-5)


def test_residuals_by_hand():
    found = residuals.statistics(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]))

    assert found == pytest.approx(
        {"mean": 1, "std": (2 / 3) ** 0.5, "median": 1, "mae": 1, "rmse": (5 / 3) ** 0.5, "r2": -1.5}
    )
    assert np.isnan(residuals.statistics(np.ones(3), np.zeros(3))["r2"])


def test_the_worst_come_first():
    assert residuals.worst(np.array([1.0, 5.0, 3.0, 5.0]), 3).tolist() == [1, 3, 2]
