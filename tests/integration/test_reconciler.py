"""The reconciler on a real database, its clock turned by hand."""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from hornbeam.errors import InstallationError
from hornbeam.jobs.record import NewJob, WorkerRecord
from hornbeam.queue.celery import CeleryQueue, make_celery
from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.queue.live import RedisLive
from hornbeam.settings import Settings
from hornbeam.storage.files import open_artifacts
from hornbeam.storage.sql import open_store
from schemas.jobs import JobStatus
from workers.parts import Parts
from workers.reconciler import Reconciler
from workers.table_cache import TableCache
from workers.workdirs import WorkDirs
from workers.zygote_launcher import ZygoteLauncher

LEASE = 60.0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def redis_server():
    with tempfile.TemporaryDirectory(prefix="hb-") as directory:
        server = EmbeddedServer(Path(directory))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def parts(tmp_path, redis_server):
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    settings = Settings(data_dir=tmp_path, redis_url=redis_server.url, lease_seconds=LEASE, max_attempts=2)
    artifacts = open_artifacts(settings)
    parts = Parts(
        settings=settings,
        store=open_store(settings),
        artifacts=artifacts,
        live=RedisLive(settings),
        launcher=ZygoteLauncher(entry="unused"),
        workdirs=WorkDirs(tmp_path / "work", "wrk_1"),
        tables=TableCache(tmp_path / "cache", artifacts, max_bytes=settings.cache_bytes),
    )
    yield parts
    parts.workdirs.close()
    parts.live.close()
    parts.store.close()


@pytest.fixture
def queue(parts):
    queue = CeleryQueue(make_celery(parts.settings))
    yield queue
    queue.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reconciler(parts, queue, clock):
    return Reconciler(parts, queue, free_slots=lambda: 1, clock=clock)


@pytest.fixture
def woken(redis_server):
    def ids():
        with Redis.from_url(redis_server.url) as client:
            messages = client.lrange("hornbeam:train", 0, -1)
        return [json.loads(message)["headers"]["argsrepr"].strip("[]'") for message in messages]

    return ids


def submit(parts, number=1):
    return parts.store.create_job(NewJob(f"job_{number}", {}, datetime.now(UTC))).id


def claim(parts):
    return parts.store.claim("wrk_dead", has_gpu=False, lease_seconds=LEASE).attempt


def tick_for(reconciler, clock, seconds, step=5.0, between=lambda: None):
    for _ in range(int(seconds / step)):
        reconciler.tick()
        clock.now += step
        between()
    reconciler.tick()


def test_an_attempt_that_stands_still_for_a_lease_is_given_up_and_sent_again(parts, reconciler, clock, woken):
    job_id = submit(parts)
    claim(parts)
    tick_for(reconciler, clock, LEASE - 5)
    assert parts.store.get_job(job_id).status is JobStatus.RUNNING
    tick_for(reconciler, clock, 5)
    job = parts.store.get_job(job_id)
    assert (job.status, job.transitions[-1].reason) == (JobStatus.QUEUED, "attempt_lost")
    assert woken() == [job_id]


def test_an_attempt_that_renews_its_lease_is_left_alone(parts, reconciler, clock):
    job_id = submit(parts)
    attempt = claim(parts)
    tick_for(
        reconciler,
        clock,
        10 * LEASE,
        between=lambda: parts.store.heartbeat(attempt, lease_seconds=LEASE, progress=None),
    )
    assert parts.store.get_job(job_id).status is JobStatus.RUNNING


def test_a_job_that_is_out_of_attempts_fails(parts, reconciler, clock):
    job_id = submit(parts)
    for _ in range(2):
        parts.store.append_logs(claim(parts), [("stdout", "epoch 1")], keep=100)
        tick_for(reconciler, clock, LEASE)
    job = parts.store.get_job(job_id)
    assert (job.status, job.error.code) == (JobStatus.FAILED, "infrastructure.worker_lost")
    assert job.error.log_tail == ["epoch 1", "epoch 1"]


def test_time_in_which_nobody_looked_does_not_count(parts, reconciler, clock):
    job_id = submit(parts)
    claim(parts)
    reconciler.tick()
    clock.now += 100 * LEASE  # the machine slept, and so did the attempt's worker
    reconciler.tick()
    assert parts.store.get_job(job_id).status is JobStatus.RUNNING
    tick_for(reconciler, clock, LEASE)
    assert parts.store.get_job(job_id).status is JobStatus.QUEUED


def test_time_in_which_the_database_was_away_does_not_count(parts, queue, clock, tmp_path):
    job_id = submit(parts)
    claim(parts)
    reconciler = Reconciler(parts, queue, free_slots=lambda: 1, clock=clock)
    tick_for(reconciler, clock, LEASE - 5)
    database = tmp_path / "hornbeam.db"
    parts.store.close()
    database.rename(tmp_path / "away.db")
    database.mkdir()  # what is there can't be opened
    reconciler.tick()
    database.rmdir()
    (tmp_path / "away.db").rename(database)
    tick_for(reconciler, clock, LEASE - 5)
    assert parts.store.get_job(job_id).status is JobStatus.RUNNING
    tick_for(reconciler, clock, 5)
    assert parts.store.get_job(job_id).status is JobStatus.QUEUED


def test_a_job_that_was_never_sent_is_sent_once(parts, reconciler, clock, woken):
    job_id = submit(parts)
    tick_for(reconciler, clock, 50)
    assert woken() == [job_id]


def test_a_busy_worker_sends_nothing(parts, queue, clock, woken):
    submit(parts)
    tick_for(Reconciler(parts, queue, free_slots=lambda: 0, clock=clock), clock, 50)
    assert woken() == []


def test_no_more_is_sent_than_there_are_free_slots(parts, queue, clock, woken):
    jobs = [submit(parts, number) for number in range(5)]
    Reconciler(parts, queue, free_slots=lambda: 2, clock=clock).tick()
    assert woken() == [jobs[1], jobs[0]]  # the newest message stands first


def test_without_a_broker_the_other_duties_are_done(parts, queue, clock, redis_server):
    job_id = submit(parts)
    claim(parts)
    reconciler = Reconciler(parts, queue, free_slots=lambda: 1, clock=clock)
    redis_server.stop()
    try:
        tick_for(reconciler, clock, LEASE)
    finally:
        redis_server.start()
    assert parts.store.get_job(job_id).status is JobStatus.QUEUED


def test_workers_that_were_not_heard_of_for_long_are_forgotten(parts, reconciler):
    long_ago = datetime.now(UTC) - timedelta(days=1)
    for worker_id, heard_of in (("wrk_old", long_ago), ("wrk_new", datetime.now(UTC))):
        parts.store.report_worker(
            WorkerRecord(worker_id, "train", "host", 1, "1", "tensorflow", "", 1, 0, (), long_ago, heard_of)
        )
    reconciler.tick()
    assert [worker.id for worker in parts.store.list_workers()] == ["wrk_new"]


def test_files_of_dead_workers_are_deleted_and_those_of_the_living_are_not(parts, tmp_path, reconciler):
    living = WorkDirs(tmp_path / "work", "wrk_2")
    dead = tmp_path / "work" / "wrk_3"
    dead.mkdir()
    (dead / ".lock").touch()
    (dead / "job_1-1-abc").mkdir()
    starting = tmp_path / "work" / "wrk_4"
    starting.mkdir()
    with parts.workdirs.new("job_2-1") as own, living.new("job_3-1") as others:
        reconciler.tick()
        assert own.exists()
        assert others.exists()
    assert not dead.exists()
    assert starting.exists()
    living.close()


def test_what_no_worker_left_in_the_work_directory_is_left_alone(parts, tmp_path, reconciler):
    stray = tmp_path / "work" / "README"
    stray.write_text("not a worker's directory")
    reconciler.tick()
    assert stray.exists()


def test_a_work_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "work").write_text("a file")
    with pytest.raises(InstallationError, match="work directory"):
        WorkDirs(tmp_path / "work", "wrk_1")
