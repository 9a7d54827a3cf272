"""Keras's side of reporting: what `fit` calls, and the state of its callbacks across attempts.

`FitCallbacks` is a CallbackList that costs next to nothing for each batch: Keras's own turns every metric into a
number at every step, and hands work to a thread pool. Leaves what is reported to `workers.training.reporting`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from workers.training.columns import Array
from workers.training.course import CallbackState, Course, Start
from workers.training.feeds import Feed
from workers.training.reporting import Reporter, as_floats

_STATE: Mapping[str, tuple[str, ...]] = {
    "EarlyStopping": ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    "ReduceLROnPlateau": ("wait", "best", "cooldown_counter"),
}
"""What Keras's callbacks forget at `on_train_begin` and a resumed training must remember."""


def state_of(callback: Any) -> CallbackState:
    """What a callback must remember; its own `get_state()` where it has one."""
    if hasattr(callback, "get_state"):
        return dict(callback.get_state())
    return {name: getattr(callback, name) for name in _STATE.get(type(callback).__name__, ())}


def restore_state(callback: Any, state: CallbackState) -> None:
    """Make a callback remember, after its `on_train_begin`."""
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    for name, value in state.items():
        setattr(callback, name, value)


def assign_all(variables: Sequence[Any], values: Sequence[Array]) -> None:
    """Set variables, one by one. Raises ValueError where their numbers differ."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class FitCallbacks(keras.callbacks.CallbackList):  # type: ignore[misc]
    """What `fit` calls: the spec's callbacks, then the feed and the reporter."""

    def __init__(self, callbacks: Sequence[Any], model: Any, course: Course, feed: Feed, reporter: Reporter) -> None:
        super().__init__(
            list(callbacks), add_history=True, model=model, epochs=course.epochs, steps=course.steps_per_epoch
        )
        self._model, self._course, self._feed, self._reporter = model, course, feed, reporter
        self._watching_batches = [callback for callback in self.callbacks if _overrides(callback, "train")]
        self._watching_tests = [callback for callback in self.callbacks if _overrides(callback, "test")]
        self._start = Start()
        self._epoch, self._skipped = 1, 0
        self.stopped_by: str | None = None
        """The type of the callback that ended the training, where one did."""

    def resume(self, start: Start) -> None:
        """Go on from `start`."""
        self._start = start

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin; the callbacks remember only now, because beginning makes them forget."""
        super().on_train_begin(logs)
        for callback, state in zip(self.callbacks, self._start.callbacks, strict=False):
            restore_state(callback, state)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Line up the epoch's rows."""
        self._epoch = epoch + 1
        resumed = epoch == self._start.position.epoch
        self._skipped = self._start.position.batch if resumed else 0
        self._feed.begin(self._course.order(self._epoch), self._skipped)
        if self._skipped:
            assign_all(self._model.metrics_variables, self._start.metrics)
        super().on_epoch_begin(epoch, logs)
        self._reporter.epoch_begins(self._epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """End a resumed epoch, of which a part was done before, where its rows end: Keras reads StopIteration so."""
        if batch + self._skipped >= self._course.steps_per_epoch:
            raise StopIteration
        for callback in self._watching_batches:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report the batch, without waiting for its numbers unless somebody wants them."""
        step = batch + self._skipped + 1
        if self._watching_batches:
            logs = as_floats(logs or {})
            self._reporter.check_loss(self._epoch, step, logs)
            for callback in self._watching_batches:
                callback.on_train_batch_end(batch, logs)
                self._note_stop(callback)
        self._reporter.batch_done(self._epoch, step, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the epoch with what the callbacks added to its metrics, such as the learning rate."""
        numbers = as_floats(logs or {})
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, numbers)
            self._note_stop(callback)
        self._reporter.epoch_ends(epoch + 1, numbers, stopped_by=self.stopped_by)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tell those who asked."""
        for callback in self._watching_tests:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell those who asked."""
        if self._watching_tests:
            numbers = as_floats(logs or {})
            for callback in self._watching_tests:
                callback.on_test_batch_end(batch, numbers)

    def _note_stop(self, callback: Any) -> None:
        if self._model.stop_training and self.stopped_by is None:
            self.stopped_by = type(callback).__name__


def _overrides(callback: Any, what: str) -> bool:
    names = {f"on_{what}_batch_begin", f"on_{what}_batch_end"}
    if what == "train":
        names |= {"on_batch_begin", "on_batch_end"}
    return any(getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name) for name in names)
