"""Checkpoints: the list, one, and its file."""

from typing import Annotated

from fastapi import Path, Request, Response

from hornbeam.errors import (
    ArtifactNotFound,
    ArtifactStoreUnavailable,
    CheckpointNotFound,
    JobNotFound,
    StoreUnavailable,
)
from hornbeam.jobs.record import CheckpointRecord
from schemas.checkpoints import Checkpoint, CheckpointPage
from service.dependencies import Here, JobId
from service.documentation import JSON, answer
from service.downloads import File, offer, send
from service.examples import CHECKPOINT, page
from service.jobs import to_checkpoint
from service.routing import problems, router

routes = router("/v1/jobs", "results")

CheckpointId = Annotated[str, Path(description="The checkpoint's id.", examples=["ckpt_01JA2V1M3K8R2W5Y7C9D4F6HAX"])]
_FILE_PROBLEMS = problems(
    416, JobNotFound, CheckpointNotFound, ArtifactNotFound, StoreUnavailable, ArtifactStoreUnavailable
)


@routes.get(
    "/{job_id}/checkpoints",
    response_model=CheckpointPage,
    responses={**answer("The checkpoints.", example=page(CHECKPOINT)), **problems(JobNotFound)},
    summary="List a job's checkpoints",
)
async def list_checkpoints(here: Here, job_id: JobId) -> Response:
    """The checkpoints that the spec's `checkpoints.keep` has left, oldest first."""
    found = await here.threads.run(here.parts.store.checkpoints, job_id)
    return Response(CheckpointPage(data=[to_checkpoint(record) for record in found]).model_dump_json(), media_type=JSON)


@routes.get(
    "/{job_id}/checkpoints/{checkpoint_id}",
    response_model=Checkpoint,
    responses={**answer("The checkpoint.", example=CHECKPOINT), **problems(JobNotFound, CheckpointNotFound)},
    summary="Get a checkpoint",
)
async def get_checkpoint(here: Here, job_id: JobId, checkpoint_id: CheckpointId) -> Response:
    """One checkpoint: its epoch, its metrics, and what its file is."""
    record = await here.threads.run(here.parts.store.checkpoint, job_id, checkpoint_id)
    return Response(to_checkpoint(record).model_dump_json(), media_type=JSON)


@offer(routes, "/{job_id}/checkpoints/{checkpoint_id}/content", what="a checkpoint", problems=_FILE_PROBLEMS)
async def download_checkpoint(request: Request, here: Here, job_id: JobId, checkpoint_id: CheckpointId) -> Response:
    """The checkpoint as a `.keras` file, whole or in part."""
    record = await here.threads.run(here.parts.store.checkpoint, job_id, checkpoint_id)
    return await send(_file(record), request, here.parts.artifacts, here.threads)


def _file(record: CheckpointRecord) -> File:
    name = f"{record.job_id}-epoch-{record.epoch}.keras"
    return File(record.key, name, "application/zip", record.size_bytes, record.sha256)
