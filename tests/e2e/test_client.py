"""The client against a service that runs: every method, and the errors as the service raised them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import is_zipfile

import pytest

from hornbeam.errors import (
    ComponentNotFound,
    InvalidSpec,
    JobNotFound,
    JobNotOver,
    KeyReused,
    ModelNotReady,
    TransitionRefused,
)
from schemas.events import EventType
from schemas.jobs import Job, JobStatus
from schemas.training import JobSpec
from tests.e2e.stacks import RunningStack

pytestmark = pytest.mark.e2e

SPEC = {
    "name": "irises",
    "dataset": {"source": {"builtin": "iris"}, "validation": {"fraction": 0.2}},
    "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
    "training": {"epochs": 3},
    "metadata": {"suite": "client"},
}
ENDLESS = {**SPEC, "training": {"epochs": 100_000}}


@pytest.fixture(scope="module")
def finished(stack: RunningStack) -> Job:
    """A job that has succeeded."""
    return stack.client.jobs.wait(stack.client.jobs.create(SPEC).id, timeout=60)


def test_a_job_from_spec_to_model(stack: RunningStack, tmp_path: Path):
    jobs = stack.client.jobs
    job = jobs.create(JobSpec.model_validate(SPEC))
    types = [event.type for event in jobs.events(job.id) if event.type != EventType.PROGRESS]
    assert types[:2] == [EventType.JOB_QUEUED, EventType.JOB_STARTED]
    assert types.count(EventType.EPOCH_COMPLETED) == 3
    assert types[-1] == EventType.JOB_SUCCEEDED
    assert jobs.metrics(job.id).epochs == [1, 2, 3]
    assert is_zipfile(jobs.download_model(job.id, tmp_path / "model.keras"))
    assert {"model.keras", "curves.png", "manifest.json"} <= {artifact.name for artifact in jobs.artifacts(job.id)}


def test_the_same_key_gives_the_same_job(stack: RunningStack, finished: Job):
    key = f"again-{finished.id}"
    first = stack.client.jobs.create(SPEC, idempotency_key=key)
    assert stack.client.jobs.create(SPEC, idempotency_key=key).id == first.id
    with pytest.raises(KeyReused):
        stack.client.jobs.create(ENDLESS, idempotency_key=key)


def test_a_spec_can_be_proven_without_a_job(stack: RunningStack):
    proof = stack.client.jobs.create(SPEC, validate_only=True)
    assert proof.valid
    assert proof.spec["optimizer"]["type"] == "Adam"
    assert proof.plan is None or proof.plan.parameters == 15


def test_every_finding_comes_back(stack: RunningStack):
    with pytest.raises(InvalidSpec) as caught:
        stack.client.jobs.create({**SPEC, "loss": "msee", "training": {"epochs": -1}})
    assert {finding.pointer for finding in caught.value.findings} == {"/loss", "/training/epochs"}


def test_a_value_that_json_lacks_is_the_services_to_refuse(stack: RunningStack):
    with pytest.raises(InvalidSpec):
        stack.client.jobs.create({**SPEC, "optimizer": {"type": "SGD", "learning_rate": float("nan")}})


def test_lists_go_over_pages_and_filter(stack: RunningStack, finished: Job):
    listed = [job.id for job in stack.client.jobs.list(metadata={"suite": "client"}, order="asc")]
    assert finished.id in listed
    assert listed == sorted(listed)
    assert finished.id in {job.id for job in stack.client.jobs.list(status=JobStatus.SUCCEEDED)}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(stack.client.jobs.list(created_after=tomorrow)) == []


def test_an_endless_job_can_be_waited_for_watched_and_cancelled(stack: RunningStack):
    jobs = stack.client.jobs
    job = jobs.create(ENDLESS)
    progress = next(event for event in jobs.events(job.id) if event.type == EventType.PROGRESS)
    assert progress.data["epochs"] == 100_000
    with pytest.raises(TimeoutError):
        jobs.wait(job.id, timeout=0.2)
    with pytest.raises(JobNotOver):
        jobs.delete(job.id)
    with pytest.raises(ModelNotReady):
        jobs.download_model(job.id, "model.keras")
    jobs.cancel(job.id)
    jobs.cancel(job.id)
    assert jobs.wait(job.id, timeout=30).status == JobStatus.CANCELLED


def test_events_after_the_last_are_none(stack: RunningStack, finished: Job):
    seen = list(stack.client.jobs.events(finished.id))
    assert list(stack.client.jobs.events(finished.id, after=seen[-1].seq)) == []
    assert [event.seq for event in stack.client.jobs.events(finished.id, after=3)] == [e.seq for e in seen[3:]]


def test_a_job_that_is_over_stays_over_until_it_is_deleted(stack: RunningStack):
    jobs = stack.client.jobs
    job = jobs.wait(jobs.create(SPEC).id, timeout=60)
    with pytest.raises(TransitionRefused):
        jobs.cancel(job.id)
    jobs.delete(job.id)
    with pytest.raises(JobNotFound):
        jobs.get(job.id)


def test_workers_and_components(stack: RunningStack):
    assert {worker.role for worker in stack.client.workers() if worker.alive} >= {"train"}
    assert stack.client.component("optimizer", "adam").name == "Adam"
    assert {entry.kind for entry in stack.client.components("loss").components} == {"loss"}
    with pytest.raises(ComponentNotFound):
        stack.client.component("layer", "Lambda")
