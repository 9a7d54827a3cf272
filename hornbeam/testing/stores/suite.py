"""What the chapters of the suite share: the fixtures, and how to make things."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import pytest

from hornbeam.datasets.record import DatasetRecord, NewDataset, Reading
from hornbeam.jobs.record import (
    ArtifactRecord,
    Attempt,
    CatalogueRecord,
    CheckpointRecord,
    EpochRecord,
    NewJob,
    Outcome,
    WorkerRecord,
)
from hornbeam.storage.base import Store
from hornbeam.testing.stores.clock import Clock
from schemas.catalog import ComponentEntry, ComponentKind, Parameter
from schemas.jobs import ErrorOrigin, JobError, JobStatus, Progress
from schemas.problems import Finding, Severity
from schemas.stored_datasets import Column, ColumnKind, DatasetFormat, ValueCount

T = TypeVar("T")

OpenStore = Callable[[], Store]

ERROR = JobError(origin=ErrorOrigin.INFRASTRUCTURE, code="attempt.lost", message="The worker is gone.", retryable=True)
SUCCESS = Outcome(JobStatus.SUCCEEDED, "completed")
FAILURE = Outcome(JobStatus.FAILED, "broken", ERROR)
STOPPED = Outcome(JobStatus.CANCELLED, "stopped")
PAUSED = Outcome(JobStatus.PAUSED, "stopped")
PROGRESS = Progress(percent=12.5, epoch=1, epochs=8, step=3, steps_per_epoch=45, metrics={"loss": 0.5})

_numbers = itertools.count(1)


class Chapter:
    """A part of the suite: a `clock`, and a `store` on it."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock of every store that the test opens."""
        return Clock()

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Store:
        """A store on a fresh database."""
        return open_store()


def new_job(clock: Clock, **fields: object) -> NewJob:
    """A job with an id of its own, created now; `fields` replace its defaults."""
    job = NewJob(id=f"job_{next(_numbers):08}", spec={"model": {"layers": []}}, created_at=clock())
    return replace(job, **fields)  # type: ignore[arg-type]


def start(store: Store, clock: Clock, **fields: object) -> Attempt:
    """An attempt at a new job, the most urgent of all."""
    job = store.create_job(new_job(clock, priority=next(_numbers), **fields))
    attempt = take(store)
    assert attempt.job_id == job.id
    return attempt


def take(store: Store, worker_id: str = "wrk_1", *, has_gpu: bool = True) -> Attempt:
    """Claim what must be there."""
    claim = store.claim(worker_id, has_gpu=has_gpu, lease_seconds=60)
    assert claim is not None
    return claim.attempt


def epoch(number: int = 1, *, best: bool = False, **metrics: float) -> EpochRecord:
    """An epoch that took a second and a half."""
    return EpochRecord(number, metrics or {"loss": 1 / number}, 1.5, best)


def checkpoint(attempt: Attempt, clock: Clock, number: int = 1, *, best: bool = False) -> CheckpointRecord:
    """The checkpoint of an epoch."""
    checkpoint_id = f"ckpt_{next(_numbers):08}"
    key = f"jobs/{attempt.job_id}/checkpoints/{checkpoint_id}.keras"
    return CheckpointRecord(
        checkpoint_id,
        attempt.job_id,
        attempt.number,
        number,
        number * 45,
        {"loss": 1 / number},
        best,
        key,
        2**33,
        "ab" * 32,
        clock(),
    )


def artifact(attempt: Attempt, clock: Clock, name: str = "model.keras", *, size: int = 2**33) -> ArtifactRecord:
    """An artifact."""
    key = f"jobs/{attempt.job_id}/artifacts/{name}"
    return ArtifactRecord(attempt.job_id, name, "model", "application/octet-stream", key, size, "cd" * 32, clock())


def worker(clock: Clock, worker_id: str = "wrk_1") -> WorkerRecord:
    """A worker that has just said that it lives."""
    gpu = {"index": 0, "name": "A GPU", "memory_bytes": 2**34}
    return WorkerRecord(
        worker_id, "train", "host", 4711, "0.1.0", "tensorflow", "ab" * 32, 2, 0, (gpu,), clock(), clock()
    )


def catalogue(digest: str, *names: str) -> CatalogueRecord:
    """The catalogue of workers that hold layers of these names."""
    parameter = Parameter(name="units", json_schema={"type": "integer"}, required=False, default=[1, None, "two"])
    entries = tuple(
        ComponentEntry(
            kind=ComponentKind.LAYER, name=name, path=f"ours:{name}", summary="A layer.", parameters=[parameter]
        )
        for name in names
    )
    return CatalogueRecord(digest, entries)


def reading(**fields: object) -> Reading:
    """What was read out of a file of two columns; `fields` replace its defaults."""
    number = Column(
        name="x", kind=ColumnKind.NUMBER, dtype="double", minimum=1, maximum=2.5, mean=1.75, sha256="a" * 64
    )
    word = Column(
        name="y",
        kind=ColumnKind.CATEGORY,
        dtype="string",
        missing=1,
        distinct=1,
        values=[ValueCount(value="a", count=1)],
        sha256="b" * 64,
    )
    finding = Finding(severity=Severity.WARNING, pointer="/columns/y", code="column.constant", message="One value.")
    options = {"header": True}
    made = Reading(
        DatasetFormat.CSV,
        options,
        {**options, "delimiter": ","},
        2,
        (number, word),
        "y",
        (finding,),
        ([1, None], [2.5, "a"]),
        "ef" * 32,
        2**33,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def new_dataset(clock: Clock, **fields: object) -> NewDataset:
    """A dataset with an id of its own, created now; `fields` replace its defaults."""
    dataset_id = f"ds_{next(_numbers):08}"
    return replace(NewDataset(dataset_id, "iris.csv", clock(), 2**33, "cd" * 32, reading()), **fields)  # type: ignore[arg-type]


def add_dataset(store: Store, clock: Clock, **fields: object) -> DatasetRecord:
    """A dataset on record, whose files are there."""
    record = store.create_dataset(new_dataset(clock, **fields), is_stored=lambda _: True)
    assert record is not None
    return store.get_dataset(record.id)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Make the calls in as many threads at the same time; what each returned, or raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [_settled(future.exception() or future.result()) for future in futures]


def _settled(result: T | BaseException) -> T | Exception:
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result
