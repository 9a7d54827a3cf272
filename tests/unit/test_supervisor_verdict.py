"""What becomes of an attempt: every way in which a trainer can end."""

import signal

import pytest

from schemas.jobs import ErrorOrigin, JobError, JobStatus
from workers.launcher import Exit
from workers.messages import Failed, Stopped, Succeeded
from workers.verdict import Abandon, Evidence, Finish, GiveBack, StopReason, judge, with_log_tail

CLEAN, KILLED = Exit(status=0), Exit(signal=signal.SIGKILL)
ERROR = JobError(origin=ErrorOrigin.TRAINING, code="training.step_failed", message="It broke.")
LIMIT = JobError(origin=ErrorOrigin.RESOURCES, code="resources.time_limit", message="Too long.")
SUCCEEDED, STOPPED, FAILED = Succeeded(reason="completed"), Stopped(), Failed(error=ERROR)


def ending_of(verdict, exit, stopped_for=None, **more):
    ending = judge(Evidence(verdict, exit, stopped_for, **more))
    if isinstance(ending, Finish):
        error = ending.outcome.error
        return (ending.outcome.status.value, error.code if error else None)
    if isinstance(ending, GiveBack):
        return ("given back", ending.error.code if ending.error else None)
    return ("abandoned", None)


@pytest.mark.parametrize(
    ("verdict", "exit", "stopped_for", "expected"),
    [
        (SUCCEEDED, CLEAN, None, ("succeeded", None)),
        (FAILED, CLEAN, None, ("failed", "training.step_failed")),
        (STOPPED, CLEAN, None, ("given back", "infrastructure.trainer_stopped")),
        (None, CLEAN, None, ("failed", "service.trainer_crashed")),
        (None, Exit(status=1), None, ("failed", "service.trainer_crashed")),
        (None, Exit(signal=signal.SIGSEGV), None, ("failed", "service.trainer_crashed")),
        (None, KILLED, None, ("given back", "infrastructure.trainer_killed")),
        (None, Exit(), None, ("given back", "infrastructure.zygote_died")),
        # What the trainer said counts, however its process ended afterwards.
        (SUCCEEDED, KILLED, None, ("succeeded", None)),
        (FAILED, KILLED, None, ("failed", "training.step_failed")),
        # A client that cancels gets what it wanted; a training that was done before that is done.
        (STOPPED, CLEAN, StopReason.CANCELLED, ("cancelled", None)),
        (None, KILLED, StopReason.CANCELLED, ("cancelled", None)),
        (FAILED, CLEAN, StopReason.CANCELLED, ("cancelled", None)),
        (SUCCEEDED, CLEAN, StopReason.CANCELLED, ("succeeded", None)),
        (STOPPED, CLEAN, StopReason.PAUSED, ("paused", None)),
        (FAILED, CLEAN, StopReason.PAUSED, ("failed", "training.step_failed")),
        (STOPPED, CLEAN, StopReason.DRAINED, ("given back", None)),
        (None, KILLED, StopReason.DRAINED, ("given back", None)),
        (SUCCEEDED, CLEAN, StopReason.DRAINED, ("succeeded", None)),
        (FAILED, CLEAN, StopReason.DRAINED, ("failed", "training.step_failed")),
        (STOPPED, CLEAN, StopReason.OUT_OF_TOUCH, ("given back", None)),
        (None, KILLED, StopReason.BROKEN, ("failed", "service.supervisor_error")),
        (None, KILLED, StopReason.LEASE_LOST, ("abandoned", None)),
        (SUCCEEDED, CLEAN, StopReason.LEASE_LOST, ("abandoned", None)),
    ],
)
def test_the_end_of_an_attempt(verdict, exit, stopped_for, expected):
    assert ending_of(verdict, exit, stopped_for) == expected


@pytest.mark.parametrize("verdict", [None, STOPPED, FAILED])
def test_a_limit_fails_the_job_with_its_own_error(verdict):
    assert ending_of(verdict, KILLED, StopReason.LIMIT, limit_error=LIMIT) == ("failed", "resources.time_limit")


def test_a_kill_while_the_system_ran_out_of_memory_is_the_jobs_own_fault():
    killed = Exit(signal=signal.SIGKILL, max_rss_bytes=512 * 2**20)
    ending = judge(Evidence(None, killed, was_out_of_memory=True))
    assert isinstance(ending, Finish)
    assert ending.outcome.error.code == "resources.out_of_memory"
    assert "512 MiB" in ending.outcome.error.message


def test_a_crash_names_its_signal_or_status():
    assert "SIGSEGV" in judge(Evidence(None, Exit(signal=signal.SIGSEGV))).outcome.error.message
    assert "status 3" in judge(Evidence(None, Exit(status=3))).outcome.error.message


@pytest.mark.parametrize("verdict", [FAILED, None])
def test_every_error_carries_the_end_of_the_log(verdict):
    ending = with_log_tail(judge(Evidence(verdict, KILLED)), ["last words"])
    error = ending.outcome.error if isinstance(ending, Finish) else ending.error
    assert error.log_tail == ["last words"]


def test_what_has_no_error_stays_as_it_is():
    for ending in (judge(Evidence(SUCCEEDED, CLEAN)), Abandon(), GiveBack("worker drained")):
        assert with_log_tail(ending, ["last words"]) == ending


def test_only_infrastructure_is_to_blame_for_what_is_given_back():
    for end in (KILLED, Exit()):
        error = judge(Evidence(None, end)).error
        assert (error.origin, error.retryable) == (ErrorOrigin.INFRASTRUCTURE, True)


def test_statuses_are_those_that_an_attempt_may_report():
    reported = {judge(Evidence(verdict, CLEAN)).outcome.status for verdict in (SUCCEEDED, FAILED, None)}
    assert reported == {JobStatus.SUCCEEDED, JobStatus.FAILED}
