"""The artifact `log.txt`: every line that the store kept of a job, of all its attempts."""

from collections.abc import Iterator
from datetime import UTC, datetime

from hornbeam.jobs.record import ArtifactRecord, LogRecord
from hornbeam.storage.base import Store
from schemas.checkpoints import ArtifactKind
from workers.attempt import AttemptContext, artifact_key

NAME = "log.txt"
_PAGE = 1000


def store_log(context: AttemptContext) -> None:
    """Write the log as the store has it by now, and record the artifact. Raises LeaseLost, Unavailable."""
    path = context.workdir / NAME
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(context.parts.store, context.job_id):
            file.write(f"{line.at.isoformat(timespec='milliseconds')} {line.attempt} {line.stream}: {line.text}\n")
    stored = context.parts.artifacts.put_file(artifact_key(context.attempt, NAME), path)
    record = ArtifactRecord(
        job_id=context.job_id,
        name=NAME,
        kind=ArtifactKind.LOG.value,
        media_type="text/plain; charset=utf-8",
        key=stored.key,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        created_at=datetime.now(UTC),
    )
    context.parts.store.add_artifact(context.attempt, record)


def _lines(store: Store, job_id: str) -> Iterator[LogRecord]:
    after = 0
    while page := store.logs(job_id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq
        if len(page) < _PAGE:
            return
