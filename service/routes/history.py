"""What the trainer said and measured: metrics per epoch, and the log."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException

from hornbeam.errors import JobNotFound
from hornbeam.jobs.record import LogRecord
from hornbeam.storage.base import JobStore
from schemas.events import LogPage, MetricHistory
from service.conditions import preferred
from service.dependencies import Here, JobId, Sequence
from service.documentation import JSON, answer
from service.examples import HISTORY, LOG_LINE, page
from service.jobs import to_log_line
from service.routing import problems, router

routes = router("/v1/jobs", "results")

_TEXT = "text/plain"
_CHUNK = 1000


@routes.get(
    "/{job_id}/metrics",
    response_model=MetricHistory,
    responses={**answer("The metrics, as columns.", example=HISTORY), **problems(JobNotFound)},
    summary="Get a job's metrics",
)
async def get_metrics(here: Here, job_id: JobId) -> Response:
    """The metrics of every epoch so far, as columns of equal length. A number that is not finite is null."""
    epochs = await here.threads.run(here.parts.store.epochs, job_id)
    history = MetricHistory.of({epoch.epoch: epoch.metrics for epoch in epochs})
    return Response(history.model_dump_json(), media_type=JSON)


@routes.get(
    "/{job_id}/logs",
    response_model=LogPage,
    responses={
        200: {
            "description": "A page of lines; or, with `Accept: text/plain`, the text of all of them.",
            "content": {
                JSON: {"example": page(LOG_LINE)},
                _TEXT: {"schema": {"type": "string"}, "example": "Epoch 1/10\n"},
            },
        },
        **problems(JobNotFound, 406),
    },
    summary="Read a job's log",
)
async def list_logs(
    request: Request,
    here: Here,
    job_id: JobId,
    after: Sequence = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Lines on a page of JSON.")] = 1000,
) -> Response:
    """What the trainer wrote to its standard output and error, and remarks of the service's own."""
    form = preferred(request.headers.get("accept"), (JSON, _TEXT))
    if form is None:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"There is {JSON} and {_TEXT}.")
    store = here.parts.store
    if form == JSON:
        found = await here.threads.run(store.logs, job_id, after=after, limit=limit + 1)
        return Response(_page(found, limit).model_dump_json(), media_type=JSON)
    first = await here.threads.run(store.logs, job_id, after=after, limit=_CHUNK)
    text = iterate_in_threadpool(_text(store, job_id, first))
    return StreamingResponse(text, media_type=f"{_TEXT}; charset=utf-8")


def _page(found: list[LogRecord], limit: int) -> LogPage:
    lines = [to_log_line(record) for record in found[:limit]]
    has_more = len(found) > limit
    return LogPage(data=lines, has_more=has_more, next=str(lines[-1].seq) if has_more else None)


def _text(store: JobStore, job_id: str, found: list[LogRecord]) -> Iterator[bytes]:
    while found:
        yield "".join(f"{line.text}\n" for line in found).encode()
        found = store.logs(job_id, after=found[-1].seq, limit=_CHUNK) if len(found) == _CHUNK else []
