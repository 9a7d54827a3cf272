"""A bare FastAPI application that returns a job from memory, whatever it is asked. What the API is measured against."""

import os
from pathlib import Path

from fastapi import FastAPI

from schemas.jobs import Job


def create_app() -> FastAPI:
    """The application; the job is in the file that BARE_JOB names."""
    job = Job.model_validate_json(Path(os.environ["BARE_JOB"]).read_bytes())
    app = FastAPI()

    @app.get("/jobs/{job_id}")
    async def get_job(job_id: str) -> Job:  # noqa: ARG001 - part of the path, as in the real thing
        return job

    @app.post("/jobs", status_code=202)
    async def create_job() -> Job:
        return job

    return app
