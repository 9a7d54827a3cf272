"""From the wish to measure a finished job's model on other rows to the job that does it: a submission like any other.

Leaves HTTP to `service.routes.evaluations`, and what the spec of such a job says to `hornbeam.specs.evaluations`.
"""

import json
from typing import Any

from hornbeam.datasets.facts import DatasetFacts, facts_of
from hornbeam.errors import ArtifactNotFound, InvalidSpec, JobNotSucceeded, ModelNotReady
from hornbeam.jobs.record import JobRecord
from hornbeam.settings import Settings
from hornbeam.specs.evaluations import evaluation_spec, repointed, source_in
from hornbeam.specs.strict_json import parse_json
from hornbeam.storage.base import MODEL, Store
from hornbeam.storage.dataset_facts import RecordedFacts
from schemas.jobs import JobStatus
from service.submission import Answer, Submissions
from service.threads import Threads


async def submit_evaluation(
    job_id: str, body: bytes, key: str | None, submissions: Submissions, threads: Threads, about: tuple[Store, Settings]
) -> Answer:
    """Record the job that measures, or replay the first answer that this key got.

    Raises JobNotFound, JobNotSucceeded, ModelNotReady, InvalidSpec, KeyReused, KeyInFlight, StoreUnavailable.
    """
    store, settings = about
    spec = await threads.run(_spec, job_id, body, store, settings)
    try:
        return await submissions.submit(json.dumps(spec).encode(), key)
    except InvalidSpec as error:
        raise repointed(error) from error


def _spec(job_id: str, body: bytes, store: Store, settings: Settings) -> dict[str, Any]:
    job = store.get_job(job_id)
    if job.status is not JobStatus.SUCCEEDED:
        raise JobNotSucceeded(f"The job is {job.status.value}: it has no finished model to measure.")
    try:
        store.artifact(job_id, MODEL)
    except ArtifactNotFound:
        raise ModelNotReady("The job trained nothing: evaluate the one whose model it measured.") from None
    document, blemishes = parse_json(body, settings)
    if blemishes:
        raise InvalidSpec(blemishes)
    return evaluation_spec(job_id, job.spec, _facts(job, store), source_in(document))


def _facts(job: JobRecord, store: Store) -> DatasetFacts | None:
    dataset = job.spec["dataset"]
    if "id" in dataset["source"]:
        return RecordedFacts(store).find(dataset["source"]["id"])
    return facts_of(dataset)
