"""What clients ask for: create, read, cancel, pause, resume, fail, delete; and a database that is not there."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from hornbeam.errors import (
    ArtifactNotFound,
    CheckpointNotFound,
    JobNotFound,
    JobNotOver,
    StoreUnavailable,
    TransitionRefused,
)
from hornbeam.jobs.record import JobRecord
from hornbeam.storage.base import JobQuery, Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import (
    FAILURE,
    SUCCESS,
    Chapter,
    artifact,
    checkpoint,
    epoch,
    new_job,
    start,
    take,
)
from schemas.events import EventType
from schemas.jobs import JobStatus, Summary
from schemas.problems import Finding, Severity

_LOOKUPS: dict[str, Callable[[Store, str], object]] = {
    "get_job": lambda store, job_id: store.get_job(job_id),
    "get_version": lambda store, job_id: store.get_version(job_id),
    "request_cancel": lambda store, job_id: store.request_cancel(job_id, "asked"),
    "request_pause": lambda store, job_id: store.request_pause(job_id, "asked"),
    "resume_job": lambda store, job_id: store.resume_job(job_id, "asked"),
    "fail_job": lambda store, job_id: store.fail_job(job_id, FAILURE),
    "delete_job": lambda store, job_id: store.delete_job(job_id),
    "events": lambda store, job_id: store.events(job_id),
    "logs": lambda store, job_id: store.logs(job_id),
    "epochs": lambda store, job_id: store.epochs(job_id),
    "checkpoints": lambda store, job_id: store.checkpoints(job_id),
    "checkpoint": lambda store, job_id: store.checkpoint(job_id, "ckpt_1"),
    "artifacts": lambda store, job_id: store.artifacts(job_id),
    "artifact": lambda store, job_id: store.artifact(job_id, "model.keras"),
}

_ODD_IDS = ["job_unknown", "", "job_\x00", "job_\ud800", "job_' OR 1=1 --", "é" * 300]


class RequestLaws(Chapter):
    """Jobs as clients see them."""

    def test_a_new_job_is_queued_and_read_back_as_it_was_created(self, store: Store, clock: Clock) -> None:
        finding = Finding(severity=Severity.WARNING, pointer="/a", code="x.y", message="m", suggestion="s")
        spec: dict[str, Any] = {
            "text": "é\u0000🐎",
            "numbers": [1, -2.5, 1e300, 2**63],
            "nothing": None,
            "yes": True,
            "deep": [{"a": []}],
        }
        new = new_job(
            clock, name="a job", spec=spec, metadata={"k": "v"}, findings=(finding,), priority=-3, needs_gpu=True
        )
        job = store.create_job(new)
        assert store.get_job(new.id) == job
        shown = {field.name for field in fields(new)} - {"datasets"}  # which the spec names
        assert {name: getattr(job, name) for name in shown} == {name: getattr(new, name) for name in shown}
        assert (job.status, job.phase, job.attempt, job.summary, job.timings) == (
            JobStatus.QUEUED,
            None,
            0,
            Summary(),
            {},
        )
        assert [(t.status, t.at) for t in job.transitions] == [(JobStatus.QUEUED, clock())]
        assert [(e.seq, e.type) for e in store.events(new.id)] == [(1, EventType.JOB_QUEUED)]

    def test_jobs_created_together_are_as_if_created_one_by_one(self, store: Store, clock: Clock) -> None:
        news = [new_job(clock, metadata={"k": str(n), "team": "vision"}, priority=n) for n in range(3)]
        created = store.create_jobs(news)
        assert [store.get_job(new.id) for new in news] == created
        assert [store.queue_position(new.id) for new in news] == [3, 2, 1]
        assert [[event.type for event in store.events(new.id)] for new in news] == [[EventType.JOB_QUEUED]] * 3
        found = store.list_jobs(JobQuery(metadata={"k": "1", "team": "vision"})).rows
        assert [job.id for job in found] == [news[1].id]
        assert store.create_jobs([]) == []

    def test_of_jobs_created_together_all_are_there_or_none(self, store: Store, clock: Clock) -> None:
        taken = store.create_job(new_job(clock))
        other = new_job(clock)
        with pytest.raises(StoreUnavailable):
            store.create_jobs([other, new_job(clock, id=taken.id)])
        with pytest.raises(JobNotFound):
            store.get_job(other.id)

    def test_moments_come_back_in_utc_to_the_microsecond(self, store: Store, clock: Clock) -> None:
        job = store.get_job(store.create_job(new_job(clock)).id)
        assert (job.created_at, job.queued_at) == (clock(), clock())
        assert job.queued_at.utcoffset() is not None
        assert not job.queued_at.utcoffset()

    @pytest.mark.parametrize("lookup", _LOOKUPS)
    @pytest.mark.parametrize("job_id", _ODD_IDS, ids=ascii)
    def test_an_unknown_job_is_not_found(self, store: Store, lookup: str, job_id: str) -> None:
        with pytest.raises(JobNotFound):
            _LOOKUPS[lookup](store, job_id)

    def test_what_a_job_lacks_is_not_found(self, store: Store, clock: Clock) -> None:
        mine, other = start(store, clock), start(store, clock)
        theirs = checkpoint(other, clock)
        store.add_checkpoint(other, theirs)
        for checkpoint_id in (theirs.id, "ckpt_\x00"):
            with pytest.raises(CheckpointNotFound):
                store.checkpoint(mine.job_id, checkpoint_id)
        for name in ("model.keras", "\x00"):
            with pytest.raises(ArtifactNotFound):
                store.artifact(mine.job_id, name)

    @pytest.mark.parametrize("ask", ["request_cancel", "request_pause"])
    def test_asking_twice_changes_nothing_the_second_time(self, store: Store, clock: Clock, ask: str) -> None:
        attempt = start(store, clock)
        first: JobRecord = getattr(store, ask)(attempt.job_id, "asked")
        assert getattr(store, ask)(attempt.job_id, "asked again") == first
        assert store.get_job(attempt.job_id) == first

    @pytest.mark.parametrize("claimed", [False, True])
    def test_a_cancel_ends_at_once_what_no_attempt_holds(self, store: Store, clock: Clock, *, claimed: bool) -> None:
        job = store.create_job(new_job(clock))
        if claimed:
            take(store)
        cancelled = store.request_cancel(job.id, "asked")
        assert cancelled.status is (JobStatus.CANCELLING if claimed else JobStatus.CANCELLED)
        assert cancelled.finished_at == (None if claimed else clock())
        assert cancelled.transitions[-1].reason == "asked"

    @pytest.mark.parametrize("outcome", [SUCCESS, FAILURE], ids=lambda outcome: outcome.status.value)
    def test_a_job_that_is_over_cannot_be_cancelled(self, store: Store, clock: Clock, outcome: object) -> None:
        attempt = start(store, clock)
        store.finish(attempt, outcome)  # type: ignore[arg-type]
        with pytest.raises(TransitionRefused):
            store.request_cancel(attempt.job_id, "asked")

    def test_a_queued_job_fails_where_it_stands(self, store: Store, clock: Clock) -> None:
        job = store.fail_job(store.create_job(new_job(clock)).id, FAILURE)
        assert (job.status, job.error, job.finished_at, job.attempt) == (JobStatus.FAILED, FAILURE.error, clock(), 0)
        assert store.claim("wrk_1", has_gpu=True, lease_seconds=60) is None

    def test_deleting_takes_everything_along(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        job = store.create_job(new_job(clock, metadata={"k": "v"}), idempotency_key="key")
        attempt = take(store)
        store.append_logs(attempt, [("stdout", "text")], keep=10)
        store.record_epoch(attempt, epoch())
        store.add_checkpoint(attempt, checkpoint(attempt, clock))
        store.add_artifact(attempt, artifact(attempt, clock))
        with pytest.raises(JobNotOver):
            store.delete_job(job.id)
        store.finish(attempt, SUCCESS)
        store.delete_job(job.id)
        for lookup in _LOOKUPS.values():
            with pytest.raises(JobNotFound):
                lookup(store, job.id)
        assert store.list_jobs(JobQuery(metadata={"k": "v"})).rows == ()
        assert store.reserve_key("key", "another", abandoned_before=clock()) is None

    def test_counts_name_every_status(self, store: Store, clock: Clock) -> None:
        assert store.count_jobs() == dict.fromkeys(JobStatus, 0)
        start(store, clock)
        for _ in range(2):
            store.create_job(new_job(clock))
        assert store.count_jobs() == {**dict.fromkeys(JobStatus, 0), JobStatus.RUNNING: 1, JobStatus.QUEUED: 2}

    def test_a_store_that_lives_answers(self, store: Store) -> None:
        store.ping()

    def test_database_trouble_is_told_without_addresses(self, lost_store: Store, clock: Clock) -> None:
        calls: list[Callable[[], object]] = [
            lost_store.ping,
            lambda: lost_store.get_job("job_1"),
            lambda: lost_store.create_job(new_job(clock)),
            lambda: lost_store.list_jobs(JobQuery()),
            lambda: lost_store.claim("wrk_1", has_gpu=False, lease_seconds=60),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable) as caught:
                call()
            told = f"{caught.value} {caught.value.suggestion or ''}".lower()
            assert not any(
                secret in told for secret in ("sqlite:", "postgresql", "password", "127.0.0.1", "/", "select")
            )
            assert caught.value.__suppress_context__
