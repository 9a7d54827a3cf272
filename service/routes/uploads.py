"""Files that come in parts: begin, send parts in any order and again, see what has arrived, complete, drop."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Request, Response

from hornbeam.datasets.record import PartRecord, UploadRecord
from hornbeam.errors import (
    ArtifactStoreUnavailable,
    DatasetTooLarge,
    DigestMismatch,
    IngestBusy,
    InvalidDataset,
    StorageFull,
    StoreUnavailable,
    UploadBusy,
    UploadIncomplete,
    UploadNotFound,
)
from schemas.stored_datasets import Dataset, Upload, UploadPart, UploadRequest
from service.bodies import read_body, read_model
from service.dataset_examples import DATASET, FILE, PART, UPLOAD, UPLOAD_REQUEST
from service.dataset_wire import dataset_path, to_dataset, to_part, to_upload, upload_path
from service.dependencies import Here, Service
from service.digests import announced
from service.documentation import BYTES, JSON, answer, header, headers, json_body
from service.receiving import check_length
from service.routing import problems, router
from service.uploads import MOST_PARTS

routes = router("/v1/uploads", "datasets")

UploadId = Annotated[str, Path(description="The upload's id.", examples=[UPLOAD["id"]])]
Number = Annotated[int, Path(ge=1, le=MOST_PARTS, description="The part's place in the file.", examples=[1])]


@routes.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=Upload,
    responses={
        **answer("The upload, without parts.", 201, UPLOAD, headers("Location")),
        **problems(400, 413, 415, 422, InvalidDataset, DatasetTooLarge, StoreUnavailable),
    },
    openapi_extra=json_body("UploadRequest", UPLOAD_REQUEST),
    summary="Begin an upload in parts",
)
async def create_upload(request: Request, here: Here) -> Response:
    """Announce a file that will come in parts: for large files, and for connections that break.

    Parts may come in any order, at once, and again. An upload that gets no part for a day is removed.
    """
    wanted = await read_model(request, UploadRequest, here.parts.settings)
    record = await here.uploads.begin(wanted)
    body = _told(here, record, []).model_dump_json()
    return Response(body, HTTPStatus.CREATED, {"Location": upload_path(record.id)}, JSON)


@routes.get(
    "/{upload_id}",
    response_model=Upload,
    responses={**answer("The upload.", example=UPLOAD), **problems(UploadNotFound)},
    summary="See what has arrived of an upload",
)
async def get_upload(here: Here, upload_id: UploadId) -> Response:
    """The parts that are there, with their digests: a client that lost its connection sends the others.

    Of a complete one, the links have the dataset.
    """
    record, parts = await here.threads.run(_read, here, upload_id)
    return Response(_told(here, record, parts).model_dump_json(), media_type=JSON)


@routes.put(
    "/{upload_id}/parts/{number}",
    response_model=UploadPart,
    responses={
        **answer("The part, as it has arrived.", 200, PART),
        **problems(400, 408, 415, 422, UploadNotFound, UploadBusy, DigestMismatch, DatasetTooLarge),
        **problems(StorageFull, StoreUnavailable, ArtifactStoreUnavailable),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BYTES: {"schema": {"type": "string", "format": "binary"}, "example": FILE}},
        },
        **header("Content-Digest", "The SHA-256 of this part, as `sha-256=:…:` (RFC 9530): compared on arrival."),
    },
    summary="Send a part",
)
async def put_part(request: Request, here: Here, upload_id: UploadId, number: Number) -> Response:
    """Send the bytes of a part; one that is there already is replaced. The parts together, by number, are the file."""
    expected = announced(request.headers)
    check_length(request, here.parts.settings.max_dataset_bytes)
    part = await here.uploads.put_part(request, upload_id, number, expected)
    return Response(to_part(part).model_dump_json(), media_type=JSON)


@routes.post(
    "/{upload_id}/complete",
    status_code=HTTPStatus.CREATED,
    response_model=Dataset,
    responses={
        **answer("The dataset.", 201, DATASET, headers("Location")),
        **problems(400, 413, UploadNotFound, UploadBusy, UploadIncomplete, InvalidDataset, DigestMismatch),
        **problems(DatasetTooLarge, StorageFull, IngestBusy, StoreUnavailable, ArtifactStoreUnavailable),
    },
    summary="Complete an upload",
)
async def complete_upload(request: Request, here: Here, upload_id: UploadId) -> Response:
    """Put the parts together, read the file, and answer with the dataset.

    It goes on when the client does not wait: asked again, the answer is the same dataset. While it is under way, that
    is a conflict. When the file is refused, the parts stay, and may be sent again.
    """
    await read_body(request, here.parts.settings.max_body_bytes)
    record = await here.uploads.complete(upload_id)
    about = {"Location": dataset_path(record.id)}
    return Response(to_dataset(record).model_dump_json(), HTTPStatus.CREATED, about, JSON)


@routes.delete(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={
        204: {"description": "The upload is forgotten, with its parts."},
        **problems(UploadNotFound, UploadBusy),
    },
    summary="Drop an upload",
)
async def delete_upload(here: Here, upload_id: UploadId) -> Response:
    """Forget an upload with its parts. A dataset that came of it stays."""
    await here.uploads.delete(upload_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _read(here: Service, upload_id: str) -> tuple[UploadRecord, list[PartRecord]]:
    return here.parts.store.get_upload(upload_id), here.parts.store.upload_parts(upload_id)


def _told(here: Service, record: UploadRecord, parts: list[PartRecord]) -> Upload:
    return to_upload(record, parts, patience=timedelta(seconds=here.parts.settings.upload_seconds))
