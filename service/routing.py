"""Routers and routes with what all resources have in common: strict queries, names for operations, problems.

Leaves what the operations do to `service.routes`.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from copy import copy
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from hornbeam.components.catalog import closest
from hornbeam.errors import HornbeamError, StoreUnavailable
from schemas.problems import Problem
from service.problems import CODE_OF, MEDIA_TYPE, STATUS_OF

DEEP = "metadata["
"""Begins the names of `metadata[key]=value`."""


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not know: a filter with a typo must not list everything."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind a look at the names in the query."""
        handle = super().get_route_handler()
        known = [str(field.alias) for field in self.dependant.query_params]
        documented = (self.openapi_extra or {}).get("parameters", ())
        has_metadata = any(parameter["name"] == "metadata" for parameter in documented)

        async def handle_strictly(request: Request) -> Response:
            if request.scope["query_string"]:
                unknown = [name for name in request.query_params if name not in known]
                refused = [name for name in unknown if not (has_metadata and name.startswith(DEEP))]
                if refused:
                    raise RequestValidationError([_unknown(name, known) for name in refused])
            return await handle(request)

        return handle_strictly


def _unknown(name: str, known: list[str]) -> dict[str, Any]:
    meant = closest(name, known)
    hint = f"Did you mean {meant}?" if meant else f"Known are {', '.join(known)}." if known else "There are none."
    return {"loc": ("query", name), "type": "unknown", "msg": f"There is no such parameter. {hint}"}


def router(prefix: str, tag: str) -> APIRouter:
    """A router for one resource."""
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=StrictRoute,
        generate_unique_id_function=lambda route: route.name,
        responses=problems(422, StoreUnavailable),
    )


def heads(routes: Sequence[BaseRoute]) -> Iterator[APIRoute]:
    """For each GET without a HEAD one, which RFC 9110 wants of every server: the same, its body left out by uvicorn.

    Not in the OpenAPI document, where each would say again what its GET says. They go behind all other routes, so that
    these are found as fast as before.
    """
    known = [route for route in routes if isinstance(route, APIRoute)]
    taken = {route.path for route in known if "HEAD" in (route.methods or ())}
    for route in known:
        if "GET" in (route.methods or ()) and route.path not in taken:
            head = copy(route)
            head.methods, head.include_in_schema = {"HEAD"}, False
            yield head


def problems(*kinds: type[HornbeamError] | int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation for its documentation: domain errors, or statuses of HTTP itself."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        problem = _example(kind)
        answer = documented.setdefault(problem.status, {"description": problem.title, "content": {MEDIA_TYPE: {}}})
        content = answer["content"][MEDIA_TYPE]
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        content.setdefault("examples", {})[problem.code] = {"value": problem.model_dump(mode="json")}
    return documented


def _example(kind: type[HornbeamError] | int) -> Problem:
    if isinstance(kind, int):
        status = HTTPStatus(kind)
        return Problem(title=status.phrase, status=status, detail=status.description, code=CODE_OF[kind])
    status = STATUS_OF[kind]
    detail = (kind.__doc__ or "").strip().splitlines()[0]
    return Problem(title=status.phrase, status=status, detail=detail, code=kind.code)
