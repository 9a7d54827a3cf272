"""docs/reference/errors.md, from `hornbeam.errors`, `service.problems` and the meanings in `codes`."""

from collections.abc import Iterator

from service.problems import CODE_OF, STATUS_OF
from tools.reference.codes import FINDINGS, HTTP, JOB_ERRORS, SERVICE
from tools.reference.markdown import note, table

_INTRODUCTION = """\
# Errors

## Problems

An answer that is an error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `instance`, a
stable `code` for programs, and in `errors` everything that was found, each with a JSON `pointer` into what was sent, a
`code`, a `message` and, where there is one, a `suggestion`. A 503 carries `Retry-After`. `hornbeam.client` raises the
exception of `hornbeam.errors` that has the code.
"""

_FINDINGS = """
## Findings

A finding is an `error`, which refuses the spec, or a `warning` or `info`, which goes with the accepted job. One answer
has all findings. What only shows when the model is built fails the job, under the same code, where no planner was there
to find it. A parameter of the query, the path or a header that is wrong is a finding too: `parameter.` and the type of
pydantic's error.
"""

_JOBS = """
## Failed jobs

A failed job has an `error`: an `origin` (`spec`, `data`, `training`, `resources`, `infrastructure` or `service`), a
`code` from here or from the findings, a `message`, `retryable`, `where` (layer, epoch, step), a `suggestion`, and the
end of the log. The service begins a job again by itself when the `infrastructure` failed, until it has begun it
`HORNBEAM_MAX_ATTEMPTS` times; after any other failure it does not.
"""


def render() -> str:
    """The page."""
    parts = [
        note("`hornbeam/errors.py`, `service/problems.py` and `tools/reference/codes.py`"),
        "",
        _INTRODUCTION,
        table(("status", "code", "meaning"), _problems()),
        _FINDINGS,
        table(("code", "meaning"), _coded(FINDINGS)),
        _JOBS,
        table(("code", "meaning"), _coded(JOB_ERRORS)),
    ]
    return "\n".join(parts) + "\n"


def _problems() -> Iterator[tuple[str, str, str]]:
    of_http = {(status, code): HTTP[code] for status, code in CODE_OF.items()}
    ours = {(int(status), error.code): (error.__doc__ or "").split("\n")[0] for error, status in STATUS_OF.items()}
    for (status, code), meaning in sorted({**of_http, **SERVICE, **ours}.items()):
        yield str(status), f"`{code}`", meaning


def _coded(codes: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"`{code}`", meaning) for code, meaning in codes.items())
