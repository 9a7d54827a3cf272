"""What comes before a trainer starts: the proof that the API could not get, and the checkpoint to go on from.

Or to begin with, where a job takes its first weights from another: that is fetched here too, at the beginning of an
attempt, and whoever deletes it before then ends the job.
"""

from collections.abc import Mapping
from typing import Any

from hornbeam.errors import ArtifactNotFound, CheckpointNotFound, JobNotFound
from hornbeam.jobs.record import CheckpointRecord
from hornbeam.queue.base import UNPROVEN
from hornbeam.specs.starting_weights import WHERE
from hornbeam.storage.base import MODEL
from schemas.jobs import ErrorLocation, ErrorOrigin, JobError
from schemas.problems import Finding, Severity
from workers.attempt import AttemptContext
from workers.messages import ResumePoint, StartingPoint
from workers.proving import prove

_INITIAL = "initial.keras"


class CannotBegin(Exception):
    """What the attempt needs is gone, and trying again would not bring it back."""

    def __init__(self, error: JobError) -> None:
        self.error = error
        super().__init__(error.message)


def first_error(context: AttemptContext, spec: Mapping[str, Any]) -> JobError | None:
    """Prove a job that was accepted unproven. Records the warnings, and returns the error that fails it, if any.

    Raises LaunchFailed.

    Args:
        context: The attempt.
        spec: The job's, with the facts about its datasets.
    """
    job = context.claim.job
    if job.attempt > 1 or all(finding.code != UNPROVEN for finding in job.findings):
        return None
    answer = prove(spec, context.parts.launcher, context.parts.settings, context.workdir)
    findings = answer.findings if answer else []
    for finding in findings:
        if finding.severity is not Severity.ERROR:
            _record(context, finding)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return _spec_error(errors) if errors else None


def resume_point(context: AttemptContext) -> ResumePoint | None:
    """Fetch the newest checkpoint whose file is as it was stored; None: begin at the beginning.

    Raises StoreUnavailable, ArtifactStoreUnavailable.
    """
    store, job_id = context.parts.store, context.job_id
    if context.attempt.number == 1:
        return None
    history = [epoch.metrics for epoch in sorted(store.epochs(job_id), key=lambda epoch: epoch.epoch)]
    for checkpoint in reversed(store.checkpoints(job_id)):
        if checkpoint.epoch <= len(history) and (path := _fetch(context, checkpoint)):
            context.log.remark(f"Going on from epoch {checkpoint.epoch}, step {checkpoint.step}.")
            return ResumePoint(
                path=path, epoch=checkpoint.epoch, step=checkpoint.step, history=history[: checkpoint.epoch]
            )
    return None


def starting_point(context: AttemptContext) -> StartingPoint | None:
    """Fetch what this job begins with of another: a checkpoint, or the finished model; None where it begins by itself.

    Raises CannotBegin when it is gone, StoreUnavailable, ArtifactStoreUnavailable.
    """
    wanted = context.claim.job.spec["model"].get("initial_weights")
    if wanted is None:
        return None
    try:
        return (
            _finished_model(context, wanted["job"]) if "job" in wanted else _checkpoint(context, wanted["checkpoint"])
        )
    except (CheckpointNotFound, JobNotFound, ArtifactNotFound) as error:
        raise CannotBegin(_model_gone(wanted["job"]) if "job" in wanted else _checkpoint_gone(wanted)) from error


def _checkpoint(context: AttemptContext, checkpoint_id: str) -> StartingPoint:
    path, store = context.workdir / _INITIAL, context.parts.store
    checkpoint = store.find_checkpoint(checkpoint_id)
    model = store.get_job(checkpoint.job_id).spec["model"]
    context.parts.artifacts.fetch(checkpoint.key, path, sha256=checkpoint.sha256)
    return StartingPoint(
        path=str(path),
        checkpoint=checkpoint.id,
        sha256=checkpoint.sha256,
        epoch=checkpoint.epoch,
        job_id=checkpoint.job_id,
        model=model,
    )


def _finished_model(context: AttemptContext, job_id: str) -> StartingPoint:
    path, store = context.workdir / _INITIAL, context.parts.store
    job, artifact = store.get_job(job_id), store.artifact(job_id, MODEL)
    context.parts.artifacts.fetch(artifact.key, path, sha256=artifact.sha256)
    epoch = job.summary.last.epoch if job.summary.last else 0
    return StartingPoint(
        path=str(path), checkpoint=None, epoch=epoch, job_id=job_id, model=job.spec["model"], sha256=artifact.sha256
    )


def _model_gone(job_id: str) -> JobError:
    return JobError(
        origin=ErrorOrigin.DATA,
        code="weights.model_gone",
        message=f"The model of {job_id}, whose weights this job was to begin with, is gone or damaged.",
        where=ErrorLocation(pointer=f"{WHERE}/job"),
        suggestion="Begin with that of a job that is still there.",
    )


def _checkpoint_gone(wanted: Mapping[str, Any]) -> JobError:
    return JobError(
        origin=ErrorOrigin.DATA,
        code="weights.checkpoint_gone",
        message=f"{wanted['checkpoint']}, whose weights this job was to begin with, is gone or damaged.",
        where=ErrorLocation(pointer=f"{WHERE}/checkpoint"),
        suggestion="Begin with another: those that their job keeps to its end, by checkpoints.keep, stay.",
    )


def _fetch(context: AttemptContext, checkpoint: CheckpointRecord) -> str | None:
    path = context.workdir / "resume.keras"
    try:
        context.parts.artifacts.fetch(checkpoint.key, path, sha256=checkpoint.sha256)
    except ArtifactNotFound:
        context.log.remark(f"The file of {checkpoint.id}, of epoch {checkpoint.epoch}, is gone or damaged.")
        return None
    return str(path)


def _record(context: AttemptContext, finding: Finding) -> None:
    body = finding.model_dump(mode="json")
    context.scribe.write(lambda: context.parts.store.add_warning(context.attempt, body))


def _spec_error(errors: list[Finding]) -> JobError:
    first, *rest = errors
    return JobError(
        origin=ErrorOrigin.SPEC,
        code=first.code,
        message=" ".join([first.message, *(f"Also: {finding.message}" for finding in rest)]),
        where=ErrorLocation(pointer=first.pointer),
        suggestion=first.suggestion,
    )
