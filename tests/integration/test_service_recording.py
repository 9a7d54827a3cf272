"""Submissions that arrive together, on a real store."""

import asyncio
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import pytest

from hornbeam.errors import DatasetNotFound, StoreUnavailable
from hornbeam.jobs.identifiers import new_job_id
from hornbeam.jobs.record import NewJob
from hornbeam.queue.base import JobQueue
from hornbeam.settings import Settings
from hornbeam.storage.sql import open_store
from service.fleet import Fleet
from service.recording import Recorder
from service.threads import Threads
from service.wakeups import WakeUps


class Sent(JobQueue):
    """Wake-ups that somebody else is to send."""

    def __init__(self) -> None:
        self.ids = []

    def send(self, job_id: str) -> None:
        self.ids.append(job_id)


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
def store(tmp_path):
    with closing(open_store(Settings(data_dir=tmp_path))) as store:
        yield store


@pytest.fixture
def recorder(store, sent):
    with ExitStack() as held:
        threads = held.enter_context(closing(Threads()))
        wake_ups = held.enter_context(closing(WakeUps(sent, store)))
        yield Recorder(store, Fleet(store, silent_after=timedelta(seconds=30)), wake_ups, threads)


def new_job(priority: int = 0, job_id: str | None = None) -> NewJob:
    return NewJob(job_id or new_job_id(), {}, datetime.now(UTC), priority=priority)


def test_jobs_that_come_together_are_told_the_places_in_which_they_are_claimed(store, recorder, sent):
    async def main():
        return await asyncio.gather(*(recorder.record(new_job(priority=number % 3)) for number in range(30)))

    recorded = asyncio.run(main())
    claimed = [store.claim("wrk_1", has_gpu=False, lease_seconds=60).job.id for _ in recorded]
    for priority in range(3):
        own = [(record, queue) for record, queue in recorded if record.priority == priority]
        told = [record.id for record, _ in sorted(own, key=lambda item: item[1].position)]
        assert told == [job_id for job_id in claimed if job_id in told]


def test_one_that_does_not_wait_for_its_answer_takes_none_away(store, recorder):
    async def main():
        tasks = [asyncio.create_task(recorder.record(new_job())) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = asyncio.run(main())
    assert [isinstance(end, BaseException) for end in ends] == [False, False, True, False, False]
    assert all(store.get_job(record.id) for record, _ in (end for end in ends if isinstance(end, tuple)))


def test_what_could_not_be_recorded_is_told_and_the_next_is_recorded(store, recorder):
    taken = store.create_job(new_job())

    async def main():
        with pytest.raises(StoreUnavailable):
            await recorder.record(new_job(job_id=taken.id))
        return await recorder.record(new_job())

    record, _ = asyncio.run(main())
    assert store.get_job(record.id) == record


def test_a_job_whose_dataset_is_gone_takes_no_other_with_it(store, recorder):
    jobs = [new_job() for _ in range(4)]
    jobs[2] = NewJob(new_job_id(), {}, datetime.now(UTC), datasets=("ds_gone",))

    async def main():
        return await asyncio.gather(*(recorder.record(job) for job in jobs), return_exceptions=True)

    ends = asyncio.run(main())
    assert [type(end) for end in ends] == [tuple, tuple, DatasetNotFound, tuple]
