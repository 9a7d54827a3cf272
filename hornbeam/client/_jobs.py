"""Everything about jobs that a service offers, typed.

Leaves HTTP to `_transport`, the event stream to `_events` and files to `_downloads`.
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, overload
from urllib.parse import quote

import httpx

from hornbeam.client._downloads import download
from hornbeam.client._events import EventStream
from hornbeam.client._pages import Listing, every_row
from hornbeam.client._transport import Call, QueryValue, Transport
from schemas.checkpoints import Artifact, ArtifactPage, Checkpoint, CheckpointPage
from schemas.comparison import Comparison
from schemas.events import Event, LogLine, LogPage, MetricHistory
from schemas.jobs import Job, JobPage, JobStatus, Proof
from schemas.training import JobSpec

Spec = Mapping[str, Any] | JobSpec

LONGEST_POLL = 30
"""Seconds that the service holds a poll at most."""
ANSWER_SECONDS = 15
"""What a poll may take beyond the time that it asked to be held."""


class Jobs:
    """The jobs of a service. Each method raises JobNotFound for an id that the service does not know."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @overload
    def create(
        self, spec: Spec, *, idempotency_key: str | None = None, validate_only: Literal[False] = False
    ) -> Job: ...
    @overload
    def create(self, spec: Spec, *, idempotency_key: str | None = None, validate_only: Literal[True]) -> Proof: ...
    def create(self, spec: Spec, *, idempotency_key: str | None = None, validate_only: bool = False) -> Job | Proof:
        """Submit a job, or with `validate_only` have its spec checked, and nothing else.

        Args:
            spec: The job spec, plain JSON or a `JobSpec`.
            idempotency_key: The same key with the same spec gives the same job, however often it is sent. One is made
                up for each call, so that the client may safely try again when a connection fails.
            validate_only: Answer with the normalised spec and the plan of the model.

        Raises:
            InvalidSpec: With every finding.
        """
        body = json.dumps(spec.model_dump(mode="json", exclude_unset=True) if isinstance(spec, JobSpec) else spec)
        query: dict[str, QueryValue] = {"validate_only": "true"} if validate_only else {}
        headers = {} if validate_only else {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        answer = self._transport.send(Call("POST", "/v1/jobs", query=query, headers=headers, content=body.encode()))
        kind = Proof if validate_only else Job
        return kind.model_validate_json(answer.content)

    def evaluate(self, job_id: str, dataset: Mapping[str, Any] | str, *, idempotency_key: str | None = None) -> Job:
        """Have the finished model of a job measured on other rows, by a job of its own, which is returned.

        Args:
            job_id: The job that trained the model.
            dataset: `{"source": …}` as in a spec, the id of a dataset, or the name of one that ships with the service.
            idempotency_key: As for `create`.

        Raises:
            JobNotSucceeded: It has no finished model yet, or never will.
            ModelNotReady: It is an evaluation itself.
            InvalidSpec: With every finding: columns that are missing, or of another kind, classes that are not known.
        """
        body = json.dumps({"dataset": _source(dataset) if isinstance(dataset, str) else dataset})
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        answer = self._transport.send(Call("POST", _path(job_id, "evaluate"), headers=headers, content=body.encode()))
        return Job.model_validate_json(answer.content)

    def get(self, job_id: str) -> Job:
        """The job as it stands."""
        return Job.model_validate_json(self._transport.get(_path(job_id)).content)

    def wait(self, job_id: str, *, timeout: float | None = None) -> Job:
        """The job when it is over, however it ended.

        Raises:
            TimeoutError: It is not over after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        answer = self._transport.get(_path(job_id))
        while not (job := Job.model_validate_json(answer.content)).terminal:
            left = LONGEST_POLL if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{job_id} is {job.status} after {timeout:g} s.")
            news = self._poll(job_id, answer.headers.get("etag"), seconds=left)
            answer = answer if news.status_code == 304 else news
        return job

    def list(
        self,
        *,
        status: JobStatus | str | None = None,
        metadata: Mapping[str, str] | None = None,
        created_after: datetime | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> Iterator[Job]:
        """Jobs, the newest first, fetched page by page as the iterator goes on.

        Args:
            status: Only jobs with this status.
            metadata: Only jobs that carry all of these pairs.
            created_after: Only jobs created after this moment, which must have a time zone.
            order: `asc` lists the oldest first.
        """
        query: dict[str, QueryValue] = {f"metadata[{key}]": value for key, value in (metadata or {}).items()}
        query |= {"order": order} | ({"status": str(status)} if status else {})
        if created_after is not None:
            query["created_after"] = created_after.isoformat()
        return every_row(self._transport, Listing("/v1/jobs", JobPage, query))

    def cancel(self, job_id: str) -> Job:
        """Have the job stopped; harmless when asked again. Raises TransitionRefused for one that is over."""
        return Job.model_validate_json(self._transport.send(Call("POST", _path(job_id, "cancel"))).content)

    def delete(self, job_id: str) -> None:
        """Forget a job that is over, with its files. Raises JobNotOver."""
        self._transport.send(Call("DELETE", _path(job_id), repeatable=False))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """What happens to the job, as it happens, until it is over.

        A lost connection is taken up again where it broke off: no event is missed, none comes twice. Events of type
        `progress` come only while somebody listens; their `data` is a `schemas.jobs.Progress`.

        Args:
            job_id: The job.
            after: Leave out events up to this number.

        Raises:
            ServiceUnreachable: The service has been away for too long.
        """
        return iter(EventStream(self._transport, _path(job_id), after=after))

    def metrics(self, job_id: str) -> MetricHistory:
        """The metrics of every epoch so far."""
        return MetricHistory.model_validate_json(self._transport.get(_path(job_id, "metrics")).content)

    def compare(self, job_ids: Sequence[str]) -> Comparison:
        """2 to 20 jobs side by side: where their specs differ, their metrics over the same epochs, who was best.

        Raises:
            JobNotFound: Names the first id that the service does not know.
            InvalidSpec: Too few jobs, too many, or one twice.
        """
        query = {"jobs": ",".join(job_ids)}
        return Comparison.model_validate_json(self._transport.get("/v1/compare", query).content)

    def logs(self, job_id: str, *, follow: bool = False) -> Iterator[LogLine]:
        """The lines that the trainer wrote; with `follow`, also those to come, until the job is over."""
        last: str | None = None
        while True:
            over = not follow or self.get(job_id).terminal
            listing = Listing(_path(job_id, "logs"), LogPage, {"after": last} if last else {})
            for line in every_row(self._transport, listing):
                yield line
                last = str(line.seq)
            if over:
                return
            self._poll(job_id, None, seconds=1)

    def checkpoints(self, job_id: str) -> Sequence[Checkpoint]:
        """The checkpoints still kept, oldest first."""
        return list(every_row(self._transport, Listing(_path(job_id, "checkpoints"), CheckpointPage)))

    def artifacts(self, job_id: str) -> Sequence[Artifact]:
        """The files that the job produced so far."""
        return list(every_row(self._transport, Listing(_path(job_id, "artifacts"), ArtifactPage)))

    def download_model(self, job_id: str, path: str | Path) -> Path:
        """Save the trained model. Raises ModelNotReady. See `download_artifact`."""
        return download(self._transport, _path(job_id, "model"), Path(path))

    def download_artifact(self, job_id: str, name: str, path: str | Path) -> Path:
        """Save an artifact to `path`, which is replaced once the whole file has come and its SHA-256 is right.

        A download that broke off goes on where it stopped, also in a later call.

        Raises:
            ArtifactNotFound: The job has no such file.
            DownloadDamaged: What came is not what the service announced.
        """
        return download(self._transport, _path(job_id, "artifacts", name), Path(path))

    def download_checkpoint(self, job_id: str, checkpoint_id: str, path: str | Path) -> Path:
        """Save a checkpoint. Raises CheckpointNotFound. See `download_artifact`."""
        return download(self._transport, _path(job_id, "checkpoints", checkpoint_id, "content"), Path(path))

    def _poll(self, job_id: str, etag: str | None, *, seconds: float) -> httpx.Response:
        """The answer on the next change after `etag`, or 304 when there was none for so long."""
        wait = max(1, min(LONGEST_POLL, int(seconds)))
        headers = {"If-None-Match": etag} if etag else {}
        call = Call("GET", _path(job_id), query={"wait": wait}, headers=headers, read_seconds=wait + ANSWER_SECONDS)
        return self._transport.send(call)


def _source(dataset: str) -> dict[str, Any]:
    return {"source": {"id" if dataset.startswith("ds_") else "builtin": dataset}}


def _path(job_id: str, *parts: str) -> str:
    return "/".join(["/v1/jobs", *(quote(part, safe="") for part in (job_id, *parts))])
