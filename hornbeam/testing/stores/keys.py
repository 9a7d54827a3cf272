"""Idempotency keys: one job for each, and the same answer for all who ask again."""

from functools import partial

import pytest

from hornbeam.errors import JobNotFound, KeyInFlight, KeyReused
from hornbeam.jobs.record import JobRecord
from hornbeam.storage.base import Store, StoredAnswer
from hornbeam.testing.stores.clock import Clock
from hornbeam.testing.stores.suite import Chapter, OpenStore, at_once, new_job


class KeyLaws(Chapter):
    """Idempotency-Key."""

    def test_the_first_request_works_the_others_wait(self, store: Store, clock: Clock) -> None:
        assert store.reserve_key("key", "digest", abandoned_before=clock()) is None
        with pytest.raises(KeyInFlight):
            store.reserve_key("key", "digest", abandoned_before=clock())
        assert store.reserve_key("another", "digest", abandoned_before=clock()) is None

    def test_a_key_with_another_body_is_refused_at_every_stage(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        with pytest.raises(KeyReused):
            store.reserve_key("key", "another", abandoned_before=clock())
        store.create_job(new_job(clock), idempotency_key="key")
        with pytest.raises(KeyReused):
            store.reserve_key("key", "another", abandoned_before=clock())

    def test_the_first_answer_is_replayed(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        job = store.create_job(new_job(clock), idempotency_key="key")
        lost = StoredAnswer(job.id, None, {}, None)
        assert store.reserve_key("key", "digest", abandoned_before=clock()) == lost
        headers = {"Location": f"/v1/jobs/{job.id}"}
        store.store_answer("key", 202, headers, b"\x00{}")
        for _ in range(2):
            answer = store.reserve_key("key", "digest", abandoned_before=clock())
            assert answer == StoredAnswer(job.id, 202, headers, b"\x00{}")

    def test_a_released_key_may_be_used_again(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        store.release_key("key")
        store.release_key("unknown")
        assert store.reserve_key("key", "another", abandoned_before=clock()) is None

    def test_a_key_that_led_to_a_job_is_not_released(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        job = store.create_job(new_job(clock), idempotency_key="key")
        store.release_key("key")
        answer = store.reserve_key("key", "digest", abandoned_before=clock())
        assert answer is not None
        assert answer.job_id == job.id

    def test_an_abandoned_key_is_taken_over(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        moment = clock.advance(60)
        assert store.reserve_key("key", "digest", abandoned_before=moment) is None
        with pytest.raises(KeyInFlight):
            store.reserve_key("key", "digest", abandoned_before=moment)

    def test_a_request_that_was_taken_for_dead_creates_no_second_job(self, store: Store, clock: Clock) -> None:
        store.reserve_key("key", "digest", abandoned_before=clock())
        store.reserve_key("key", "digest", abandoned_before=clock.advance(60))
        store.create_job(new_job(clock), idempotency_key="key")
        late = new_job(clock)
        with pytest.raises(KeyInFlight):
            store.create_job(late, idempotency_key="key")
        with pytest.raises(JobNotFound):
            store.get_job(late.id)

    def test_of_requests_that_race_for_a_key_one_works(self, open_store: OpenStore, clock: Clock) -> None:
        stores = [open_store() for _ in range(4)]
        for number in range(10):
            key = f"key {number}"
            reserve = [partial(store.reserve_key, key, "digest", abandoned_before=clock()) for store in stores]
            results = at_once([*reserve, *reserve])
            assert sum(result is None for result in results) == 1
            assert sum(isinstance(result, KeyInFlight) for result in results) == 7
            create = [partial(store.create_job, new_job(clock), idempotency_key=key) for store in stores]
            jobs = at_once(create)
            assert sum(isinstance(job, JobRecord) for job in jobs) == 1
            assert sum(isinstance(job, KeyInFlight) for job in jobs) == 3
