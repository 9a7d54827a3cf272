"""The OpenAPI document: what FastAPI writes, and what it cannot know of answers that are written by hand.

Leaves the examples to `examples` and error answers to `routing.problems`.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import hornbeam
from schemas.evaluations import EvaluationRequest
from schemas.problems import Problem
from schemas.stored_datasets import DatasetChange, SourceRequest, UploadRequest
from schemas.training import JobSpec

READ: tuple[type[BaseModel], ...] = (JobSpec, EvaluationRequest, UploadRequest, DatasetChange, SourceRequest)
"""Bodies that operations read by themselves."""

JSON = "application/json"
BYTES = "application/octet-stream"

DESCRIPTION = """\
Trains Keras models. Post a job spec (architecture, loss, optimizer, dataset), watch it learn, download the model.

Errors are `application/problem+json` (RFC 9457), with every finding about a spec at once. Lists are pages: ask for the
next one with `after=` and what stood in `next`. Times are RFC 3339 in UTC. Later versions may add fields to answers.
Every GET has a HEAD, which stands here for downloads only.

What changes something is refused with a 403 when a page of another site asks for it, and everything with a 421 under a
name that the service does not go by.
"""

TAGS = [
    {"name": "jobs", "description": "Submit, poll, list, cancel and delete training jobs."},
    {"name": "events", "description": "What happens to a job, as a page or as a live stream."},
    {"name": "results", "description": "What a training produces: metrics, logs, checkpoints, artifacts, the model."},
    {"name": "datasets", "description": "Bring data: send files whole or in parts, see what they hold."},
    {"name": "catalogue", "description": "What a spec may name, and the schema of a spec."},
    {"name": "operations", "description": "Workers, health, readiness and metrics of the service itself."},
]

_HEADERS = {
    "ETag": "Stands for this answer; send it as `If-None-Match`.",
    "Retry-After": "Seconds until it is worth asking again.",
    "Location": "The address of what was made.",
    "Repr-Digest": "The SHA-256 of the whole file (RFC 9530).",
    "Content-Disposition": "The name to save the file as.",
    "Content-Range": "Which bytes these are, and of how many.",
    "Accept-Ranges": "`bytes`: parts can be asked for.",
}


def headers(*names: str) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def answer(
    description: str, status: int = 200, example: Any = None, about: Mapping[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """A good answer, its model left to the route."""
    return {
        status: {
            "description": description,
            "content": {JSON: {"example": example}},
            **({"headers": about} if about else {}),
        }
    }


def header(name: str, description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A header for an operation that reads it by itself, which is faster than having FastAPI do it."""
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    return {"parameters": [{**parameter, "schema": schema or {"type": "string"}}]}


def deep_object(name: str, description: str) -> dict[str, Any]:
    """A query parameter of pairs, `name[key]=value`, which FastAPI has no word for."""
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    parameter = {"name": name, "in": "query", "style": "deepObject", "explode": True, "description": description}
    return {"parameters": [{**parameter, "schema": schema, "example": {"team": "vision"}}]}


def json_body(model: str, example: Any) -> dict[str, Any]:
    """A body that the operation reads by itself, by the name of its model."""
    return {"requestBody": {"required": True, "content": _json_content(model, example)}}


def file_body(example: str, *, form: bool = False, named: tuple[str, Any] | None = None) -> dict[str, Any]:
    """A body that is a file, or a form with one, or JSON that names one: its model and an example."""
    binary = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {media_type: {"schema": binary, "example": example} for media_type in ("text/csv", BYTES)}
    if form:
        text = {"type": "string"}
        fields = {"file": binary, "name": text, "options": text, "metadata": text}
        content["multipart/form-data"] = {
            "schema": {"type": "object", "properties": fields, "required": ["file"], "additionalProperties": False}
        }
    if named:
        content |= _json_content(*named)
    return {"requestBody": {"required": True, "content": content}}


def _json_content(model: str, example: Any) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{model}"}, "example": example}}


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Several of the above for one operation."""
    whole: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            whole[name] = [*whole.get(name, []), *value] if isinstance(value, list) else value
    return whole


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    written = get_openapi(
        title="Hornbeam",
        version=hornbeam.__version__,
        summary="A REST service that trains Keras models.",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
    )
    _, definitions = models_json_schema(
        [*((model, "validation") for model in READ), (Problem, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    known = written.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in definitions["$defs"].items():
        known.setdefault(name, schema)
    return written
