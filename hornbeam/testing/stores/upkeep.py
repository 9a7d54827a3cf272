"""What the reconciler relies on: sightings of leases, wake-ups to send again, workers, and what is purged."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from hornbeam.errors import LeaseLost
from hornbeam.jobs.record import JobRecord, Orders
from hornbeam.storage.base import LeaseSighting, Store
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import ERROR, SUCCESS, Chapter, OpenStore, at_once, new_job, start, take, worker
from schemas.events import EventType
from schemas.jobs import JobStatus

_GIVE_UP: dict[str, Any] = {"max_attempts": 2, "error": ERROR.model_dump()}


class UpkeepLaws(Chapter):
    """Lost attempts, lost messages, old rows."""

    def test_held_leases_are_those_of_active_jobs(self, store: Store, clock: Clock) -> None:
        store.create_job(new_job(clock))
        store.finish(start(store, clock), SUCCESS)
        held = [start(store, clock) for _ in range(3)]
        store.request_pause(held[1].job_id, "asked")
        store.request_cancel(held[2].job_id, "asked")
        expected = [LeaseSighting(attempt.job_id, attempt.number, clock()) for attempt in held]
        assert sorted(store.held_leases(), key=lambda lease: lease.job_id) == expected

    def test_a_job_that_was_claimed_and_never_heard_of_is_given_up(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        [sighting] = store.held_leases()
        clock.advance(100)
        job = store.give_up(sighting, **_GIVE_UP)
        assert job is not None
        assert job == store.get_job(attempt.job_id)
        assert (job.status, job.queued_at, job.error) == (JobStatus.QUEUED, clock(), None)
        assert store.events(job.id)[-1].type is EventType.JOB_RETRYING
        assert store.give_up(sighting, **_GIVE_UP) is None
        with pytest.raises(LeaseLost):
            store.heartbeat(attempt, lease_seconds=60, progress=None)

    def test_a_heartbeat_since_the_sighting_saves_the_attempt(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        [sighting] = store.held_leases()
        clock.advance(1)
        store.heartbeat(attempt, lease_seconds=60, progress=None)
        before = store.get_job(attempt.job_id)
        assert store.give_up(sighting, **_GIVE_UP) is None
        assert store.get_job(attempt.job_id) == before

    def test_another_attempt_since_the_sighting_is_left_alone(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        [sighting] = store.held_leases()
        store.release(attempt, "drained")
        take(store)  # at the same moment, so only the number of the attempt tells them apart
        assert store.give_up(sighting, **_GIVE_UP) is None

    @pytest.mark.parametrize(
        ("ask", "status"), [("request_pause", JobStatus.PAUSED), ("request_cancel", JobStatus.CANCELLED)]
    )
    def test_a_lost_attempt_has_obeyed_its_orders(
        self, store: Store, clock: Clock, ask: str, status: JobStatus
    ) -> None:
        attempt = start(store, clock)
        getattr(store, ask)(attempt.job_id, "asked")
        job = store.give_up(store.held_leases()[0], max_attempts=1, error=ERROR.model_dump())
        assert job is not None
        assert (job.status, job.error) == (status, None)

    def test_attempts_are_not_begun_for_ever(self, store: Store, clock: Clock) -> None:
        attempt = start(store, clock)
        assert store.give_up(store.held_leases()[0], **_GIVE_UP) is not None
        take(store)
        job = store.give_up(store.held_leases()[0], **_GIVE_UP)
        assert job is not None
        assert (job.status, job.attempt, job.error) == (JobStatus.FAILED, 2, ERROR)
        assert store.events(attempt.job_id)[-1].type is EventType.JOB_FAILED

    def test_of_a_heartbeat_and_a_giving_up_that_race_one_wins(self, open_store: OpenStore, clock: Clock) -> None:
        ours, theirs = open_store(), open_store()
        for _ in range(10):
            attempt = start(ours, clock)
            [sighting] = ours.held_leases()
            clock.advance(1)
            calls: list[Callable[[], object]] = [
                partial(ours.heartbeat, attempt, lease_seconds=60, progress=None),
                partial(theirs.give_up, sighting, max_attempts=99, error=ERROR.model_dump()),
            ]
            beat, given_up = at_once(calls)
            assert isinstance(beat, LeaseLost if isinstance(given_up, JobRecord) else Orders), (beat, given_up)
            assert given_up is None or isinstance(given_up, JobRecord)
            ours.request_cancel(attempt.job_id, "asked")
            for lease in ours.held_leases():
                ours.give_up(lease, **_GIVE_UP)

    def test_of_reconcilers_that_race_one_gives_up(self, open_store: OpenStore, clock: Clock) -> None:
        stores = [open_store() for _ in range(4)]
        attempt = start(stores[0], clock)
        [sighting] = stores[0].held_leases()
        results = at_once([partial(store.give_up, sighting, **_GIVE_UP) for store in stores])
        assert sum(isinstance(result, JobRecord) for result in results) == 1
        assert [event.type for event in stores[0].events(attempt.job_id)].count(EventType.JOB_RETRYING) == 1

    def test_wake_ups_that_were_not_sent_are_known(self, store: Store, clock: Clock) -> None:
        first, second = (store.create_job(new_job(clock)).id for _ in range(2))
        urgent = store.create_job(new_job(clock, priority=1)).id
        start(store, clock)
        assert store.unsent_jobs(older_than=clock()) == [urgent, first, second]
        assert store.unsent_jobs(older_than=clock(), limit=1) == [urgent]
        versions = [store.get_version(job_id) for job_id in (first, urgent)]
        store.mark_sent([first, urgent, "job_unknown"])
        assert [store.get_version(job_id) for job_id in (first, urgent)] == versions
        assert store.unsent_jobs(older_than=clock()) == [second]
        sent = clock()
        clock.advance(1)
        assert store.unsent_jobs(older_than=sent) == [second]
        assert store.unsent_jobs(older_than=clock()) == [urgent, first, second]
        store.mark_sent([])

    def test_workers_come_change_and_go(self, store: Store, clock: Clock) -> None:
        first = worker(clock, "wrk_b")
        store.report_worker(first)
        clock.advance(1)
        second = worker(clock, "wrk_a")
        store.report_worker(second)
        busy = replace(first, busy_slots=2, heartbeat_at=clock())
        store.report_worker(busy)
        assert store.list_workers() == [busy, second]
        store.remove_worker("wrk_b")
        store.remove_worker("wrk_b")
        assert store.list_workers() == [second]

    def test_old_keys_and_silent_workers_are_purged(self, store: Store, clock: Clock) -> None:
        store.reserve_key("old", "digest", abandoned_before=clock())
        store.report_worker(worker(clock, "wrk_silent"))
        moment = clock.advance(10)
        store.reserve_key("new", "digest", abandoned_before=clock())
        store.report_worker(worker(clock, "wrk_alive"))
        store.purge(keys_before=moment, workers_before=moment)
        assert [known.id for known in store.list_workers()] == ["wrk_alive"]
        assert store.reserve_key("old", "another", abandoned_before=moment) is None
