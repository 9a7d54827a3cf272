"""Datasets: bring a file, look at what it holds, correct how it is read, download, delete."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from hornbeam.datasets.record import DatasetRecord
from hornbeam.errors import (
    ArtifactNotFound,
    ArtifactStoreUnavailable,
    DatasetInUse,
    DatasetNotFound,
    DatasetTooLarge,
    DigestMismatch,
    IngestBusy,
    InvalidCursor,
    InvalidDataset,
    SourceNotAllowed,
    SourcePrivate,
    SourceRedirected,
    SourceStatus,
    SourceUnreachable,
    SourceUnusable,
    StorageFull,
    StoreUnavailable,
)
from hornbeam.storage.datasets import DatasetQuery
from schemas.stored_datasets import (
    BuiltinPage,
    Dataset,
    DatasetChange,
    DatasetFormat,
    DatasetPage,
    RowPage,
    Statistics,
)
from service.arrivals import (
    FromQuery,
    arriving_of,
    arriving_of_form,
    arriving_of_source,
    names_a_source,
    source_of,
)
from service.bodies import read_model
from service.conditions import matches
from service.dataset_examples import BUILTIN, CHANGE, DATASET, FILE, FILE_NAME, ROWS, SOURCE, STATISTICS
from service.dataset_wire import builtin_page, dataset_path, to_dataset
from service.datasets import until_gone
from service.dependencies import Here, Service
from service.documentation import JSON, answer, deep_object, file_body, header, headers, json_body, merged
from service.downloads import File, offer, send
from service.examples import page
from service.multipart import boundary_of
from service.queries import After, CreatedAfter, Order, in_utc, metadata_of
from service.receiving import check_length
from service.routing import problems, router
from service.views import etag_of

routes = router("/v1/datasets", "datasets")

DatasetId = Annotated[str, Path(alias="dataset", description="The dataset's id.", examples=[DATASET["id"]])]
FileName = Annotated[str, Path(alias="dataset", description="The file's name.", examples=[FILE_NAME])]
Name = Annotated[str | None, Query(description="The file's name: its ending tells the format.", examples=[FILE_NAME])]
Options = Annotated[
    str | None,
    Query(max_length=8192, description="How the file is read, as JSON.", examples=['{"kinds": {"kind": "category"}}']),
]
Format = Annotated[DatasetFormat | None, Query(description="Stands for `options.format`.")]
HasHeader = Annotated[bool | None, Query(alias="header", description="Stands for `options.header`.")]
Delimiter = Annotated[
    str | None, Query(min_length=1, max_length=1, description="Stands for `options.delimiter`.", examples=[","])
]

_REFUSED = (400, 408, 413, 415, 422, InvalidDataset, DigestMismatch, DatasetTooLarge, StorageFull, IngestBusy)
_BROUGHT = problems(*_REFUSED)
_BROUGHT_OR_FETCHED = problems(
    *_REFUSED, SourceNotAllowed, SourcePrivate, SourceRedirected, SourceUnreachable, SourceStatus, SourceUnusable
)
_STORES = problems(StoreUnavailable, ArtifactStoreUnavailable)
_FILE_PROBLEMS = problems(416, DatasetNotFound, ArtifactNotFound, StoreUnavailable, ArtifactStoreUnavailable)
_ABOUT_THE_FILE = merged(
    deep_object("metadata", "Pairs that the dataset carries: `metadata[team]=vision`."),
    header("Content-Digest", "The SHA-256 of the body, as `sha-256=:…:` (RFC 9530): compared on arrival."),
)


@routes.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=Dataset,
    responses={
        **answer("The dataset, read and checked.", 201, DATASET, headers("Location")),
        **_BROUGHT_OR_FETCHED,
        **_STORES,
    },
    openapi_extra=merged(file_body(FILE, form=True, named=("SourceRequest", SOURCE)), _ABOUT_THE_FILE),
    summary="Bring a dataset",
)
async def create_dataset(
    request: Request,
    here: Here,
    name: Name = None,
    options: Options = None,
    format: Format = None,
    header: HasHeader = None,
    delimiter: Delimiter = None,
) -> Response:
    """Send a file: as it is, or in a form (`file`, and `name`, `options`, `metadata` as JSON beside it).

    Or say where it lies, for the service to fetch it from a host or a bucket that its operator lists: JSON with a
    `url`, and no `name` in the query. With one, JSON is the file itself.

    It is read while it comes. The answer has its columns with their kinds, ranges and classes, or says what is wrong
    with it. For files that take long to send there is `POST /v1/uploads`.
    """
    check_length(request, here.parts.settings.max_dataset_bytes)
    given = FromQuery(name, options, format, header, delimiter, metadata_of(request))
    boundary = boundary_of(request.headers.get("content-type", ""))
    if names_a_source(given, request.headers):
        record = await _fetch(request, here, given)
    elif boundary is None:
        arriving = arriving_of(given, request.headers, here.parts.settings)
        record, _ = await here.datasets.bring(request, arriving)
    else:
        record = await here.datasets.bring_form(request, boundary, arriving_of_form(given, here.parts.settings))
    about = {"Location": dataset_path(record.id)}
    return Response(to_dataset(record).model_dump_json(), HTTPStatus.CREATED, about, JSON)


@routes.put(
    "/{dataset}",
    status_code=HTTPStatus.CREATED,
    response_model=Dataset,
    responses={
        200: {"model": Dataset, **answer("The dataset was there already.", 200, DATASET, headers("Location"))[200]},
        **answer("The dataset, read and checked.", 201, DATASET, headers("Location")),
        **_BROUGHT,
        **_STORES,
    },
    openapi_extra=merged(file_body(FILE), _ABOUT_THE_FILE),
    summary="Bring a dataset, once",
)
async def put_dataset(
    request: Request,
    here: Here,
    name: FileName,
    options: Options = None,
    format: Format = None,
    header: HasHeader = None,
    delimiter: Delimiter = None,
) -> Response:
    """Send a file under its name, as `curl -T` does.

    Where a dataset of the same name, bytes and options is there, it is the answer: harmless when sent again.
    """
    check_length(request, here.parts.settings.max_dataset_bytes)
    given = FromQuery(name, options, format, header, delimiter, metadata_of(request))
    arriving = arriving_of(given, request.headers, here.parts.settings)
    record, is_new = await here.datasets.bring(request, arriving, once=True)
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return Response(to_dataset(record).model_dump_json(), status, {"Location": dataset_path(record.id)}, JSON)


@routes.get(
    "",
    response_model=DatasetPage,
    responses={**answer("A page of datasets.", example=page(DATASET)), **problems(422, InvalidCursor)},
    openapi_extra=deep_object("metadata", "Only datasets that carry all of these pairs: `metadata[team]=vision`."),
    summary="List datasets",
)
async def list_datasets(
    request: Request,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=100, description="Datasets on a page.", examples=[20])] = 20,
    after: After = None,
    created_after: CreatedAfter = None,
    order: Order = "desc",
) -> Response:
    """Datasets by the time of their creation."""
    query = DatasetQuery(
        limit=limit,
        after=after,
        metadata=metadata_of(request),
        created_after=None if created_after is None else in_utc(created_after),
        newest_first=order == "desc",
    )
    return Response(await here.threads.run(_page, here, query), media_type=JSON)


@routes.get(
    "/builtin",
    response_model=BuiltinPage,
    responses=answer("The datasets.", example=page(BUILTIN)),
    summary="List the datasets that ship with the service",
)
async def list_builtin_datasets() -> Response:
    """What `dataset.source.builtin` of a spec may name, with its columns."""
    return Response(builtin_page().model_dump_json(), media_type=JSON)


@routes.get(
    "/{dataset}",
    response_model=Dataset,
    responses={
        **answer("The dataset.", 200, DATASET, headers("ETag")),
        304: {"description": "Nothing has changed since the answer that `If-None-Match` names."},
        **problems(DatasetNotFound),
    },
    openapi_extra=header("If-None-Match", "The `ETag` of an earlier answer: 304 when it still holds."),
    summary="Get a dataset",
)
async def get_dataset(request: Request, here: Here, dataset_id: DatasetId) -> Response:
    """The dataset: its columns, how it was read, what deserves a look."""
    record = await here.threads.run(here.parts.store.get_dataset, dataset_id)
    body = to_dataset(record).model_dump_json().encode()
    about = {"ETag": etag_of(body), "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), about["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=about)
    return Response(body, headers=about, media_type=JSON)


@routes.patch(
    "/{dataset}",
    response_model=Dataset,
    responses={
        **answer("The dataset, changed.", 200, DATASET, headers("ETag")),
        **problems(400, 413, 415, 422, InvalidDataset, DatasetNotFound, ArtifactNotFound, DatasetInUse),
        **problems(StorageFull, IngestBusy, StoreUnavailable, ArtifactStoreUnavailable),
    },
    openapi_extra=json_body("DatasetChange", CHANGE),
    summary="Change a dataset",
)
async def change_dataset(request: Request, here: Here, dataset_id: DatasetId) -> Response:
    """Change its name or metadata; or, with other `options`, have its file read anew: another table under the same id.

    While a job that is not over uses the dataset, its table does not change: that is a conflict.
    """
    change = await read_model(request, DatasetChange, here.parts.settings)
    record = await here.datasets.change(dataset_id, change, lambda: until_gone(request))
    body = to_dataset(record).model_dump_json().encode()
    return Response(body, headers={"ETag": etag_of(body)}, media_type=JSON)


@routes.delete(
    "/{dataset}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={
        204: {"description": "The dataset is forgotten, with its files where no other dataset has the same."},
        **problems(DatasetNotFound, DatasetInUse),
    },
    summary="Delete a dataset",
)
async def delete_dataset(here: Here, dataset_id: DatasetId) -> Response:
    """Forget a dataset. While a job that is not over uses it, that is a conflict."""
    await here.datasets.delete(dataset_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@routes.get(
    "/{dataset}/rows",
    response_model=RowPage,
    responses={**answer("Some rows.", example=ROWS), **problems(DatasetNotFound)},
    summary="Look at a dataset's rows",
)
async def list_rows(
    here: Here,
    dataset_id: DatasetId,
    limit: Annotated[int, Query(ge=1, le=100, description="Rows on a page.", examples=[20])] = 20,
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="How many rows to leave out.", examples=[0])] = 0,
) -> Response:
    """The first hundred rows, as they were read; images and long arrays in words."""
    record, rows = await here.threads.run(_rows, here, dataset_id)
    shown = rows[after : after + limit]
    told = RowPage(
        columns=[column.name for column in record.columns], data=shown, has_more=len(rows) > after + len(shown)
    )
    return Response(told.model_dump_json(), media_type=JSON)


@routes.get(
    "/{dataset}/statistics",
    response_model=Statistics,
    responses={**answer("The statistics.", example=STATISTICS), **problems(DatasetNotFound)},
    summary="Get a dataset's statistics",
)
async def get_statistics(here: Here, dataset_id: DatasetId) -> Response:
    """What is known about the values of each column: missing ones, ranges, classes and their balance."""
    record = await here.threads.run(here.parts.store.get_dataset, dataset_id)
    told = Statistics(rows=record.rows, columns=list(record.columns))
    return Response(told.model_dump_json(), media_type=JSON)


@offer(routes, "/{dataset}/content", what="a dataset", problems=_FILE_PROBLEMS)
async def download_dataset(request: Request, here: Here, dataset_id: DatasetId) -> Response:
    """The file as it was sent, whole or in part."""
    record = await here.threads.run(here.parts.store.get_dataset, dataset_id)
    file = File(record.file_key, record.name, "application/octet-stream", record.size_bytes, record.sha256)
    return await send(file, request, here.parts.artifacts, here.threads)


async def _fetch(request: Request, here: Service, given: FromQuery) -> DatasetRecord:
    """The dataset that lies where a body says."""
    source = await source_of(request, here.parts.settings)
    place = here.parts.sources.place(source.url)
    arriving = arriving_of_source(given, source, place, here.parts.settings)
    return await here.datasets.bring_from(place, arriving, lambda: until_gone(request))


def _page(here: Service, query: DatasetQuery) -> str:
    page = here.parts.store.list_datasets(query)
    rows = [to_dataset(record) for record in page.rows]
    return DatasetPage(data=rows, has_more=page.next is not None, next=page.next).model_dump_json()


def _rows(here: Service, dataset_id: str) -> tuple[DatasetRecord, list[list[Any]]]:
    return here.parts.store.get_dataset(dataset_id), here.parts.store.preview(dataset_id)
