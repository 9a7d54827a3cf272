"""Which way what is measured improves."""

import json

from hornbeam.components.catalog import load_catalogue
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from hornbeam.specs.monitors import direction


def test_a_metric_with_a_value_per_class_improves_as_its_type_does():
    metrics = [{"type": "F1Score", "name": "f1"}, {"type": "hornbeam>ExpectedCalibrationError", "name": "ece_2"}]
    spec = {"metrics": metrics}

    assert {
        key: direction(key, spec) for key in ("f1", "f1_0", "val_f1_12", "ece_2", "val_ece_2_1", "loss", "x_0")
    } == {
        **dict.fromkeys(("f1", "f1_0", "val_f1_12"), "max"),
        **dict.fromkeys(("ece_2", "val_ece_2_1", "loss", "x_0"), "min"),
    }


def test_a_formula_improves_as_whoever_watches_it_says():
    off = {"formula": "abs(y_true - y_pred)", "name": "off"}
    stopping = {"type": "EarlyStopping", "monitor": "val_off", "mode": "min"}
    spec = {
        "dataset": {"source": {"builtin": "digits"}, "validation": {}},
        "model": {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]},
        "loss": "sparse_categorical_crossentropy",
        "metrics": [off],
        "checkpoints": {"monitor": "off"},
        "callbacks": [stopping],
        "training": {"epochs": 10},
    }
    checked = check_body(json.dumps(spec).encode(), load_catalogue(), Settings())

    assert checked.findings == ()
    assert checked.spec["checkpoints"]["mode"] == "min"
    assert direction("off", checked.spec) == "min"
