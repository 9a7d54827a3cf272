"""Trains one job, from its request to its last message. Called in a fresh fork that has imported Keras and run nothing.

Never raises: whatever goes wrong becomes a `Failed` message. Writes inside the request's `workdir` only. Leaves the
pipe, the signals and the limits on memory and time to whoever forked.
"""

import logging
import math
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hornbeam.components.callbacks import OverfittingGuard
from hornbeam.components.loading import loaded
from hornbeam.components.overfitting import Overfitted
from hornbeam.specs.graphs import INPUT
from hornbeam.specs.outputs import output_names
from schemas.jobs import ErrorOrigin, JobPhase
from schemas.problems import Severity
from workers.messages import Evaluated, Failed, PhaseEntered, Stopped, Succeeded, TrainerRequest
from workers.training.adapting import Learning, Learnt
from workers.training.artifacts import ArtifactWriter, Results
from workers.training.assembly import Assembler
from workers.training.beside import Beside, Here
from workers.training.build import Builder, BuildError, make_variables, model_outputs
from workers.training.checkpoints import Checkpoints, learnt_until
from workers.training.checks import check_output
from workers.training.columns import AnyColumn
from workers.training.course import Course, Position, Start
from workers.training.data import JobData, Rows, load
from workers.training.ends import ends, layer_pointers
from workers.training.engine import Engine, FitEngine
from workers.training.environment import prepare
from workers.training.evaluation.evaluating import Part, evaluate
from workers.training.evaluation.known import measured_by_fit
from workers.training.failures import StopRequested, Whereabouts, explain, failure_from_findings
from workers.training.finished import Finished, columns_of
from workers.training.guards import connect_guards
from workers.training.monitors import checkpoint_monitor
from workers.training.preprocessing import Preprocessor, graph_of
from workers.training.reporting import Channel, CheckpointPlan, History, Reporter, Send, StopFlag
from workers.training.room import SHARE_OF_FEATURES, Files, Room
from workers.training.state import State
from workers.training.weights import begin_with, learnt_before

log = logging.getLogger("workers.training")


def run(request: TrainerRequest, send: Send, stop: StopFlag, beside: Beside | None = None) -> None:
    """Train the job of `request`, telling `send` about it, until done or until `stop` is set."""
    whereabouts = Whereabouts(layers=dict(layer_pointers(request.spec["model"])))
    with _plain_log():
        try:
            channel = Channel(send, stop, whereabouts)
            writer = ArtifactWriter(Path(request.workdir), send, beside or Here())
            reason = _Training(request, channel, FitEngine(), writer).run()
        except StopRequested:
            send(Stopped())
        except Exception as error:  # noqa: BLE001 - this is the end of the process: every error becomes a message
            _log_failure(error, whereabouts)
            send(Failed(error=explain(error, whereabouts)))
        else:
            send(Succeeded(reason=reason))


class _Training:
    """The phases of one attempt, in order."""

    def __init__(self, request: TrainerRequest, channel: Channel, engine: Engine, writer: ArtifactWriter) -> None:
        self._request, self._channel, self._engine, self._writer = request, channel, engine, writer
        self._spec, self._directory = request.spec, Path(request.workdir)
        self._seconds_before, self._began = 0.0, time.monotonic()

    def run(self) -> str:
        """Go through all phases; returns the reason for which the training ended."""
        self._enter(JobPhase.LOADING_DATA)
        prepare(self._request)
        files = self._files()
        data = load(self._spec, files)
        self._enter(JobPhase.BUILDING)
        preprocessor = self._preprocessor(data)
        if preprocessor is not None:
            data = preprocessor.applied(data, Room(files))
        learning = self._learning(data)
        model, callbacks = self._build(learning, data)
        began_with = self._request.start.origin() if self._request.start else None
        checkpoints = Checkpoints(model, callbacks, self._directory, learning.learnt, began_with)
        start = self._resume(checkpoints)
        course = Course.from_spec(self._spec, data)
        reporter = self._reporter(course, checkpoints)
        connect_guards(callbacks, model, course, self._channel.send)
        if course.epochs:
            self._enter(JobPhase.TRAINING)
        self._began = time.monotonic()
        try:
            stopped_by = self._engine.train(model, course, reporter, callbacks, start) if course.epochs else None
        except Overfitted:
            results = self._results(data, reporter.history, OverfittingGuard.__name__, checkpoints.origin)
            self._enter(JobPhase.SAVING)
            self._writer.begin(results)
            self._writer.write_records(model, results)
            raise
        results = self._results(data, reporter.history, stopped_by, checkpoints.origin)
        self._writer.begin(results)
        self._channel.whereabouts.epoch = None
        results = self._evaluate(model, course, results)
        self._enter(JobPhase.SAVING)
        self._writer.write_all(model, results, saved=Finished(model, learning.learnt, preprocessor))
        return f"stopped_early: {stopped_by}" if stopped_by else "completed"

    def _files(self) -> Files:
        share = self._request.memory_bytes // SHARE_OF_FEATURES
        return Files(self._request.tables, self._directory, share, self._request.max_file_bytes)

    def _results(
        self, data: JobData, history: History, stopped_by: str | None, origin: Mapping[str, Any] | None
    ) -> Results:
        """What there is to tell when the last epoch is over."""
        return Results(
            job_id=self._request.job_id,
            spec=self._spec,
            data=data,
            origin=origin,
            history=history,
            monitor=checkpoint_monitor(self._spec),
            evaluation=None,
            stopped_by=stopped_by,
            seconds=self._seconds(),
        )

    def _enter(self, phase: JobPhase) -> None:
        self._channel.send(PhaseEntered(phase=phase))

    def _preprocessor(self, data: JobData) -> Preprocessor | None:
        """What the columns go through before the model. Raises TrainingFailed where it can't be made."""
        graph = graph_of(self._spec)
        if graph is None:
            return None
        try:
            return Preprocessor(graph, Builder(loaded().catalogue), data.train, self._learnt_columns())
        except BuildError as error:
            raise failure_from_findings([error.finding], self._channel.whereabouts.layers) from error

    def _learnt_columns(self) -> State | None:
        """What these layers are in the model that is only measured; where one is trained, they learn of its rows."""
        start = self._request.start
        is_measured = start is not None and start.checkpoint is None and not self._spec["training"]["epochs"]
        return columns_of(Path(start.path)) if start is not None and is_measured else None

    def _learning(self, data: JobData) -> Learning:
        """For layers that learn from the training rows, or did so in an earlier attempt."""
        request, learnt = self._request, Learnt()
        if request.resume is not None:
            learnt = learnt_until(Path(request.resume.path))
        elif request.start is not None:
            learnt = learnt_before(self._spec["model"], request.start)
        return Learning(lambda: _by_input(self._spec["model"], data.train), learnt)

    def _build(self, learning: Learning, data: JobData) -> tuple[Any, list[Any]]:
        """The compiled model and the callbacks, or the first error that a plan would have found."""
        spec, builder = self._spec, Builder(loaded().catalogue)
        features = _by_input(spec["model"], data.train)
        try:
            dtypes = {name: "string" for name, column in features.items() if column.dtype == object}
            model = Assembler(builder, learning, dtypes).model(spec["model"], _shapes(features))
            if self._request.start is not None:
                begin_with(model, spec["model"], self._request.start, builder)
            model.compile(
                builder.optimizer(spec),
                builder.loss(spec),
                metrics=builder.metrics(spec),
                loss_weights=spec.get("loss_weights"),
            )
            callbacks = builder.callbacks(spec)
        except BuildError as error:
            raise failure_from_findings([error.finding], self._channel.whereabouts.layers) from error
        self._check_outputs(model)
        make_variables(model, output_names(spec["model"]), data.train.first(spec["training"]["batch_size"]).labels)
        return model, callbacks

    def _check_outputs(self, model: Any) -> None:
        """Raises TrainingFailed where an output does not fit its loss or labels."""
        outputs = model_outputs(model, output_names(self._spec["model"]))
        errors = [
            finding
            for end in ends(self._spec)
            for finding in check_output(end, tuple((outputs[end.name] if end.name else outputs).shape))
            if finding.severity is Severity.ERROR
        ]
        if errors:
            raise failure_from_findings(errors, self._channel.whereabouts.layers)

    def _resume(self, checkpoints: Checkpoints) -> Start:
        if self._request.resume is None:
            return Start()
        restored = checkpoints.restore(Path(self._request.resume.path))
        self._seconds_before = restored.seconds
        return restored.start

    def _reporter(self, course: Course, checkpoints: Checkpoints) -> Reporter:
        before = self._request.resume.history if self._request.resume else []
        history = History([dict(metrics) for metrics in before], [time.time()] * len(before))

        def save(position: Position, stopped_by: str | None) -> str:
            return str(checkpoints.save(position, seconds=self._seconds(), stopped_by=stopped_by))

        plan = CheckpointPlan(self._spec["checkpoints"]["every_epochs"], save)
        return Reporter(course, checkpoint_monitor(self._spec), plan, history, self._channel)

    def _evaluate(self, model: Any, course: Course, results: Results) -> Results:
        """The results with what the model is worth on the rows that are held back."""
        data = results.data
        if data.validation is None and data.test is None:
            return results
        self._enter(JobPhase.EVALUATING)
        known = measured_by_fit(model, self._spec, results.history.epochs) if course.epochs else None
        validation = _finite(known) if known else self._measured(model, data.validation, course.batch_size)
        test = self._measured(model, data.test, course.batch_size)
        if test is not None:
            self._channel.send(Evaluated(metrics=test))
        name, rows, metrics = ("test", data.test, test) if data.test else ("validation", data.validation, validation)
        measured = evaluate(model, self._spec, Part(name, rows or data.train, metrics or {}), self._is_to_stop(course))
        return replace(results, evaluation=validation, test=test, measured=measured)

    def _measured(self, model: Any, rows: Rows | None, batch_size: int) -> dict[str, float] | None:
        """The loss and metrics over some rows, those that are finite."""
        return None if rows is None else _finite(self._engine.evaluate(model, rows, batch_size))

    def _is_to_stop(self, course: Course) -> Callable[[], bool]:
        """A training that is over is not stopped any more: little is left. Where nothing was trained, this is all."""
        return (lambda: False) if course.epochs else self._channel.stop.is_set

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _by_input(model: Mapping[str, Any], rows: Rows) -> Mapping[str, AnyColumn]:
    """The features by the names of the model's inputs."""
    if isinstance(rows.features, Mapping):
        return rows.features
    (name,) = model.get("inputs") or (INPUT,)
    return {name: rows.features}


def _shapes(features: Mapping[str, AnyColumn]) -> dict[str, tuple[int | None, ...]]:
    """The shape of one example, by input."""
    return {name: array.shape[1:] for name, array in features.items()}


@contextmanager
def _plain_log() -> Iterator[None]:
    """Log to the process's stdout, Python's warnings too, without paths of this machine."""
    handler = logging.StreamHandler(sys.stdout)
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    log.warning("%s: %s", category.__name__, message)


def _log_failure(error: Exception, whereabouts: Whereabouts) -> None:
    """One line for the client; where it was raised, too, when the error is our own."""
    explained = explain(error, whereabouts)
    log.error("failed (%s): %s", explained.code, explained.message)
    if explained.origin is ErrorOrigin.SERVICE:
        frames = traceback.extract_tb(error.__traceback__)
        log.error("at %s", " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames)))
