"""Law 3: a status changes only as the lifecycle allows. Every ordered pair, through the store's real methods."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hornbeam.errors import LeaseLost, TransitionRefused
from hornbeam.jobs.lifecycle import ALLOWED, EVENT_OF
from hornbeam.jobs.record import Attempt, JobRecord
from hornbeam.storage.base import LeaseSighting, Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import ERROR, FAILURE, PAUSED, STOPPED, SUCCESS, Chapter, start
from schemas.events import EventType
from schemas.jobs import JobStatus

PAIRS = [pytest.param(current, to, id=f"{current}-{to}") for current in JobStatus for to in JobStatus]


@dataclass(frozen=True)
class Placed:
    """A job that was brought into a status by legal steps, and the last attempt at it."""

    job: JobRecord
    attempt: Attempt

    @property
    def sighting(self) -> LeaseSighting:
        """The lease as it was last seen; of a job that nobody holds, as it may have been seen before."""
        return LeaseSighting(self.job.id, self.attempt.number, self.job.heartbeat_at or self.job.queued_at)


_STEPS: dict[JobStatus, Callable[[Store, Attempt], object]] = {
    JobStatus.QUEUED: lambda store, attempt: store.release(attempt, "drained"),
    JobStatus.RUNNING: lambda store, attempt: None,
    JobStatus.PAUSING: lambda store, attempt: store.request_pause(attempt.job_id, "asked"),
    JobStatus.PAUSED: lambda store, attempt: (
        store.request_pause(attempt.job_id, "asked"),
        store.finish(attempt, PAUSED),
    ),
    JobStatus.CANCELLING: lambda store, attempt: store.request_cancel(attempt.job_id, "asked"),
    JobStatus.CANCELLED: lambda store, attempt: (
        store.request_cancel(attempt.job_id, "asked"),
        store.finish(attempt, STOPPED),
    ),
    JobStatus.SUCCEEDED: lambda store, attempt: store.finish(attempt, SUCCESS),
    JobStatus.FAILED: lambda store, attempt: store.finish(attempt, FAILURE),
}
"""The legal steps from a running job to each status."""

_WAYS: dict[str, Callable[[Store, Placed], object]] = {
    "claim": lambda store, placed: store.claim("wrk_2", has_gpu=True, lease_seconds=60),
    "cancel": lambda store, placed: store.request_cancel(placed.job.id, "asked"),
    "pause": lambda store, placed: store.request_pause(placed.job.id, "asked"),
    "resume": lambda store, placed: store.resume_job(placed.job.id, "asked"),
    "fail": lambda store, placed: store.fail_job(placed.job.id, FAILURE),
    "finish succeeded": lambda store, placed: store.finish(placed.attempt, SUCCESS),
    "finish failed": lambda store, placed: store.finish(placed.attempt, FAILURE),
    "finish cancelled": lambda store, placed: store.finish(placed.attempt, STOPPED),
    "finish paused": lambda store, placed: store.finish(placed.attempt, PAUSED),
    "release": lambda store, placed: store.release(placed.attempt, "drained"),
    "give up": lambda store, placed: store.give_up(placed.sighting, max_attempts=99, error=ERROR.model_dump()),
    "give up for good": lambda store, placed: store.give_up(placed.sighting, max_attempts=1, error=ERROR.model_dump()),
}
"""Every method of a store that may change a status, asked for each thing that it can be asked for."""


class StatusLaws(Chapter):
    """Every ordered pair of statuses."""

    @pytest.mark.parametrize(("current", "to"), PAIRS)
    def test_a_status_changes_only_as_the_lifecycle_allows(
        self, store: Store, clock: Clock, current: JobStatus, to: JobStatus
    ) -> None:
        reached = {way: _after(store, clock, current, way) for way in _WAYS}
        assert (to in reached.values()) == (to in ALLOWED[current]), reached

    @pytest.mark.parametrize("to", JobStatus)
    def test_the_events_of_a_change(self, store: Store, clock: Clock, to: JobStatus) -> None:
        placed = _place(store, clock, to)
        events = store.events(placed.job.id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        types = [event.type for event in events]
        assert types[:2] == [EventType.JOB_QUEUED, EventType.JOB_STARTED]
        announced = EventType.JOB_RETRYING if to is JobStatus.QUEUED else EVENT_OF[to]
        assert announced is None or types[-1] is announced
        assert len(types) == sum(_announces(status) for status in _passed_through(placed.job))

    def test_a_failure_is_told_by_job_and_event(self, store: Store, clock: Clock) -> None:
        placed = _place(store, clock, JobStatus.FAILED)
        assert placed.job.error == ERROR
        assert store.events(placed.job.id)[-1].data["error"] == ERROR.model_dump(mode="json")


def _place(store: Store, clock: Clock, status: JobStatus) -> Placed:
    attempt = start(store, clock)
    _STEPS[status](store, attempt)
    job = store.get_job(attempt.job_id)
    assert job.status is status
    return Placed(job, attempt)


def _after(store: Store, clock: Clock, current: JobStatus, way: str) -> JobStatus | None:
    """The status that a job in `current` gets this way, or None where nothing at all was changed."""
    placed = _place(store, clock, current)
    before, events_before = placed.job, store.events(placed.job.id)
    try:
        _WAYS[way](store, placed)
    except (TransitionRefused, LeaseLost):
        assert store.get_job(before.id) == before
    after = store.get_job(before.id)
    if after.transitions == before.transitions:
        assert (after, store.events(before.id)) == (before, events_before)
        return None
    assert after.version > before.version
    assert [*before.transitions, after.transitions[-1]] == list(after.transitions)
    assert after.transitions[-1].status is after.status
    _settle(store, after)
    return after.status


def _settle(store: Store, job: JobRecord) -> None:
    """Take a queued job out of the next way's way."""
    if job.status is JobStatus.QUEUED:
        store.request_cancel(job.id, "asked")


def _passed_through(job: JobRecord) -> list[JobStatus]:
    return [transition.status for transition in job.transitions]


def _announces(status: JobStatus) -> bool:
    return EVENT_OF[status] is not None
