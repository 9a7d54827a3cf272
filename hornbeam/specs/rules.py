"""What the parts of a spec must agree on, and settings that cannot work.

Each rule is a function of the spec that tells a report. Leaves the data to `hornbeam.specs.data`, and everything that
needs the built model (does the output fit the loss?) to the planner.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hornbeam.settings import Settings
from hornbeam.specs.findings import Report, pointer
from hornbeam.specs.wording import quoted
from schemas.training import JobSpec

_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_GUARD = "hornbeam>OverfittingGuard"
_USUAL_EPSILON = 1e-7


def check_limits(spec: JobSpec, settings: Settings, report: Report) -> None:
    """What this installation allows."""
    seconds = spec.training.max_seconds
    if seconds is not None and seconds > settings.max_job_seconds:
        message = f"A job may train for at most {settings.max_job_seconds} seconds here, not {seconds}."
        report.error("/training/max_seconds", "field.value", message)


def check_optimizer(optimizer: Mapping[str, Any], where: str, report: Report) -> None:
    """Combinations that Keras refuses, and numbers that are allowed and rarely meant; in wrapped optimizers, too."""
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
    for name, inner in optimizer.items():
        if isinstance(inner, Mapping) and "type" in inner and name != "learning_rate":
            check_optimizer(inner, f"{where}{pointer(name)}", report)


def check_callbacks(callbacks: Sequence[Mapping[str, Any]], epochs: int, report: Report) -> None:
    """Callbacks that can never act."""
    for index, callback in enumerate(callbacks):
        patience, name = callback.get("patience"), "patience"
        if not isinstance(patience, int):
            continue
        # Keras begins to count after start_from_epoch; the guard counts from the first epoch, and keeps it to itself.
        waits = patience + (callback.get("start_from_epoch") or 0)
        if callback["type"] == _GUARD and callback["warmup"] > patience:
            waits, name = callback["warmup"], "warmup"
        if waits >= epochs:
            message = f"{callback['type']} waits for {waits} epochs, and the training has {epochs}: it never acts."
            report.warning(f"/callbacks/{index}/{name}", "callback.never_acts", message)


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
