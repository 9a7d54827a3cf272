"""The life of a job: the whole table, and what follows from it."""

import pytest

from hornbeam.jobs import lifecycle
from schemas.events import TERMINAL_EVENTS
from schemas.jobs import JobStatus

#            to: queued running pausing paused cancelling cancelled succeeded failed
TABLE = {
    "queued":     "   .      x       .      .        .         x         .       x  ",
    "running":    "   x      .       x      .        x         .         x       x  ",
    "pausing":    "   .      .       .      x        x         .         x       x  ",
    "paused":     "   x      .       .      .        .         x         .       .  ",
    "cancelling": "   .      .       .      .        .         x         .       .  ",
    "cancelled":  "   .      .       .      .        .         .         .       .  ",
    "succeeded":  "   .      .       .      .        .         .         .       .  ",
    "failed":     "   .      .       .      .        .         .         .       .  ",
}  # fmt: skip
"""Written out a second time on purpose: a change of the rules has to be made here too."""

CELLS = [
    pytest.param(JobStatus(current), to, mark == "x", id=f"{current}-{to}")
    for current, row in TABLE.items()
    for to, mark in zip(JobStatus, row.split(), strict=True)
]


@pytest.mark.parametrize(("current", "to", "allowed"), CELLS)
def test_every_cell_of_the_table(current: JobStatus, to: JobStatus, allowed: bool) -> None:
    assert lifecycle.is_allowed(current, to) is allowed
    assert (current in lifecycle.sources(to)) is allowed


def test_the_table_is_whole() -> None:
    assert len(CELLS) == len(JobStatus) ** 2 == 64
    assert set(lifecycle.ALLOWED) == set(JobStatus)
    assert set(lifecycle.EVENT_OF) == set(JobStatus)


def test_the_statuses_that_are_over() -> None:
    over = {JobStatus.CANCELLED, JobStatus.SUCCEEDED, JobStatus.FAILED}
    assert over == lifecycle.TERMINAL
    assert {status for status in JobStatus if lifecycle.is_terminal(status)} == over


def test_the_events_that_end_a_stream_are_those_of_the_statuses_that_are_over() -> None:
    assert {lifecycle.EVENT_OF[status] for status in lifecycle.TERMINAL} == TERMINAL_EVENTS


def test_every_status_is_reached_from_queued() -> None:
    assert _reachable(JobStatus.QUEUED) == set(JobStatus)


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_leads_to_an_end(status: JobStatus) -> None:
    assert _reachable(status) & lifecycle.TERMINAL


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_can_be_got_rid_of_whatever_it_does(status: JobStatus) -> None:
    assert lifecycle.is_terminal(status) or JobStatus.CANCELLED in _reachable(status)


@pytest.mark.parametrize("status", JobStatus)
def test_a_lost_attempt_leads_on_by_an_allowed_change(status: JobStatus) -> None:
    if status in lifecycle.ACTIVE:
        after = lifecycle.after_lost_attempt(status)
        assert lifecycle.is_allowed(status, after)
        assert after not in lifecycle.ACTIVE
    else:
        with pytest.raises(KeyError):
            lifecycle.after_lost_attempt(status)


@pytest.mark.parametrize("outcome", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PAUSED])
def test_what_an_attempt_reports_stands_unless_the_client_wanted_the_job_gone(outcome: JobStatus) -> None:
    assert lifecycle.after_outcome(JobStatus.RUNNING, outcome) is outcome
    assert lifecycle.after_outcome(JobStatus.PAUSING, outcome) is outcome
    assert lifecycle.after_outcome(JobStatus.CANCELLING, outcome) is JobStatus.CANCELLED


def _reachable(start: JobStatus) -> set[JobStatus]:
    found, ahead = {start}, [start]
    while ahead:
        following = lifecycle.ALLOWED[ahead.pop()] - found
        found |= following
        ahead += following
    return found
