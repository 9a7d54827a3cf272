"""Everything that can go wrong, as `application/problem+json` (RFC 9457).

Domain errors know a code and never HTTP: their statuses stand here, one for each leaf of `hornbeam.errors` that a
request can meet. What is not listed is a bug, and becomes a 500 that says nothing about it.
"""

import logging
import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from hornbeam import errors
from hornbeam.specs.findings import pointer
from schemas.problems import Finding, Problem

MEDIA_TYPE = "application/problem+json"

STATUS_OF: Mapping[type[errors.HornbeamError], HTTPStatus] = {
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.CheckpointNotFound: HTTPStatus.NOT_FOUND,
    errors.ArtifactNotFound: HTTPStatus.NOT_FOUND,
    errors.ModelNotReady: HTTPStatus.NOT_FOUND,
    errors.ComponentNotFound: HTTPStatus.NOT_FOUND,
    errors.DatasetNotFound: HTTPStatus.NOT_FOUND,
    errors.UploadNotFound: HTTPStatus.NOT_FOUND,
    errors.TransitionRefused: HTTPStatus.CONFLICT,
    errors.JobNotOver: HTTPStatus.CONFLICT,
    errors.JobNotSucceeded: HTTPStatus.CONFLICT,
    errors.KeyInFlight: HTTPStatus.CONFLICT,
    errors.DatasetInUse: HTTPStatus.CONFLICT,
    errors.UploadBusy: HTTPStatus.CONFLICT,
    errors.InvalidSpec: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidCursor: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidDataset: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DigestMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UploadIncomplete: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceNotAllowed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourcePrivate: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceRedirected: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SourceUnreachable: HTTPStatus.BAD_GATEWAY,
    errors.SourceStatus: HTTPStatus.BAD_GATEWAY,
    errors.SourceUnusable: HTTPStatus.BAD_GATEWAY,
    errors.DatasetTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ArtifactStoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.IngestBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.LeaseLost: HTTPStatus.CONFLICT,
}

RETRY_SECONDS: Mapping[type[errors.HornbeamError], float] = {
    errors.KeyInFlight: 1,
    errors.UploadBusy: 2,
    errors.IngestBusy: 10,
    errors.StoreUnavailable: 5,
    errors.QueueUnavailable: 5,
    errors.ArtifactStoreUnavailable: 5,
}

CODE_OF: Mapping[int, str] = {
    400: "request.malformed",
    403: "request.cross_site",
    404: "path.not_found",
    405: "method.not_allowed",
    406: "media_type.not_acceptable",
    408: "request.timeout",
    413: "body.too_large",
    415: "media_type.unsupported",
    416: "range.not_satisfiable",
    421: "request.misdirected",
    422: "parameter.invalid",
    503: "unavailable",
}
"""Codes of what goes wrong in HTTP itself, before any of our business."""

_log = logging.getLogger(__name__)


class ProblemResponse(Response):
    """A problem as an answer."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.model_dump_json(), status_code=problem.status, headers=dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    """Have the application answer every error with a problem."""
    app.add_exception_handler(errors.HornbeamError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_domain_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.HornbeamError) or type(error) not in STATUS_OF:
        raise error
    said = f"{error.message} {error.suggestion}" if error.suggestion else error.message
    found = error.findings if isinstance(error, errors.InvalidSpec | errors.InvalidDataset) else ()
    problem = problem_of(request, STATUS_OF[type(error)], error.code, said, found)
    if isinstance(error, errors.InvalidSpec) and error.plan is not None:
        problem = problem.model_copy(update={"plan": error.plan})
    seconds = error.retry_after or RETRY_SECONDS.get(type(error))
    return ProblemResponse(problem, {} if seconds is None else {"Retry-After": str(math.ceil(seconds))})


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    found = [_finding(item) for item in error.errors()] if isinstance(error, RequestValidationError) else []
    return ProblemResponse(
        problem_of(request, HTTPStatus.UNPROCESSABLE_ENTITY, CODE_OF[422], "A parameter is not valid.", found)
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    detail = error.detail if error.detail != status.phrase else None
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods_here(request)))
        detail = f"{request.method} is not allowed here."
    elif status is HTTPStatus.NOT_FOUND:
        detail = "There is nothing at this path."
    return ProblemResponse(problem_of(request, status, CODE_OF.get(status, "http"), detail), headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    # The server raises the error again after this answer, and so logs it with its traceback.
    _log.error("%s %s met a bug: %s", request.method, request.url.path, type(error).__name__)
    detail = "The service has met a bug. It is in its log."
    return ProblemResponse(problem_of(request, HTTPStatus.INTERNAL_SERVER_ERROR, "service.bug", detail))


def problem_of(
    request: Request, status: HTTPStatus, code: str, detail: str | None, found: Iterable[Finding] = ()
) -> Problem:
    """A problem with this request."""
    return Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        instance=request.scope.get("raw_path", b"").decode("ascii", "replace") or None,
        code=code,
        errors=list(found),
    )


def _finding(item: Mapping[str, Any]) -> Finding:
    """One of pydantic's errors about a parameter: its place is `query`, `path` or `header`, then a name."""
    place, name, *inside = item["loc"]
    message = f"{place} parameter {name}: {item['msg']}"
    return Finding(pointer=pointer(place, name, *inside), code=f"parameter.{item['type']}", message=message)


def _methods_here(request: Request) -> set[str]:
    """The methods that some route takes at this path."""
    return {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in getattr(route, "methods", None) or ()
    }
