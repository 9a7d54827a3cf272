"""The workers on record."""

from fastapi import Response

from schemas.jobs import WorkerPage
from service.dependencies import Here, Service
from service.documentation import JSON, answer
from service.examples import WORKER, page
from service.jobs import to_worker
from service.routing import router

routes = router("/v1", "operations")


@routes.get(
    "/workers",
    response_model=WorkerPage,
    responses=answer("The workers.", example=page(WORKER)),
    summary="List workers",
)
async def list_workers(here: Here) -> Response:
    """The workers seen within the last hour, with their slots and devices; `alive` if heard of lately."""
    return Response(await here.threads.run(_page, here), media_type=JSON)


def _page(here: Service) -> str:
    found = here.parts.store.list_workers()
    return WorkerPage(data=[to_worker(record, alive=here.fleet.is_alive(record)) for record in found]).model_dump_json()
