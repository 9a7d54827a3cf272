"""Turns an error answer back into the exception that the service raised.

Leaves the other direction to `service.problems`.
"""

from collections.abc import Iterator

import httpx
from pydantic import ValidationError

from hornbeam.errors import (
    Conflict,
    HornbeamError,
    Invalid,
    InvalidDataset,
    InvalidSpec,
    NotFound,
    Unavailable,
    UnexpectedAnswer,
)
from schemas.problems import Problem

_KIND_OF_STATUS: dict[int, type[HornbeamError]] = {
    400: Invalid,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: Unavailable,
}


def error_of(response: httpx.Response) -> HornbeamError:
    """The exception that an answer with an error status stands for. The body must have been read.

    A code that this version does not know becomes the class that its status suggests.
    """
    try:
        error = _raised_by(Problem.model_validate_json(response.content), response.status_code)
    except ValidationError:
        error = not_ours(response)
    seconds = response.headers.get("retry-after", "")
    error.retry_after = float(seconds) if seconds.isdecimal() else None
    return error


def _raised_by(problem: Problem, status: int) -> HornbeamError:
    message = problem.detail or problem.title
    if problem.code == InvalidDataset.code:
        return InvalidDataset(problem.errors, message)
    if problem.errors:
        return InvalidSpec(problem.errors, message, plan=problem.plan)
    kind = _class_of_code(problem.code) or _KIND_OF_STATUS.get(status, UnexpectedAnswer)
    return kind(message)


def _class_of_code(code: str) -> type[HornbeamError] | None:
    known = {kind.code: kind for kind in _descendants(HornbeamError)}
    found = known.get(code)
    return None if found in (InvalidSpec, InvalidDataset) else found


def _descendants(kind: type[HornbeamError]) -> Iterator[type[HornbeamError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def not_ours(response: httpx.Response) -> HornbeamError:
    """The exception for an answer of something between us and the service, or of another service altogether."""
    kind = Unavailable if response.status_code in {502, 503, 504} else UnexpectedAnswer
    url = response.request.url.copy_with(query=None)
    return kind(
        f"{url} answered {response.status_code} {response.reason_phrase}, and not as a Hornbeam service does.",
        suggestion="Check the address of the service.",
    )
