"""What a spec may name, and the schema of a spec."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header, Path, Query, Response

from hornbeam.errors import ComponentNotFound
from schemas.catalog import Catalogue, ComponentEntry, ComponentKind
from service.conditions import matches
from service.dependencies import Here
from service.documentation import JSON, answer, headers
from service.documents import Document, known_kind
from service.examples import CATALOGUE, COMPONENT
from service.routing import problems, router

routes = router("/v1", "catalogue")

IfNoneMatch = Annotated[str | None, Header(description="The `ETag` of an earlier answer.")]
Kind = Annotated[str, Path(description="A kind of component.", examples=["layer"])]
_SCHEMA = "application/schema+json"
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has it already."}}
_CATALOGUE = {**answer("The catalogue.", 200, CATALOGUE, headers("ETag")), **_NOT_MODIFIED}


@routes.get("/components", response_model=Catalogue, responses=_CATALOGUE, summary="List components")
async def list_components(
    here: Here,
    kind: Annotated[ComponentKind | None, Query(description="Only components of this kind.")] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Every layer, loss, optimizer and so on that a spec may name, with its parameters as JSON Schema."""
    return _send(await here.threads.run(here.documents.components, kind), if_none_match, JSON)


@routes.get(
    "/components/{kind}",
    response_model=Catalogue,
    responses={**_CATALOGUE, **problems(ComponentNotFound)},
    summary="List components of a kind",
)
async def list_components_of_kind(here: Here, kind: Kind, if_none_match: IfNoneMatch = None) -> Response:
    """Every component of one kind."""
    return _send(await here.threads.run(here.documents.components, known_kind(kind)), if_none_match, JSON)


@routes.get(
    "/components/{kind}/{name}",
    response_model=ComponentEntry,
    responses={**answer("The component.", example=COMPONENT), **problems(ComponentNotFound)},
    summary="Get a component",
)
async def get_component(
    here: Here, kind: Kind, name: Annotated[str, Path(description="Its name or an alias.", examples=["Dropout"])]
) -> Response:
    """One component, with each parameter's schema, default and description."""
    return Response(here.documents.component(kind, name).model_dump_json(by_alias=True), media_type=JSON)


@routes.get(
    "/schemas/job.json",
    response_class=Response,
    responses={
        200: {
            "description": "A JSON Schema (2020-12).",
            "headers": headers("ETag"),
            "content": {_SCHEMA: {"schema": {"type": "object"}, "example": {"title": "Hornbeam job spec"}}},
        },
        **_NOT_MODIFIED,
    },
    summary="Get the schema of a job spec",
)
async def get_job_schema(here: Here, if_none_match: IfNoneMatch = None) -> Response:
    """What an editor completes a spec from, down to the parameters of each component."""
    return _send(await here.threads.run(here.documents.schema), if_none_match, _SCHEMA)


def _send(document: Document, if_none_match: str | None, media_type: str) -> Response:
    about = {"ETag": document.etag, "Cache-Control": "no-cache"}
    if matches(if_none_match, document.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=about)
    return Response(document.body, headers=about, media_type=media_type)
