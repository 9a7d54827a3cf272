"""What those who run the service ask: is it alive, is it ready, how is it doing."""

import asyncio
from http import HTTPStatus
from typing import Literal

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from hornbeam.errors import StoreUnavailable
from schemas.problems import Finding
from schemas.strict import Response as Answer
from service.dependencies import Here, Service
from service.documentation import JSON, answer
from service.problems import MEDIA_TYPE, ProblemResponse, problem_of
from service.routing import problems, router

routes = router("", "operations")

_CHECK_SECONDS = 3.0

NO_DATABASE = Finding(pointer="", code="database.unavailable", message="The database cannot be reached.")
NO_BROKER = Finding(pointer="", code="broker.unavailable", message="The message broker cannot be reached.")
NO_WORKER = Finding(
    pointer="",
    code="worker.none_alive",
    message="No train worker was heard of lately.",
    suggestion="Start one: celery -A workers.main worker -Q train.",
)


class Health(Answer):
    """That the process answers."""

    status: Literal["ok", "ready"]


@routes.get(
    "/healthz",
    response_model=Health,
    responses=answer("The process answers.", example={"status": "ok"}),
    summary="Is it alive?",
)
async def get_health() -> Response:
    """Whether this process answers, whatever its surroundings do: restart it when it does not."""
    return Response(b'{"status":"ok"}', media_type=JSON)


@routes.get(
    "/readyz",
    response_model=Health,
    responses={
        **answer("Jobs that are posted now are trained.", example={"status": "ready"}),
        503: {
            "description": "Something is missing; `errors` says what.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    },
    summary="Is it ready?",
)
async def get_readiness(request: Request, here: Here) -> Response:
    """Whether the database and the broker answer and a train worker is alive."""
    has_broker, in_database = await asyncio.gather(here.parts.watch.ping(), _missing_in_database(here))
    missing = in_database if has_broker else [*in_database, NO_BROKER]
    if not missing:
        return Response(b'{"status":"ready"}', media_type=JSON)
    detail = " ".join(finding.message for finding in missing)
    problem = problem_of(request, HTTPStatus.SERVICE_UNAVAILABLE, "service.not_ready", detail, missing)
    return ProblemResponse(problem, {"Retry-After": "5"})


@routes.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "hornbeam_queue_depth 0.0\n"}},
        },
        **problems(StoreUnavailable),
    },
    summary="Get metrics for Prometheus",
)
async def get_prometheus_metrics(here: Here) -> Response:
    """Jobs by status, queue, workers and slots from the database, and the requests of this very process."""
    text = await here.threads.run(generate_latest, here.instruments.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _missing_in_database(here: Service) -> list[Finding]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            workers = await here.threads.run(here.parts.store.list_workers)
    except (StoreUnavailable, TimeoutError):
        return [NO_DATABASE]
    has_trainer = any(worker.role == "train" and here.fleet.is_alive(worker) for worker in workers)
    return [] if has_trainer else [NO_WORKER]
