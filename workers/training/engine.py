"""How a model is trained: the seam behind which loops can differ and results cannot.

An engine runs the epochs of a course with Keras's semantics (same losses, metrics, callbacks, epoch ends) and
calls the reporter at each batch or as near to that as it can. Leaves building the model, and what happens to it
afterwards, to `workers.training.run`.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import keras

from workers.training.callbacks import FitCallbacks
from workers.training.course import Course, Start
from workers.training.data import Rows
from workers.training.feeds import Feed, make_feed
from workers.training.reporting import Reporter, as_floats


class Engine(ABC):
    """Trains and evaluates compiled models."""

    @abstractmethod
    def train(
        self, model: Any, course: Course, reporter: Reporter, callbacks: Sequence[Any], start: Start
    ) -> str | None:
        """Run the epochs that follow `start`. Raises what the reporter raises, and whatever the backend does.

        An epoch takes its rows as `course.order` has them. The callbacks are Keras's, run in their order at every
        epoch and, where they ask for it, at every batch; one that sets `model.stop_training` ends the training.

        Returns:
            The type of the callback that ended the training early, None where all epochs were run.
        """

    @abstractmethod
    def evaluate(self, model: Any, rows: Rows, batch_size: int) -> dict[str, float]:
        """The loss and metrics over some rows."""


class FitEngine(Engine):
    """Keras's own `fit`, one step at a time."""

    def __init__(self) -> None:
        self._feeds: dict[int, tuple[Rows, Feed]] = {}

    def train(
        self, model: Any, course: Course, reporter: Reporter, callbacks: Sequence[Any], start: Start
    ) -> str | None:
        """Run `model.fit`."""
        feed = make_feed(course.train, course.batch_size)
        fit_callbacks = FitCallbacks(callbacks, model, course, feed, reporter)
        fit_callbacks.resume(start)
        with warnings.catch_warnings():
            # An epoch that was cut short by a stop has fewer batches than it announces.
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            model.fit(
                feed.data,
                validation_data=course.validation and self._feed(course.validation, course.batch_size),
                initial_epoch=start.position.epoch,
                epochs=start.position.epoch if start.stopped_by else course.epochs,
                callbacks=fit_callbacks,
                shuffle=False,
                verbose=0,
            )
        if keras.config.backend() == "jax":
            _own_arrays(model.optimizer.variables)
        return fit_callbacks.stopped_by or start.stopped_by

    def evaluate(self, model: Any, rows: Rows, batch_size: int) -> dict[str, float]:
        """Run `model.evaluate`."""
        return as_floats(model.evaluate(self._feed(rows, batch_size), verbose=0, return_dict=True))

    def _feed(self, rows: Rows, batch_size: int) -> Any:
        """Of rows that are not trained on; those that `fit` used already: another would have to be traced anew."""
        if id(rows) not in self._feeds:
            self._feeds[id(rows)] = rows, make_feed(rows, batch_size)
        return self._feeds[id(rows)][1].data


def _own_arrays(variables: Sequence[Any]) -> None:
    """Give variables arrays that no others have.

    With `use_ema`, Keras ends `fit` by giving the weights the very arrays of their averages. `evaluate` then hands the
    weights' to JAX for reuse, and the averages would be gone when the model is saved.
    """
    for variable in variables:
        variable.assign(keras.ops.copy(variable))
