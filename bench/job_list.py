"""How much longer a page of jobs takes where there are 100,000 of them instead of 1,000.

    python -m bench.job_list

Fills two SQLite databases, lists the first page and a deep one of each in turns, and prints the times and ratios.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert

from hornbeam.jobs.record import JobRecord
from hornbeam.settings import Settings
from hornbeam.storage.base import JobQuery, Store
from hornbeam.storage.sql import open_store
from hornbeam.storage.sql.cursors import pair_digest
from hornbeam.storage.sql.part import row_of
from hornbeam.storage.sql.tables import jobs, tags
from schemas.jobs import JobStatus, Summary, Transition

SMALL, LARGE = 1_000, 100_000
ALLOWED = 2.0
ROUNDS = 60
_START = datetime(2030, 1, 1, tzinfo=UTC)
_STATUSES = (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.QUEUED)
_LAYERS = [
    {"type": "Dense", "name": f"dense_{n}", "units": 64, "activation": "relu", "trainable": True} for n in range(8)
]

QUERIES = {
    "all jobs": JobQuery(),
    "oldest first": JobQuery(newest_first=False),
    "status=queued": JobQuery(statuses=frozenset({JobStatus.QUEUED})),
    "status=queued,failed": JobQuery(statuses=frozenset({JobStatus.QUEUED, JobStatus.FAILED})),
    "metadata[team]=vision": JobQuery(metadata={"team": "vision"}),
}


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="hornbeam-bench-") as directory:
        small, large = (_filled(Path(directory) / str(count), count) for count in (SMALL, LARGE))
        with closing(small), closing(large):
            print(f"one page of {JobQuery().limit} jobs, median of {ROUNDS}, in ms")
            print(f"{'list':<24}{'page':<8}{SMALL:>10,}{LARGE:>10,}{'ratio':>8}")
            worst = max(_compare(name, query, small, large) for name, query in QUERIES.items())
    print(f"worst ratio {worst:.2f}, allowed {ALLOWED:.2f}")
    raise SystemExit(worst > ALLOWED)


def _compare(name: str, query: JobQuery, small: Store, large: Store) -> float:
    worst = 0.0
    for page in ("first", "deep"):
        calls = [_page(store, query, deep=page == "deep") for store in (small, large)]
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for call, spent in zip(calls, times, strict=True):
                spent.append(_seconds(call))
        few, many = (statistics.median(spent) * 1000 for spent in times)
        print(f"{name:<24}{page:<8}{few:>10.2f}{many:>10.2f}{many / few:>8.2f}")
        worst = max(worst, many / few)
    return worst


def _page(store: Store, query: JobQuery, *, deep: bool) -> Callable[[], object]:
    """Lists the first page, or the one at nine tenths of the list."""
    if not deep:
        return lambda: store.list_jobs(query)
    cursors: list[str] = []
    while cursor := store.list_jobs(replace(query, limit=100, after=cursors[-1] if cursors else None)).next:
        cursors.append(cursor)
    there = replace(query, after=cursors[len(cursors) * 9 // 10])
    return lambda: store.list_jobs(there)


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _filled(directory: Path, count: int) -> Store:
    """A store with that many jobs, written in bulk: one by one they would take minutes."""
    settings = Settings(data_dir=directory)
    store = open_store(settings)
    rows = [row_of(_job(number)) for number in range(count)]
    engine = create_engine(settings.database_url.get_secret_value())
    with engine.begin() as connection:
        connection.execute(insert(jobs), [{**row, "last_event": 1, "last_log": 0} for row in rows])
        connection.execute(insert(tags), [_tag(row) for row in rows])
    engine.dispose()
    return store


def _job(number: int) -> JobRecord:
    at = _START + timedelta(seconds=number)
    status = _STATUSES[number % len(_STATUSES)]
    return JobRecord(
        id=f"job_{number:026}",
        name=f"job {number}",
        status=status,
        phase=None,
        spec={"model": {"layers": _LAYERS}, "loss": {"type": "MeanSquaredError"}},
        metadata={"team": _team(number)},
        findings=(),
        priority=0,
        needs_gpu=False,
        needs_components=(),
        attempt=0,
        version=1,
        worker_id=None,
        created_at=at,
        queued_at=at,
        started_at=None,
        finished_at=None,
        heartbeat_at=None,
        progress=None,
        summary=Summary(),
        timings={},
        error=None,
        transitions=(Transition(status=status, at=at, reason="submitted"),),
    )


def _tag(row: dict[str, Any]) -> dict[str, Any]:
    [(key, value)] = row["metadata"].items()
    return {"pair": pair_digest(key, value), "created_at": row["created_at"], "job_id": row["id"]}


def _team(number: int) -> str:
    return "vision" if number % 3 else "speech"


if __name__ == "__main__":
    main()
