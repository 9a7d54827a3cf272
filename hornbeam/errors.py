"""Everything that can go wrong, as a tree of exceptions that know a stable code and never HTTP.

HornbeamError
├── NotFound: JobNotFound, CheckpointNotFound, ArtifactNotFound, ModelNotReady, ComponentNotFound, DatasetNotFound,
│             UploadNotFound
├── Conflict: TransitionRefused, JobNotOver, JobNotSucceeded, KeyInFlight, DatasetInUse, UploadBusy
├── Invalid: InvalidSpec, InvalidCursor, KeyReused, InvalidDataset, DigestMismatch, DatasetTooLarge, UploadIncomplete,
│            SourceNotAllowed, SourcePrivate, SourceRedirected
├── SourceFailed: SourceUnreachable, SourceStatus, SourceUnusable
├── Unavailable: StoreUnavailable, QueueUnavailable, ArtifactStoreUnavailable, StorageFull, IngestBusy
├── LeaseLost
├── InstallationError: SettingsInvalid, DirectoryInUse, PortInUse, ServerMissing, ComponentRefused
└── ClientError: ServiceUnreachable, UnexpectedAnswer, DownloadDamaged

`service.problems` maps the leaves to HTTP; a test finds every leaf there but those of InstallationError, which
stop a process from starting, and of ClientError, which `hornbeam.client` finds on its own side. Each docstring's
first line is the default message.
"""

from collections.abc import Sequence
from typing import ClassVar

from schemas.problems import Finding
from schemas.strict import JsonObject


class HornbeamError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, *, suggestion: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.suggestion = suggestion
        self.retry_after: float | None = None
        """Seconds after which it may go better, where a service said so."""
        super().__init__(self.message)


class NotFound(HornbeamError):
    """There is no such thing."""

    code = "not_found"


class JobNotFound(NotFound):
    """There is no job with this id."""

    code = "job.not_found"


class CheckpointNotFound(NotFound):
    """The job has no checkpoint with this id."""

    code = "checkpoint.not_found"


class ArtifactNotFound(NotFound):
    """The job has no artifact with this name."""

    code = "artifact.not_found"


class ModelNotReady(NotFound):
    """The job has not produced a model."""

    code = "model.not_ready"


class ComponentNotFound(NotFound):
    """The catalogue holds no such component."""

    code = "component.not_found"


class DatasetNotFound(NotFound):
    """There is no dataset with this id."""

    code = "dataset.not_found"


class UploadNotFound(NotFound):
    """There is no upload with this id."""

    code = "upload.not_found"


class Conflict(HornbeamError):
    """The state of things does not allow it."""

    code = "conflict"


class TransitionRefused(Conflict):
    """The job's status does not allow this."""

    code = "job.transition_refused"


class JobNotOver(Conflict):
    """The job is not over yet."""

    code = "job.not_over"


class JobNotSucceeded(Conflict):
    """The job has not succeeded."""

    code = "job.not_succeeded"


class KeyInFlight(Conflict):
    """A request with this Idempotency-Key is being worked on."""

    code = "idempotency.in_flight"


class DatasetInUse(Conflict):
    """A job that is not over uses this dataset."""

    code = "dataset.in_use"


class UploadBusy(Conflict):
    """The upload is being completed, or is complete."""

    code = "upload.busy"


class Invalid(HornbeamError):
    """The request is not valid."""

    code = "invalid"


class InvalidSpec(Invalid):
    """The spec is not valid."""

    code = "spec.invalid"

    def __init__(
        self, findings: Sequence[Finding], message: str | None = None, *, plan: JsonObject | None = None
    ) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
        self.plan = plan
        """What a planner found of the model, as far as it got; None where none was asked."""


class InvalidCursor(Invalid):
    """The cursor in `after` is not one that this list handed out."""

    code = "list.invalid_cursor"


class KeyReused(Invalid):
    """This Idempotency-Key was used with another request."""

    code = "idempotency.reused"


class InvalidDataset(Invalid):
    """The file is not a dataset that can be read."""

    code = "dataset.invalid"

    def __init__(self, findings: Sequence[Finding], message: str | None = None) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class DigestMismatch(Invalid):
    """What arrived is not what was announced: its SHA-256 differs."""

    code = "digest.mismatch"


class DatasetTooLarge(Invalid):
    """The file is larger than this service takes."""

    code = "dataset.too_large"


class UploadIncomplete(Invalid):
    """Parts of the upload are missing."""

    code = "upload.incomplete"


class SourceNotAllowed(Invalid):
    """The operator of this service does not list this source."""

    code = "source.not_allowed"


class SourcePrivate(Invalid):
    """The source's name leads to an address that is not public."""

    code = "source.private_address"


class SourceRedirected(Invalid):
    """The source answers with a redirect, which is not followed: name the address that it leads to."""

    code = "source.redirect"


class SourceFailed(HornbeamError):
    """A file cannot be had from where it lies."""

    code = "source.failed"


class SourceUnreachable(SourceFailed):
    """The source cannot be reached, or the connection to it broke off."""

    code = "source.unreachable"


class SourceStatus(SourceFailed):
    """The source does not give the file: it is not there, or not for everybody."""

    code = "source.status"


class SourceUnusable(SourceFailed):
    """The source's answer is encoded, or does not say where it ends."""

    code = "source.unusable"


class Unavailable(HornbeamError):
    """A part of the service cannot be reached."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """The database cannot be reached."""

    code = "database.unavailable"


class QueueUnavailable(Unavailable):
    """The message broker cannot be reached."""

    code = "broker.unavailable"


class ArtifactStoreUnavailable(Unavailable):
    """The artifact store cannot be reached."""

    code = "artifacts.unavailable"


class IngestBusy(Unavailable):
    """As many files as can be read at once are being read."""

    code = "ingest.busy"


class StorageFull(Unavailable):
    """There is no room left for this."""

    code = "storage.full"


class LeaseLost(HornbeamError):
    """This attempt no longer holds the job: another has taken it, or it is over."""

    code = "attempt.lease_lost"


class InstallationError(HornbeamError):
    """The service cannot run as it is set up."""

    code = "installation"


class SettingsInvalid(InstallationError):
    """The settings are not valid."""

    code = "installation.settings"


class DirectoryInUse(InstallationError):
    """Another `hornbeam up` is running on this data directory."""

    code = "installation.directory_in_use"


class PortInUse(InstallationError):
    """Something else listens on this port."""

    code = "installation.port_in_use"


class ServerMissing(InstallationError):
    """There is no Redis-compatible server to start."""

    code = "installation.no_redis_server"


class ComponentRefused(InstallationError):
    """A registered class can't be a component."""

    code = "installation.component_refused"


class ClientError(HornbeamError):
    """A request could not be made, or its answer not be understood."""

    code = "client"


class ServiceUnreachable(ClientError):
    """The service cannot be reached."""

    code = "client.unreachable"


class UnexpectedAnswer(ClientError):
    """The answer is not one that a Hornbeam service gives."""

    code = "client.unexpected_answer"


class DownloadDamaged(ClientError):
    """The file that arrived is not the one that the service announced."""

    code = "client.download_damaged"
