"""Evaluations: a finished job's model, measured on other rows by a job of its own."""

from http import HTTPStatus

from fastapi import Request, Response

from hornbeam.errors import (
    InvalidSpec,
    JobNotFound,
    JobNotSucceeded,
    KeyInFlight,
    KeyReused,
    ModelNotReady,
    StoreUnavailable,
)
from schemas.jobs import Job
from service.bodies import read_body, require_json
from service.dependencies import Here, JobId
from service.documentation import JSON, answer, headers
from service.evaluations import submit_evaluation
from service.examples import EVALUATION, JOB
from service.idempotency import KEY_HEADER, key_of
from service.routing import problems, router

routes = router("/v1/jobs", "jobs")


@routes.post(
    "/{job_id}/evaluate",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Job,
    responses={
        **answer("The job that measures, recorded and queued.", 202, JOB, headers("Location", "Retry-After")),
        **problems(
            *(400, 403, 413, 415, 422),
            *(JobNotFound, JobNotSucceeded, ModelNotReady, InvalidSpec, KeyReused, KeyInFlight, StoreUnavailable),
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/EvaluationRequest"}, "example": EVALUATION},
            },
        },
        **KEY_HEADER,
    },
    summary="Evaluate a job's model",
)
async def evaluate_job(request: Request, here: Here, job_id: JobId) -> Response:
    """Measure the finished model on another dataset with the same columns, in a job of its own that trains nothing.

    Its `summary.test` has the loss and the metrics, its artifacts `evaluation.json` and the pictures. Columns that are
    missing or of another kind, and classes that the training did not know, are findings.
    """
    require_json(request)
    body = await read_body(request, here.parts.settings.max_body_bytes)
    about = here.parts.store, here.parts.settings
    done = await submit_evaluation(job_id, body, key_of(request), here.submissions, here.threads, about)
    return Response(done.body, done.status, done.headers, JSON)
