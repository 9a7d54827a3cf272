"""A job's event log: a page of JSON, or a live stream."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.types import Send

from hornbeam.errors import JobNotFound
from hornbeam.jobs.lifecycle import is_terminal
from hornbeam.storage.base import JobStore
from schemas.events import EventPage
from service.conditions import preferred
from service.dependencies import Here, JobId, Sequence, Wait
from service.documentation import JSON
from service.examples import EVENTS, STREAM, page
from service.jobs import to_event
from service.routing import problems, router
from service.streams import EventLog, EventStream

routes = router("/v1/jobs", "events")

_SSE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class _ClosedStream(EventSourceResponse):
    """Closes its source when the client goes away, not when the garbage collector comes by."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        super().__init__(chunks, headers=_HEADERS)

    async def stream_response(self, send: Send) -> None:
        """See StreamingResponse."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


@routes.get(
    "/{job_id}/events",
    response_model=EventPage,
    responses={
        200: {
            "description": "A page of the log; or, with `Accept: text/event-stream`, all of it, then what happens.",
            "content": {JSON: {"example": page(*EVENTS)}, _SSE: {"schema": {"type": "string"}, "example": STREAM}},
        },
        204: {"description": "To a stream taken up again: the job is over, and there is nothing more to come."},
        **problems(JobNotFound, 406),
    },
    summary="Read or follow a job's events",
)
async def list_events(
    request: Request,
    here: Here,
    job_id: JobId,
    after: Sequence = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events on a page of JSON.")] = 100,
    wait: Wait = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=2**53 - 1, description="Of a stream taken up again; goes before `after`.")
    ] = None,
) -> Response:
    """What happened to the job, in order, by `seq`.

    A stream (server-sent events) begins after `Last-Event-ID` or `after` and ends with the job; `id` is the `seq`.
    `progress` events have no id, are not replayed, and carry the `seq` of the event before them. With `wait`, an
    empty page of JSON is held back until there is an event, or the job is over.
    """
    form = preferred(request.headers.get("accept"), (JSON, _SSE))
    if form is None:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, f"There is {JSON} and {_SSE}.")
    if form == JSON:
        look = partial(here.threads.run, _page, here.parts.store, job_id, after, limit)
        page, _ = await here.waiting.until(job_id, wait or 0, look, lambda found: found[1])
        return Response(page.model_dump_json(), media_type=JSON)
    log = EventLog(here.parts.store, here.threads, job_id, after=max(after, last_event_id or 0))
    await log.open()
    if log.is_drained and last_event_id is not None:
        # Whoever reads this in a browser would come back for ever; with this status it does not.
        return Response(status_code=HTTPStatus.NO_CONTENT, media_type=_SSE)
    if request.method == "HEAD":
        return Response(headers=_HEADERS, media_type=_SSE)
    return _ClosedStream(EventStream(log, here.parts.watch, here.stopping).chunks())


def _page(store: JobStore, job_id: str, after: int, limit: int) -> tuple[EventPage, bool]:
    """A page, and whether it is worth an answer: it has events, or never will."""
    is_over = is_terminal(store.get_job(job_id).status)  # before the events: the last one is written with it
    found = store.events(job_id, after=after, limit=limit + 1)
    events = [to_event(record) for record in found[:limit]]
    has_more = len(found) > limit
    page = EventPage(data=events, has_more=has_more, next=str(events[-1].seq) if has_more else None)
    return page, bool(events) or is_over
