"""What the parts of a spec must agree on: the data with its split, weights and shape; settings that cannot work.

Each rule is a function of the spec that tells a report. Leaves everything that needs the built model (does the
output fit the loss?) to the planner.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.components.catalog import closest
from hornbeam.datasets.builtin import BUILTIN, DatasetSchema
from hornbeam.settings import Settings
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import quoted
from schemas.datasets import DatasetSpec
from schemas.training import JobSpec

_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_GUARD = "hornbeam>OverfittingGuard"
_USUAL_EPSILON = 1e-7


def check_data(spec: JobSpec, dataset: DatasetSpec, report: Report) -> None:
    """The split, the class weights and the batch size, against the dataset."""
    data = BUILTIN[dataset.source.builtin]
    training_rows = _check_split(dataset, data, report)
    _check_class_weight(spec, data, report)
    if spec.training.batch_size > training_rows > 0:
        message = f"A batch is larger than the training data, which has {training_rows} rows: an epoch is one step."
        report.warning("/training/batch_size", "batch_size.larger_than_data", message)


def check_columns(dataset: DatasetSpec, report: Report) -> None:
    """That the columns which inputs take and outputs predict are the dataset's."""
    known = BUILTIN[dataset.source.builtin].feature_names
    for name, columns in (dataset.features or {}).items():
        _check_column_names(columns, known, f"/dataset/features{pointer(name)}", report)
    for name, target in (dataset.target or {}).items():
        if target != "label":
            _check_column_names(target.columns, known, f"/dataset/target{pointer(name)}/columns", report)


def _check_column_names(names: Sequence[str], known: Sequence[str], where: str, report: Report) -> None:
    for index, name in enumerate(names):
        if name not in known:
            near = closest(name, list(known))
            suggestion = f"Did you mean {near!r}?" if near else f"There is: {', '.join(known[:15])}."
            message = f"The dataset has no column {quoted(name)}."
            report.error(f"{where}/{index}", "dataset.unknown_column", message, suggestion)


def check_limits(spec: JobSpec, settings: Settings, report: Report) -> None:
    """What this installation allows."""
    seconds = spec.training.max_seconds
    if seconds is not None and seconds > settings.max_job_seconds:
        message = f"A job may train for at most {settings.max_job_seconds} seconds here, not {seconds}."
        report.error("/training/max_seconds", "field.value", message)


def check_optimizer(optimizer: Mapping[str, Any], where: str, report: Report) -> None:
    """Combinations that Keras refuses, and numbers that are allowed and rarely meant."""
    clipping = [name for name in _CLIPPING if optimizer.get(name) is not None]
    if len(clipping) > 1:
        message = f"Only one of {', '.join(clipping)} can be set."
        report.error(f"{where}/{clipping[1]}", "optimizer.two_clippings", message)
    rate = optimizer.get("learning_rate")
    if isinstance(rate, int | float) and rate > 1:
        message = f"A learning rate of {rate} makes most trainings diverge."
        report.warning(f"{where}/learning_rate", "optimizer.learning_rate_high", message, "Try 0.001.")
    if optimizer.get("epsilon") == 0:
        message = "With an epsilon of 0 the optimizer divides by zero where a gradient is zero."
        suggestion = f"Leave epsilon out: Keras uses {_USUAL_EPSILON}."
        report.warning(f"{where}/epsilon", "optimizer.epsilon_zero", message, suggestion)


def check_callbacks(callbacks: Sequence[Mapping[str, Any]], epochs: int, report: Report) -> None:
    """Callbacks that can never act."""
    for index, callback in enumerate(callbacks):
        patience = callback.get("patience")
        if isinstance(patience, int) and patience >= epochs:
            message = f"{callback['type']} waits for {patience} epochs, and the training has {epochs}: it never acts."
            report.warning(f"/callbacks/{index}/patience", "callback.never_acts", message)


def check_plateaus(callbacks: Sequence[Mapping[str, Any] | None], optimizer: Mapping[str, Any], report: Report) -> None:
    """Refuse to have a learning rate lowered that a schedule sets: Keras would raise when it is, after some epochs."""
    if not isinstance(_innermost(optimizer).get("learning_rate"), Mapping):
        return
    for index, callback in enumerate(callbacks):
        if callback is not None and callback["type"] == "ReduceLROnPlateau":
            message = "ReduceLROnPlateau lowers the learning rate, and the optimizer has a schedule for it."
            suggestion = "Give the optimizer a number as its learning_rate, or leave the callback out."
            report.error(f"/callbacks/{index}", "callback.schedule_in_the_way", message, suggestion)


def _innermost(optimizer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The optimizer that others are wrapped around."""
    inner = optimizer.get("optimizer") or optimizer.get("inner_optimizer")
    return _innermost(inner) if isinstance(inner, Mapping) else optimizer


def check_guard(callback: Mapping[str, Any], keys: Sequence[str], where: str, report: Report) -> bool:
    """Whether a callback is an OverfittingGuard that has no validation to compare training with: that is refused."""
    monitor, has_validation = str(callback["monitor"]), any(key.startswith("val_") for key in keys)
    if callback["type"] != _GUARD or (has_validation and monitor.startswith("val_")):
        return False
    missing, suggestion = "there is no validation data", "Add dataset.validation: {fraction: 0.2}."
    if has_validation:
        missing, suggestion = f"{quoted(monitor)} is of training alone", f"Watch {f'val_{monitor}'!r}."
    message = f"OverfittingGuard compares validation with training, and {missing}."
    report.error(f"{where}/monitor", "guard.needs_validation", message, suggestion)
    return True


def _check_split(dataset: DatasetSpec, data: DatasetSchema, report: Report) -> int:
    """How many rows are left for training; they are split as scikit-learn's `train_test_split` would."""
    split = dataset.validation
    if split is None:
        return data.rows
    where = "/dataset/validation"
    validation_rows = math.ceil(split.fraction * data.rows)
    training_rows = data.rows - validation_rows
    if split.stratify and data.classes is None:
        message = "A stratified split needs classes, and the dataset is for regression."
        report.error(f"{where}/stratify", "split.needs_classes", message, "Leave stratify out.")
    fewest = len(data.classes) if split.stratify and data.classes is not None else 1
    if min(training_rows, validation_rows) < fewest:
        message = f"Of {data.rows} rows {training_rows} would be left for training and {validation_rows} for validation"
        report.error(f"{where}/fraction", "split.too_few_rows", f"{message}; each needs {fewest} or more.")
    return training_rows


def _check_class_weight(spec: JobSpec, data: DatasetSchema, report: Report) -> None:
    weights = spec.training.class_weight
    where = "/training/class_weight"
    if weights is None:
        return
    if data.classes is None:
        message = "Classes can't be weighed: the dataset is for regression."
        report.error(where, "class_weight.no_classes", message, "Leave class_weight out.")
        return
    valid = {str(number) for number in range(len(data.classes))}
    for key in weights if isinstance(weights, dict) else ():
        if key not in valid:
            message = f"There is no class {quoted(key)}: classes are numbered from 0 to {len(valid) - 1}."
            suggestion = f"{data.classes.index(key)!r} is {key!r}." if key in data.classes else None
            report.error(f"{where}{pointer(key)}", "class_weight.unknown_class", message, suggestion)
