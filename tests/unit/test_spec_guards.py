"""An OverfittingGuard in a spec: what it compares must be there."""

import json

import pytest

from hornbeam.components.catalog import load_catalogue
from hornbeam.errors import InvalidSpec
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body

CATALOGUE = load_catalogue()


def spec(validation, **guard):
    return {
        "dataset": {"source": {"builtin": "digits"}, "validation": validation},
        "model": {"layers": [{"type": "Dense", "units": 10, "activation": "softmax"}]},
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "training": {"epochs": 20},
        "callbacks": [{"type": "OverfittingGuard", **guard}],
    }


def checked(validation, **guard):
    return check_body(json.dumps(spec(validation, **guard)).encode(), CATALOGUE, Settings())


def refused(validation, **guard):
    """Pointer, code, message and suggestion of the only finding."""
    with pytest.raises(InvalidSpec) as caught:
        checked(validation, **guard)
    (finding,) = caught.value.findings
    return finding.pointer, finding.code, finding.message, finding.suggestion


def test_every_default_is_filled_in_and_the_direction_known():
    (guard,) = checked({"fraction": 0.2}).spec["callbacks"]
    assert (guard["type"], guard["monitor"], guard["mode"]) == ("hornbeam>OverfittingGuard", "val_loss", "min")
    assert (guard["action"], guard["train_reference"], guard["train_sample"]) == ("warn", "end_of_epoch", 5000)
    (guard,) = checked({"fraction": 0.2}, monitor="val_accuracy").spec["callbacks"]
    assert guard["mode"] == "max"


def test_without_validation_data_there_is_one_finding():
    assert refused(None) == (
        "/callbacks/0",
        "guard.needs_validation",
        "OverfittingGuard compares validation with training, and there is no validation data.",
        "Add dataset.validation: {fraction: 0.2}.",
    )


def test_what_is_measured_in_training_alone_can_not_be_watched():
    pointer, code, message, suggestion = refused({"fraction": 0.2}, monitor="accuracy")
    assert (pointer, code) == ("/callbacks/0/monitor", "guard.needs_validation")
    assert message.endswith("and 'accuracy' is of training alone.")
    assert suggestion == "Watch 'val_accuracy'."


def test_what_is_not_measured_at_all_can_not_be_watched():
    assert refused({"fraction": 0.2}, monitor="val_acuracy")[1] == "monitor.unknown"


@pytest.mark.parametrize(
    "guard",
    [
        {"action": "restart"},
        {"patience": 0},
        {"smoothing": 1.0},
        {"rel_threshold": -0.1},
        {"train_sample": 0},
    ],
)
def test_parameters_have_limits(guard):
    (name,) = guard
    assert refused({"fraction": 0.2}, **guard)[:2] == (f"/callbacks/0/{name}", "parameter.value")


@pytest.mark.parametrize(("guard", "where"), [({"warmup": 20}, "warmup"), ({"patience": 20, "warmup": 2}, "patience")])
def test_a_guard_that_never_speaks_up_is_told(guard, where):
    (finding,) = checked({"fraction": 0.2}, **guard).findings

    assert (finding.pointer, finding.code) == (f"/callbacks/0/{where}", "callback.never_acts")
    assert finding.message == "hornbeam>OverfittingGuard waits for 20 epochs, and the training has 20: it never acts."
    assert checked({"fraction": 0.2}, **{**guard, where: 19}).findings == ()
