r"""The life of a job: one table of allowed changes of status, and no I/O.

    queued -> running -> succeeded
      |          |  \--> failed
      |          |  \--> pausing -> paused -> queued
      |          |  \--> cancelling -> cancelled
      |          \-----> queued        (the attempt was lost)
      \--> cancelled | failed

Stores apply the table atomically (`UPDATE … WHERE status IN sources(to)`); nobody else decides.
"""

from schemas.events import EventType
from schemas.jobs import JobStatus

_Q, _R = JobStatus.QUEUED, JobStatus.RUNNING
_PG, _P = JobStatus.PAUSING, JobStatus.PAUSED
_CG, _C = JobStatus.CANCELLING, JobStatus.CANCELLED
_S, _F = JobStatus.SUCCEEDED, JobStatus.FAILED

ALLOWED: dict[JobStatus, frozenset[JobStatus]] = {
    _Q: frozenset({_R, _C, _F}),
    _R: frozenset({_S, _F, _PG, _CG, _Q}),
    # A job may end, or fail, before the order to pause reaches it; a lost attempt has paused by itself.
    _PG: frozenset({_P, _CG, _S, _F}),
    _P: frozenset({_Q, _C}),
    # Whatever the attempt does once the client wants it gone, the job ends as cancelled.
    _CG: frozenset({_C}),
    _C: frozenset(),
    _S: frozenset(),
    _F: frozenset(),
}

TERMINAL = frozenset(status for status, following in ALLOWED.items() if not following)
ACTIVE = frozenset({_R, _PG, _CG})
"""The statuses in which an attempt holds the job's lease."""

EVENT_OF: dict[JobStatus, EventType | None] = {
    _Q: EventType.JOB_QUEUED,
    _R: EventType.JOB_STARTED,
    _PG: None,
    _P: EventType.JOB_PAUSED,
    _CG: EventType.JOB_CANCELLING,
    _C: EventType.JOB_CANCELLED,
    _S: EventType.JOB_SUCCEEDED,
    _F: EventType.JOB_FAILED,
}
"""The event that announces a status. A lost attempt announces `job.retrying` instead of `job.queued`."""


def is_allowed(current: JobStatus, to: JobStatus) -> bool:
    """Whether a job may go from `current` to `to`."""
    return to in ALLOWED[current]


def is_terminal(status: JobStatus) -> bool:
    """Whether a job with this status is over for good."""
    return status in TERMINAL


def sources(to: JobStatus) -> frozenset[JobStatus]:
    """The statuses from which a job may become `to`."""
    return frozenset(status for status, following in ALLOWED.items() if to in following)


def after_lost_attempt(current: JobStatus) -> JobStatus:
    """What becomes of a job whose attempt vanished while the job was `current`.

    Raises KeyError for a status in which no attempt holds the job.
    """
    return {_R: _Q, _PG: _P, _CG: _C}[current]


def after_outcome(current: JobStatus, outcome: JobStatus) -> JobStatus:
    """The status in which a job ends whose attempt reports `outcome` while the job is `current`."""
    return _C if current is _CG else outcome
