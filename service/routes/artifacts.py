"""Artifacts: the files that a job produced; and the model, which most come for."""

from typing import Annotated

from fastapi import Path, Request, Response

from hornbeam.errors import (
    ArtifactNotFound,
    ArtifactStoreUnavailable,
    JobNotFound,
    ModelNotReady,
    StoreUnavailable,
)
from hornbeam.jobs.record import ArtifactRecord
from hornbeam.storage.base import MODEL, JobStore
from schemas.checkpoints import ArtifactPage
from service.dependencies import Here, JobId
from service.documentation import JSON, answer
from service.downloads import File, offer, send
from service.examples import ARTIFACT, page
from service.jobs import to_artifact
from service.routing import problems, router

routes = router("/v1/jobs", "results")

Name = Annotated[str, Path(description="The artifact's name.", examples=[MODEL])]
_FILE_PROBLEMS = problems(416, JobNotFound, ArtifactNotFound, StoreUnavailable, ArtifactStoreUnavailable)
_MODEL_PROBLEMS = problems(
    416, JobNotFound, ModelNotReady, ArtifactNotFound, StoreUnavailable, ArtifactStoreUnavailable
)


@routes.get(
    "/{job_id}/artifacts",
    response_model=ArtifactPage,
    responses={**answer("The artifacts.", example=page(ARTIFACT)), **problems(JobNotFound)},
    summary="List a job's artifacts",
)
async def list_artifacts(here: Here, job_id: JobId) -> Response:
    """The files so far, by name: model, history, summary, curves, TensorBoard events, manifest, log."""
    found = await here.threads.run(here.parts.store.artifacts, job_id)
    return Response(ArtifactPage(data=[to_artifact(record) for record in found]).model_dump_json(), media_type=JSON)


@offer(routes, "/{job_id}/artifacts/{name}", what="an artifact", problems=_FILE_PROBLEMS)
async def download_artifact(request: Request, here: Here, job_id: JobId, name: Name) -> Response:
    """The file, whole or in part."""
    record = await here.threads.run(here.parts.store.artifact, job_id, name)
    return await send(_file(record, record.name), request, here.parts.artifacts, here.threads)


@offer(routes, "/{job_id}/model", what="the model", problems=_MODEL_PROBLEMS)
async def download_model(request: Request, here: Here, job_id: JobId) -> Response:
    """The trained model as a `.keras` file, whole or in part: `keras.models.load_model` reads it."""
    record, name = await here.threads.run(_model, here.parts.store, job_id)
    return await send(_file(record, name), request, here.parts.artifacts, here.threads)


def _file(record: ArtifactRecord, name: str) -> File:
    return File(record.key, name, record.media_type, record.size_bytes, record.sha256)


def _model(store: JobStore, job_id: str) -> tuple[ArtifactRecord, str]:
    """The model, and a name to save it under. Raises JobNotFound, ModelNotReady."""
    job = store.get_job(job_id)
    try:
        return store.artifact(job_id, MODEL), f"{job.name or job_id}.keras"
    except ArtifactNotFound:
        raise ModelNotReady(f"The job has not produced a model: it is {job.status.value}.") from None
