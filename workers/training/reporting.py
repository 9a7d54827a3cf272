"""What a training tells its supervisor while it runs, and what it is told: progress, epochs, checkpoints, the stop.

Engines call a `Reporter` at every batch and epoch, whatever loop they run. Leaves Keras's own callbacks to
`workers.training.callbacks`.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from schemas.jobs import ErrorLocation, ErrorOrigin, Progress
from schemas.problems import Finding, Severity
from workers.messages import CheckpointSaved, EpochCompleted, Message, Progressed, Warned
from workers.training.course import Course, Position
from workers.training.failures import StopRequested, Whereabouts, failure
from workers.training.monitors import Monitor

Send = Callable[[Message], None]

PROGRESS_SECONDS = 0.25

log = logging.getLogger(__name__)


class StopFlag(Protocol):
    """How the supervisor's wish to stop reaches the training; a `threading.Event` will do."""

    def is_set(self) -> bool:
        """Whether the training should end now."""


@dataclass(slots=True)
class History:
    """The metrics of the epochs so far, and when each ended."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    """Seconds since 1970; for epochs of an earlier attempt the time when this one began."""

    def __len__(self) -> int:
        return len(self.epochs)

    def append(self, metrics: dict[str, float]) -> None:
        """Add the next epoch, which ended now."""
        self.epochs.append(metrics)
        self.ended_at.append(time.time())


@dataclass(frozen=True, slots=True)
class CheckpointPlan:
    """When to save a checkpoint, and how."""

    every_epochs: int
    save: Callable[[Position, str | None], str]
    """Writes a file for a position, with the callback that ended the training there if any; returns its path."""


class Reporter:
    """Tells the supervisor how one training goes. Raises TrainingFailed for a loss that is not finite."""

    def __init__(
        self, course: Course, monitor: Monitor, checkpoints: CheckpointPlan, history: History, channel: "Channel"
    ) -> None:
        self.history = history
        self._course, self._monitor, self._checkpoints, self._channel = course, monitor, checkpoints, channel
        self._best = _best(monitor, history.epochs)
        kept = history.epochs[checkpoints.every_epochs - 1 :: checkpoints.every_epochs]
        self._best_saved = _best(monitor, kept)
        self._pace = _Pace(course)
        self._last_progress = -math.inf
        self._epoch_began = time.monotonic()
        self._warned: set[str] = set()

    def epoch_begins(self, epoch: int) -> None:
        """Epoch `epoch` (from 1) is under way."""
        self._channel.whereabouts.epoch, self._channel.whereabouts.step = epoch, 0
        self._epoch_began = time.monotonic()

    def check_loss(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """Refuse a loss that is not finite, for engines that have the numbers of every batch at hand."""
        self._channel.whereabouts.epoch, self._channel.whereabouts.step = epoch, step
        self._refuse_non_finite_loss(metrics)

    def batch_done(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Step `step` (from 1) of an epoch is done; `logs` are the running means, read only when they are due.

        Raises StopRequested, after saving a checkpoint, when the training is to end within the epoch.
        """
        self._channel.whereabouts.step = step
        now = time.monotonic()
        self._pace.step_done(epoch, step, now)
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._report_progress(epoch, step, logs, now)
        if step < self._course.steps_per_epoch and self._channel.stop.is_set():
            self._save(Position(epoch - 1, step), self.history.epochs[-1] if self.history.epochs else {}, best=False)
            raise StopRequested

    def epoch_ends(self, epoch: int, logs: Mapping[str, Any], *, stopped_by: str | None) -> None:
        """Epoch `epoch` is over and validated; a callback may have ended the training. Raises StopRequested."""
        metrics = as_floats(logs)
        self._refuse_non_finite_loss(metrics)
        metrics = self._without_non_finite(metrics)
        is_best = self._monitor.is_better(metrics, self._best)
        self._best = metrics if is_best else self._best
        self.history.append(metrics)
        seconds = time.monotonic() - self._epoch_began
        self._channel.send(EpochCompleted(epoch=epoch, metrics=metrics, seconds=seconds, is_best=is_best))
        log.info("epoch %d/%d in %.2f s: %s", epoch, self._course.epochs, seconds, _in_words(metrics))
        last = stopped_by is not None or epoch == self._course.epochs
        stopping = self._channel.stop.is_set() and not last
        if stopping or last or epoch % self._checkpoints.every_epochs == 0:
            best_saved = self._monitor.is_better(metrics, self._best_saved)
            self._best_saved = metrics if best_saved else self._best_saved
            self._save(Position(epoch), metrics, best=best_saved, stopped_by=stopped_by)
        if stopping:
            raise StopRequested

    def _report_progress(self, epoch: int, step: int, logs: Mapping[str, Any], now: float) -> None:
        metrics = as_floats(logs)
        self._refuse_non_finite_loss(metrics)
        self._last_progress = now
        self._channel.send(
            Progressed(
                progress=Progress(
                    percent=round(100 * self._pace.share_done, 2),
                    epoch=epoch,
                    epochs=self._course.epochs,
                    step=step,
                    steps_per_epoch=self._course.steps_per_epoch,
                    eta_seconds=self._pace.seconds_left(now),
                    metrics={key: value for key, value in metrics.items() if math.isfinite(value)},
                )
            )
        )

    def _save(
        self, position: Position, metrics: dict[str, float], *, best: bool, stopped_by: str | None = None
    ) -> None:
        path = self._checkpoints.save(position, stopped_by)
        step = self._course.steps_until(position)
        self._channel.send(CheckpointSaved(path=path, epoch=position.epoch, step=step, metrics=metrics, is_best=best))

    def _refuse_non_finite_loss(self, metrics: Mapping[str, float]) -> None:
        loss = metrics.get("loss", 0.0)
        if math.isfinite(loss):
            return
        here = self._channel.whereabouts
        raise failure(
            ErrorOrigin.TRAINING,
            "training.non_finite_loss",
            f"The loss became {loss} in epoch {here.epoch}, by step {here.step}.",
            where=ErrorLocation(epoch=here.epoch, step=here.step),
            suggestion="Lower the learning rate, set the optimizer's clipnorm, or bring the features to a common "
            "scale with a Normalization, Rescaling or BatchNormalization layer.",
        )

    def _without_non_finite(self, metrics: dict[str, float]) -> dict[str, float]:
        for key in sorted(
            key for key, value in metrics.items() if not math.isfinite(value) and key not in self._warned
        ):
            self._warned.add(key)
            message = f"{key} is {metrics[key]} in epoch {len(self.history) + 1}; such values are left out."
            self._channel.send(
                Warned(
                    finding=Finding(
                        severity=Severity.WARNING, pointer="", code="training.non_finite_metric", message=message
                    )
                )
            )
        return {key: value for key, value in metrics.items() if math.isfinite(value)}


@dataclass(frozen=True, slots=True)
class Channel:
    """Both directions between a training and its supervisor, and the place that errors are told with."""

    send: Send
    stop: StopFlag
    whereabouts: Whereabouts


class _Pace:
    """How much of a course is done, and how long the rest will take at the pace so far."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._total = course.epochs * course.steps_per_epoch
        self._done = 0
        self._first: tuple[int, float] | None = None

    @property
    def share_done(self) -> float:
        return self._done / self._total

    def step_done(self, epoch: int, step: int, now: float) -> None:
        self._done = self._course.steps_until(Position(epoch - 1, step))
        # The first step compiles the model: it says nothing about the pace.
        self._first = self._first or (self._done, now)

    def seconds_left(self, now: float) -> float | None:
        if self._first is None or self._done == self._first[0]:
            return None
        since, began = self._first
        return round((now - began) / (self._done - since) * (self._total - self._done), 2)


def as_floats(logs: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as plain numbers; a metric with a value per class becomes one entry for each, `name_0`, `name_1` …."""
    numbers: dict[str, float] = {}
    for key, value in logs.items():
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 0:
            numbers[key] = float(array)
        else:
            numbers.update({f"{key}_{index}": float(item) for index, item in enumerate(array.ravel())})
    return numbers


def _best(monitor: Monitor, epochs: Sequence[dict[str, float]]) -> dict[str, float] | None:
    index = monitor.best(epochs)
    return None if index is None else epochs[index]


def _in_words(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4g}" for key, value in metrics.items())
