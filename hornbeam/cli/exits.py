"""Exit codes: what a script may rely on. `docs/reference/cli.md` explains them."""

from enum import IntEnum

from hornbeam.errors import (
    Conflict,
    HornbeamError,
    InstallationError,
    Invalid,
    NotFound,
    ServiceUnreachable,
    Unavailable,
)
from schemas.jobs import Job, JobStatus


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    """It did what it was asked; a job that it waited for succeeded."""
    FAILED = 1
    """The job failed, or something went wrong that has no number of its own."""
    USAGE = 2
    """The command line itself is wrong (typer's own)."""
    INVALID = 3
    """The spec, the file, or another part of the request, is not valid."""
    NOT_FOUND = 4
    """There is no such job, dataset, file or component."""
    UNREACHABLE = 5
    """No service answers, or a part of it is away."""
    CANCELLED = 6
    """The job that it waited for was cancelled."""
    CONFLICT = 7
    """The state of things does not allow it."""
    INSTALLATION = 8
    """`up` or `demo` can't start: the port or the directory is in use, a part is missing."""
    INTERRUPTED = 130
    """Ctrl-C."""


_OF_ERROR: tuple[tuple[type[HornbeamError], ExitCode], ...] = (
    (Invalid, ExitCode.INVALID),
    (NotFound, ExitCode.NOT_FOUND),
    (ServiceUnreachable, ExitCode.UNREACHABLE),
    (Unavailable, ExitCode.UNREACHABLE),
    (Conflict, ExitCode.CONFLICT),
    (InstallationError, ExitCode.INSTALLATION),
)


def code_of_error(error: HornbeamError) -> ExitCode:
    """The exit code for an error."""
    return next((code for kind, code in _OF_ERROR if isinstance(error, kind)), ExitCode.FAILED)


def code_of_job(job: Job) -> ExitCode:
    """The exit code after waiting for a job."""
    if job.status == JobStatus.SUCCEEDED:
        return ExitCode.OK
    return ExitCode.CANCELLED if job.status == JobStatus.CANCELLED else ExitCode.FAILED
