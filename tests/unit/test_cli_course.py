"""The course of a job from its events, and the tables and lines drawn from it."""

import io
from datetime import UTC, datetime

from rich.console import Console

from hornbeam.cli import tables, wording
from hornbeam.cli.course import Course
from hornbeam.cli.watching import PlainLines
from schemas.events import Event, EventType


def _event(type: EventType, **data) -> Event:
    return Event(seq=1, type=type, at=datetime.now(UTC), data=data)


def _epoch(number: int, loss: float, *, best: bool = False) -> Event:
    metrics = {"loss": loss, "accuracy": 0.5, "val_loss": loss * 2}
    return _event(EventType.EPOCH_COMPLETED, epoch=number, metrics=metrics, seconds=1.0, best=best)


def _progress(epoch: int) -> Event:
    return _event(
        EventType.PROGRESS,
        percent=40.0, epoch=epoch, epochs=3, step=2, steps_per_epoch=5, eta_seconds=4.2, metrics={"loss": 0.5},
    )  # fmt: skip


def _rendered(renderable) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(renderable)
    return console.file.getvalue()


def _course(*events: Event) -> Course:
    course = Course()
    for event in events:
        course.take(event)
    return course


def test_the_best_epoch_is_the_last_that_was_best_when_it_ended():
    course = _course(_epoch(1, 0.9, best=True), _epoch(2, 0.5, best=True), _epoch(3, 0.7))
    assert course.best is course.epochs[1]
    marked = [line for line in _rendered(tables.result_table(course)).splitlines() if "best" in line]
    assert [line.split()[:2] for line in marked] == [["2", "0.5000"]]


def test_an_epoch_that_is_trained_again_replaces_what_came_after_it():
    course = _course(_epoch(1, 0.9), _epoch(2, 0.5), _epoch(3, 0.4), _epoch(2, 0.6))
    assert [(row.epoch, row.metrics["loss"]) for row in course.epochs] == [(1, 0.9), (2, 0.6)]


def test_a_long_training_is_shortened_around_what_matters():
    course = _course(*(_epoch(number, 1.0, best=number == 20) for number in range(1, 101)))
    first_words = [line.split()[0] for line in _rendered(tables.result_table(course)).splitlines()[2:]]
    assert first_words == ["1", "2", "3", "…", "20", "…", *map(str, range(91, 101))]


def test_progress_that_cannot_be_read_is_left_out():
    assert _course(_event(EventType.PROGRESS, nonsense=1)).progress is None


def test_status_and_phase_follow_the_events():
    course = _course(_event(EventType.JOB_STARTED), _event(EventType.JOB_PHASE, phase="training"), _progress(1))
    assert (course.status, course.phase, course.progress.epoch) == ("running", "training", 1)
    course.take(_event(EventType.JOB_RETRYING))
    assert (course.status, course.phase, course.progress) == ("queued", None, None)
    course.take(_event(EventType.JOB_CANCELLED))
    assert course.status == "cancelled"


def test_without_a_terminal_there_is_a_short_line_for_each_thing_worth_one():
    console, course = Console(file=io.StringIO(), width=80), Course()
    with PlainLines(console) as lines:
        for event in (
            _event(EventType.JOB_QUEUED),
            _event(EventType.JOB_PHASE, phase="loading_data"),
            _progress(1),
            _epoch(1, 0.25, best=True),
            _event(EventType.WARNING, message="[brackets] stay"),
            _event(EventType.JOB_SUCCEEDED),
        ):
            course.take(event)
            lines.show(event, course)
    assert console.file.getvalue().splitlines() == [
        "queued",
        "loading data",
        "epoch 1/3  loss 0.2500  accuracy 0.5000  val_loss 0.5000  best",
        "warning: [brackets] stay",
        "succeeded",
    ]


def test_numbers_are_short_and_say_something():
    assert [wording.number(value) for value in (None, 0.0, 0.12345, 1e-7, 123456.0, -2.5)] == [
        "-", "0.0000", "0.1235", "1e-07", "1.23e+05", "-2.5000",
    ]  # fmt: skip
    assert [wording.seconds(value) for value in (0.004, 12.34, 200, 7500)] == [
        "0.00 s",
        "12.3 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [wording.size(value) for value in (512, 14_200, 3_100_000)] == ["512 B", "14.2 kB", "3.1 MB"]
    assert wording.in_order(["accuracy", "loss", "val_accuracy", "val_loss"]) == [
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    ]
