"""What `fit` has measured already: the validation rows after the last epoch, if nothing changed the weights since."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

_LEAVE_WEIGHTS = frozenset({"LearningRateScheduler", "ReduceLROnPlateau", "TerminateOnNaN"})
_BASE = keras.optimizers.Optimizer


def measured_by_fit(
    model: Any, spec: Mapping[str, Any], epochs: Sequence[Mapping[str, float]]
) -> dict[str, float] | None:
    """The validation loss and metrics of a model that has just been trained, or None where they have to be measured.

    Args:
        model: Compiled.
        spec: Normalised.
        epochs: The metrics of each epoch.
    """
    optimizer = model.optimizer
    # Averages of the weights take their place when `fit` ends.
    has_averages = optimizer.use_ema or type(optimizer).finalize_variable_values is not _BASE.finalize_variable_values
    if not epochs or has_averages or not all(map(_leaves_weights, spec["callbacks"])):
        return None
    last = {name.removeprefix("val_"): value for name, value in epochs[-1].items() if name.startswith("val_")}
    return last or None


def _leaves_weights(callback: Mapping[str, Any]) -> bool:
    if callback["type"] == "EarlyStopping":
        return not callback.get("restore_best_weights")
    return callback["type"] in _LEAVE_WEIGHTS
