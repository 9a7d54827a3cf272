"""Jobs: create, read, list, cancel, delete."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response

from hornbeam.errors import (
    ArtifactStoreUnavailable,
    InvalidCursor,
    InvalidSpec,
    JobNotFound,
    JobNotOver,
    KeyInFlight,
    KeyReused,
    StoreUnavailable,
    TransitionRefused,
)
from hornbeam.jobs.lifecycle import is_terminal
from hornbeam.jobs.record import JobRecord
from hornbeam.storage.base import JobQuery
from schemas.jobs import Job, JobPage, JobStatus, Proof, QueueReason
from service.bodies import read_body, require_json
from service.conditions import matches
from service.dependencies import Here, JobId, Service, Wait, service_of
from service.documentation import JSON, answer, deep_object, header, headers
from service.examples import JOB, PROOF, SPECS, page
from service.idempotency import KEY_HEADER, key_of
from service.jobs import to_job
from service.queries import After, CreatedAfter, Order, in_utc, metadata_of
from service.routing import problems, router
from service.views import JobView

routes = router("/v1/jobs", "jobs")


@routes.get(
    "/{job_id}",
    response_model=Job,
    responses={
        **answer("The job.", 200, JOB, headers("ETag", "Retry-After")),
        304: {"description": "Nothing has changed since the answer that `If-None-Match` names."},
        **problems(JobNotFound),
    },
    openapi_extra=header("If-None-Match", "The `ETag` of an earlier answer: 304 when it still holds."),
    summary="Get a job",
)
async def get_job(request: Request, job_id: JobId, wait: Wait = None) -> Response:
    """The job as it stands, with its live progress or its place in the queue.

    With `wait`, the answer comes as soon as the job is another one than the answer named by `If-None-Match` (without
    that: than it is now), at the latest after so many seconds.
    """
    here, known = service_of(request), request.headers.get("if-none-match")
    view = await here.views.get(job_id)
    if wait and not view.is_terminal and (known is None or matches(known, view.etag)):
        view = await _awaited(here, view, wait)
    about = {"ETag": view.etag, "Cache-Control": "no-cache"}
    if not view.is_terminal:
        about["Retry-After"] = _pause(view)
    if matches(known, view.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=about)
    return Response(view.body, headers=about, media_type=JSON)


@routes.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=Job,
    responses={
        **answer("The job, recorded and queued.", 202, JOB, headers("Location", "Retry-After")),
        200: {
            "model": Proof,
            "description": "What `validate_only` found: the normalised spec, and the plan of the model.",
            "content": {JSON: {"example": PROOF}},
        },
        **problems(400, 403, 413, 415, 422, InvalidSpec, KeyReused, KeyInFlight, StoreUnavailable),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/JobSpec"}, "examples": SPECS}},
        },
        **KEY_HEADER,
    },
    summary="Submit a job",
)
async def create_job(
    request: Request,
    validate_only: Annotated[bool, Query(description="Only say what a real submission would find.")] = False,
) -> Response:
    """Have a model trained. The spec is checked in full, and by building the model without memory, before the answer.

    The job is on record once the answer is there, whether or not the broker and a worker can be reached just now.
    """
    here = service_of(request)
    require_json(request)
    body = await read_body(request, here.parts.settings.max_body_bytes)
    if validate_only:
        proof = await here.submissions.prove(body)
        return Response(proof.model_dump_json(), media_type=JSON)
    done = await here.submissions.submit(body, key_of(request))
    return Response(done.body, done.status, done.headers, JSON)


@routes.get(
    "",
    response_model=JobPage,
    responses={
        **answer("A page of jobs.", example=page(JOB)),
        **problems(422, InvalidCursor),
    },
    openapi_extra=deep_object("metadata", "Only jobs that carry all of these pairs: `metadata[team]=vision`."),
    summary="List jobs",
)
async def list_jobs(
    request: Request,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.", examples=[20])] = 20,
    after: After = None,
    status: Annotated[
        list[JobStatus], Query(description="Only jobs with this status; may be given more than once.")
    ] = [],  # noqa: B006 - FastAPI copies it
    created_after: CreatedAfter = None,
    order: Order = "desc",
) -> Response:
    """Jobs by the time of their creation, as the database has them: live progress and queue are the job's own."""
    query = JobQuery(
        limit=limit,
        after=after,
        statuses=frozenset(status),
        metadata=metadata_of(request),
        created_after=None if created_after is None else in_utc(created_after),
        newest_first=order == "desc",
    )
    return Response(await here.threads.run(_page, here, query), media_type=JSON)


@routes.post(
    "/{job_id}/cancel",
    response_model=Job,
    responses={
        **answer("The job, cancelled or about to be.", example=JOB),
        **problems(403, JobNotFound, TransitionRefused),
    },
    summary="Cancel a job",
)
async def cancel_job(here: Here, job_id: JobId) -> Response:
    """Stop a job: at once where it waits; where it trains, after the batch under way, with a last checkpoint saved.

    Harmless when asked again. A job that has succeeded or failed is a conflict.
    """
    await here.threads.run(_cancel, here, job_id)
    view = await here.views.get(job_id)
    return Response(view.body, headers={"ETag": view.etag}, media_type=JSON)


@routes.delete(
    "/{job_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={
        204: {"description": "The job is forgotten, with its files."},
        **problems(403, JobNotFound, JobNotOver, StoreUnavailable, ArtifactStoreUnavailable),
    },
    summary="Delete a job",
)
async def delete_job(here: Here, job_id: JobId) -> Response:
    """Forget a job that is over, with its events, logs, checkpoints and artifacts."""
    await here.threads.run(_delete, here, job_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _awaited(here: Service, before: JobView, seconds: float) -> JobView:
    """The job when it is another one than before."""
    job_id = before.record.id
    return await here.waiting.until(
        job_id, seconds, lambda: here.views.get(job_id, live=True), lambda view: view.etag != before.etag
    )


def _pause(view: JobView) -> str:
    """Seconds until a poll without `wait` is worth it."""
    nobody_comes = view.queue is not None and view.queue.reason in {
        QueueReason.NO_WORKER,
        QueueReason.NO_MATCHING_WORKER,
    }
    return "5" if nobody_comes else "1"


def _page(here: Service, query: JobQuery) -> str:
    page = here.parts.store.list_jobs(query)
    rows = [to_job(record) for record in page.rows]
    return JobPage(data=rows, has_more=page.next is not None, next=page.next).model_dump_json()


def _cancel(here: Service, job_id: str) -> JobRecord:
    record = here.parts.store.request_cancel(job_id, "requested")
    here.parts.live.nudge(job_id)
    here.parts.live.announce(job_id)
    return record


def _delete(here: Service, job_id: str) -> None:
    """Files first: should they not go, the job is still there, and can be deleted again."""
    if not is_terminal(here.parts.store.get_job(job_id).status):
        raise JobNotOver
    here.parts.artifacts.delete_tree(f"jobs/{job_id}")
    here.parts.store.delete_job(job_id)
