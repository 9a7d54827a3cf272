"""Finds the model whose weights a checked spec wants to begin with. Leaves fetching the file to the worker."""

from dataclasses import dataclass, replace
from typing import Any

from hornbeam.errors import ArtifactNotFound, CheckpointNotFound, JobNotFound
from hornbeam.specs.checking import Checked
from hornbeam.specs.starting_weights import WHERE, check_layers
from hornbeam.storage.base import MODEL, JobStore
from schemas.jobs import JobStatus
from schemas.problems import Finding


@dataclass(frozen=True, slots=True)
class Begun:
    """A checked spec, and what it begins with."""

    checked: Checked
    source: dict[str, Any] | None = None
    """The normalised model that the weights are of; None where there is none."""

    @property
    def question(self) -> dict[str, Any]:
        """The spec as the planner takes it: with the model that the weights are of, where there is one."""
        spec = self.checked.spec
        if self.source is None:
            return spec
        weights = {**spec["model"]["initial_weights"], "source": self.source}
        return {**spec, "model": {**spec["model"], "initial_weights": weights}}


def find_source(checked: Checked, store: JobStore) -> Begun:
    """The spec with the model that its `initial_weights` are of, and what is wrong with them among its findings.

    Raises StoreUnavailable.
    """
    found = _of_a_job(checked, store) if "job" in _wanted(checked) else _of_a_checkpoint(checked, store)
    if isinstance(found, Finding):
        return Begun(_with(checked, [found]))
    job_id, source = found
    findings = check_layers(checked.spec["model"], source, job_id) if checked.is_provable else []
    return Begun(_with(checked, findings), source if checked.is_provable and not findings else None)


def _wanted(checked: Checked) -> dict[str, Any]:
    wanted: dict[str, Any] = checked.spec["model"]["initial_weights"]
    return wanted


def _of_a_checkpoint(checked: Checked, store: JobStore) -> tuple[str, dict[str, Any]] | Finding:
    """The job of the checkpoint, and its model."""
    checkpoint_id = _wanted(checked)["checkpoint"]
    try:
        checkpoint = store.find_checkpoint(checkpoint_id)
        return checkpoint.job_id, store.get_job(checkpoint.job_id).spec["model"]
    except (CheckpointNotFound, JobNotFound):
        return _not_found(checkpoint_id)


def _of_a_job(checked: Checked, store: JobStore) -> tuple[str, dict[str, Any]] | Finding:
    """The job, which has a finished model, and that model."""
    job_id, where = _wanted(checked)["job"], f"{WHERE}/job"
    try:
        job = store.get_job(job_id)
    except JobNotFound:
        return Finding(pointer=where, code="weights.job_not_found", message=f"There is no job {job_id}.")
    try:
        store.artifact(job_id, MODEL)
    except (ArtifactNotFound, JobNotFound):
        message = f"{job_id} has no finished model: it is {job.status.value}."
        if job.status is JobStatus.SUCCEEDED:
            message = f"{job_id} has no finished model: it trained nothing."
        return Finding(pointer=where, code="weights.no_model", message=message)
    return job_id, job.spec["model"]


def _with(checked: Checked, findings: list[Finding]) -> Checked:
    return replace(checked, findings=(*checked.findings, *findings))


def _not_found(checkpoint_id: str) -> Finding:
    return Finding(
        pointer=f"{WHERE}/checkpoint",
        code="weights.checkpoint_not_found",
        message=f"There is no checkpoint {checkpoint_id}.",
        suggestion="GET /v1/jobs/{id}/checkpoints lists those that a job's checkpoints.keep has left.",
    )
