"""Turns what a trainer says into writes: to the database, and of its files to the artifact store.

A trainer runs a client's model, so its word is checked: it may name files in its own directory only. Leaves the
order of writes and outages to the scribe, and when to stop to the supervisor.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import singledispatchmethod
from pathlib import Path

from hornbeam.jobs.identifiers import new_checkpoint_id
from hornbeam.jobs.record import ArtifactRecord, CheckpointRecord, EpochRecord
from schemas.events import EventType
from schemas.jobs import Progress
from workers.attempt import AttemptContext, artifact_key
from workers.messages import (
    ArtifactSaved,
    CheckpointSaved,
    EpochCompleted,
    Evaluated,
    Failed,
    GuardEvaluated,
    Message,
    PhaseEntered,
    Planned,
    Progressed,
    Stopped,
    Succeeded,
    Warned,
)
from workers.retention import superfluous
from workers.scribe import Write
from workers.verdict import Verdict

_ARTIFACT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Recorder:
    """Takes the messages of one attempt."""

    def __init__(self, context: AttemptContext) -> None:
        self.verdict: Verdict | None = None
        self.progress: Progress | None = None
        """The newest, until somebody takes it."""
        self._store, self._artifacts = context.parts.store, context.parts.artifacts
        self._attempt, self._spec = context.attempt, context.claim.job.spec
        self._workdir = context.workdir.resolve()
        self._scribe, self._log = context.scribe, context.log
        self._malformed = 0

    def take(self, message: Message) -> None:
        """Record a message. After the trainer's last word nothing counts."""
        if self.verdict is None:
            self._record(message)

    def malformed(self, line: bytes) -> None:
        """Count a line that is no message; the first of them is worth a word."""
        self._malformed += 1
        if self._malformed == 1:
            shown = line[:200].decode(errors="replace")
            self._log.remark(f"The trainer sent something that is no message, and it was ignored: {shown}")

    def close(self) -> None:
        """Say how much was ignored."""
        if self._malformed > 1:
            self._log.remark(f"{self._malformed} lines from the trainer were no messages, and were ignored.")

    @singledispatchmethod
    def _record(self, message: Message) -> None:
        raise TypeError(f"nothing is known about {type(message).__name__}")

    @_record.register
    def _(self, message: PhaseEntered) -> None:
        self._scribe.write(lambda: self._store.set_phase(self._attempt, message.phase))

    @_record.register
    def _(self, message: Progressed) -> None:
        self.progress = message.progress

    @_record.register
    def _(self, message: EpochCompleted) -> None:
        epoch = EpochRecord(message.epoch, message.metrics, message.seconds, message.is_best)
        self._scribe.write(lambda: self._store.record_epoch(self._attempt, epoch))

    @_record.register
    def _(self, message: Evaluated) -> None:
        self._scribe.write(lambda: self._store.record_test(self._attempt, message.metrics))

    @_record.register
    def _(self, message: GuardEvaluated) -> None:
        evaluation = message.evaluation.model_dump(mode="json")
        self._scribe.write(lambda: self._store.append_event(self._attempt, EventType.GUARD_EVALUATED, evaluation))

    @_record.register
    def _(self, message: CheckpointSaved) -> None:
        self._store_file(message.path, lambda path: self._checkpoint_writes(message, path))

    @_record.register
    def _(self, message: ArtifactSaved) -> None:
        if _ARTIFACT_NAME.fullmatch(message.name):
            self._store_file(message.path, lambda path: [lambda: self._store_artifact(message, path)])
        else:
            self.malformed(message.name.encode())

    @_record.register
    def _(self, message: Warned) -> None:
        finding = message.finding.model_dump(mode="json")
        self._scribe.write(lambda: self._store.add_warning(self._attempt, finding))

    @_record.register(Succeeded)
    @_record.register(Stopped)
    @_record.register(Failed)
    def _(self, message: Verdict) -> None:
        self.verdict = message

    @_record.register
    def _(self, message: Planned) -> None:
        self.malformed(message.kind.encode())

    def _store_file(self, named: str, writes: Callable[[Path], list[Write]]) -> None:
        path = self._own_file(named)
        if path is None:
            self.malformed(named.encode())
            return
        for write in writes(path):
            self._scribe.write(write)

    def _own_file(self, named: str) -> Path | None:
        """The file that a trainer names, if it is one, and its own."""
        path = self._workdir / named
        is_own = path.resolve().is_relative_to(self._workdir) and path.is_file() and not path.is_symlink()
        return path if is_own else None

    def _checkpoint_writes(self, message: CheckpointSaved, path: Path) -> list[Write]:
        checkpoint_id = new_checkpoint_id()
        return [
            lambda: self._store_checkpoint(message, checkpoint_id, path),
            self._drop_superfluous,
            lambda: path.unlink(missing_ok=True),
        ]

    def _store_checkpoint(self, message: CheckpointSaved, checkpoint_id: str, path: Path) -> None:
        key = f"jobs/{self._attempt.job_id}/checkpoints/{checkpoint_id}.keras"
        stored = self._artifacts.put_file(key, path)
        record = CheckpointRecord(
            id=checkpoint_id,
            job_id=self._attempt.job_id,
            attempt=self._attempt.number,
            epoch=message.epoch,
            step=message.step,
            metrics=message.metrics,
            is_best=message.is_best,
            key=key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            created_at=datetime.now(UTC),
        )
        self._store.add_checkpoint(self._attempt, record)

    def _drop_superfluous(self) -> None:
        """Rows first: a row without its file would be a checkpoint that cannot be fetched."""
        dropped = superfluous(self._store.checkpoints(self._attempt.job_id), self._spec)
        if dropped:
            self._store.drop_checkpoints(self._attempt, [checkpoint.id for checkpoint in dropped])
            for checkpoint in dropped:
                self._artifacts.delete(checkpoint.key)

    def _store_artifact(self, message: ArtifactSaved, path: Path) -> None:
        key = artifact_key(self._attempt, message.name)
        stored = self._artifacts.put_file(key, path)
        record = ArtifactRecord(
            job_id=self._attempt.job_id,
            name=message.name,
            kind=message.artifact_kind.value,
            media_type=message.media_type,
            key=key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            created_at=datetime.now(UTC),
        )
        self._store.add_artifact(self._attempt, record)
