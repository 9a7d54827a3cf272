import math

import pytest

from workers.training.monitors import Monitor
from workers.training.reporting import as_floats

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", [3.0, 1.0, 2.0], 1),
        ("max", [3.0, 1.0, 2.0], 0),
        ("min", [2.0, 2.0], 0),
        ("min", [math.nan, 2.0, math.inf], 1),
        ("max", [math.nan], None),
        ("min", [], None),
    ],
)
def test_the_first_of_the_best_epochs_wins_and_no_number_beats_nothing(mode, values, best):
    assert Monitor("val_loss", mode).best([{"val_loss": value} for value in values]) == best


def test_an_epoch_without_the_metric_is_never_best():
    monitor = Monitor("val_loss", "min")

    assert monitor.best([{"loss": 1.0}]) is None
    assert monitor.is_better({"val_loss": 1.0}, {"loss": 1.0})


def test_a_metric_with_a_value_per_class_becomes_one_entry_each():
    assert as_floats({"loss": 1, "f1_score": [0.5, 0.25]}) == {"loss": 1.0, "f1_score_0": 0.5, "f1_score_1": 0.25}
