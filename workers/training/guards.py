"""What the OverfittingGuards of a training need of it: errors over its training rows, and the supervisor's ear.

Leaves verdicts to the guards, and what a guard's end of the training becomes to `workers.training.run`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from hornbeam.components.callbacks import OverfittingGuard
from schemas.events import GuardEvaluation
from schemas.problems import Finding, Severity
from workers.messages import GuardEvaluated, Warned
from workers.training.columns import taken
from workers.training.course import Course
from workers.training.data import Rows, order
from workers.training.failures import AGAINST_OVERFITTING
from workers.training.feeds import Feed, make_feed
from workers.training.reporting import Send, as_floats


def connect_guards(callbacks: Sequence[Any], model: Any, course: Course, send: Send) -> None:
    """Give each guard among the callbacks of a spec, which are in its order, the training as its context."""
    for index, callback in enumerate(callbacks):
        if isinstance(callback, OverfittingGuard):
            callback.context = _GuardedTraining(model, course, send, f"/callbacks/{index}")


class _GuardedTraining:
    """The `GuardContext` of a guard in a job."""

    def __init__(self, model: Any, course: Course, send: Send, pointer: str) -> None:
        self._model, self._course, self._send, self._pointer = model, course, send, pointer
        self._feed: Feed | None = None

    def train_errors(self, rows: int | None) -> Mapping[str, float]:
        """Loss and metrics over always the same training rows, unweighted, as validation is."""
        if self._feed is None:
            self._feed = make_feed(sample(self._course, rows), self._course.batch_size)
        return as_floats(self._model.evaluate(self._feed.data, verbose=0, return_dict=True))

    def report(self, evaluation: GuardEvaluation) -> None:
        """Have the verdict written down."""
        self._send(GuardEvaluated(evaluation=evaluation))

    def warn(self, evaluation: GuardEvaluation) -> None:
        """Add a warning to the job."""
        finding = Finding(
            severity=Severity.WARNING,
            pointer=self._pointer,
            code="training.overfitting",
            message=evaluation.why,
            suggestion=AGAINST_OVERFITTING,
        )
        self._send(Warned(finding=finding))


def sample(course: Course, rows: int | None) -> Rows:
    """So many training rows (all where there are no more), a function of the course's seed, without weights."""
    train = replace(course.train, weights=None)
    if rows is None or rows >= len(train):
        return train
    # Epochs are counted from 1: this order is no epoch's.
    numbers = order(course.seed, 0, len(train))[:rows]
    return Rows(*keras.tree.map_structure(lambda column: taken(column, numbers), (train.features, train.labels)))
