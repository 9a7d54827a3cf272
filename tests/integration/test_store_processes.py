"""Several processes on one database: what threads of one process cannot show."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hornbeam.settings import Settings
from hornbeam.storage.base import Store
from hornbeam.storage.sql import open_store
from hornbeam.testing.stores import Clock
from hornbeam.testing.stores.suite import new_job
from schemas.jobs import JobStatus

_WORK = """
import sys
from pathlib import Path
from hornbeam.jobs.record import Outcome
from hornbeam.settings import Settings
from hornbeam.storage.sql import open_store
from schemas.events import EventType
from schemas.jobs import JobStatus
store = open_store(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
while claim := store.claim("wrk_" + sys.argv[3], has_gpu=False, lease_seconds=60):
    store.append_event(claim.attempt, EventType.LOG, {"worker": sys.argv[3]})
    store.finish(claim.attempt, Outcome(JobStatus.SUCCEEDED, "completed"))
    print(claim.job.id, flush=True)
store.close()
"""

_PROCESSES = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path)
    return Settings(data_dir=tmp_path, database_url=request.getfixturevalue("postgres_url"))


@pytest.mark.parametrize("jobs", [1, 60])
def test_workers_of_several_processes_share_out_the_jobs(settings: Settings, jobs: int) -> None:
    with closing(open_store(settings)) as store:
        clock = Clock()
        ids = [store.create_job(new_job(clock)).id for _ in range(jobs)]
        taken = _race(settings)
        assert sorted(job_id for lines in taken for job_id in lines) == ids
        for job_id in ids:
            _assert_trained_once(store, job_id)


def _race(settings: Settings) -> list[list[str]]:
    """The jobs that each process took, all of them having begun at the same moment."""
    url = settings.database_url.get_secret_value()
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _WORK, settings.data_dir, url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(_PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * _PROCESSES
    return [output.split() for output in outputs]


def _assert_trained_once(store: Store, job_id: str) -> None:
    job = store.get_job(job_id)
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1)
    assert [event.seq for event in store.events(job_id)] == [1, 2, 3, 4]
