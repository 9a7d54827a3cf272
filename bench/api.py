"""Polls and submissions a second, start-up and memory of the API, beside a bare FastAPI application.

    python -m bench.api

Starts both as uvicorn processes, ours on SQLite with a Valkey of its own. The bare one answers the same requests with
the very job that ours does, a pydantic model in memory. 32 connections ask them in turns; what is compared is the
median of the rounds.
No planner runs, so each submission looks for one, in vain, and is accepted unproven. All differ: in name and seed only,
or in the network as well.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.http_load import Requests, get, post
from bench.servers import Site, serve
from hornbeam.components.catalog import load_catalogue
from hornbeam.jobs.identifiers import new_job_id
from hornbeam.jobs.record import NewJob, Outcome, Spec
from hornbeam.queue.embedded import EmbeddedServer
from hornbeam.queue.live import RedisLive
from hornbeam.settings import Settings
from hornbeam.specs.checking import check_body
from hornbeam.storage.base import Store
from hornbeam.storage.sql import open_store
from schemas.jobs import JobPhase, JobStatus, Progress
from service.examples import SPECS
from service.jobs import to_job

CONNECTIONS = 32
SECONDS = 2.0
ROUNDS = 5
STARTS = 9
POLLS_AT_LEAST = 0.4
SUBMISSIONS_AT_LEAST = 0.15
VARIANTS = 40
"""Specs that each connection sends in turns."""
START_AT_MOST = 2.5
MEGABYTES_AT_MOST = 130
HEAVY = ("keras", "tensorflow", "jax", "numpy", "pyarrow", "PIL", "sklearn", "matplotlib")
SPEC = SPECS["digits-lstm"]["value"]


@dataclass(frozen=True)
class Case:
    """What is asked of both, and how much of the bare one's rate is wanted."""

    name: str
    bare: Requests
    ours: Requests
    status: int
    wanted: float | None
    """None where it is only told."""


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(prefix="hornbeam-bench-") as directory, ExitStack() as held:
        folder = Path(directory)
        valkey = EmbeddedServer(folder / "valkey")
        valkey.start()
        held.callback(valkey.stop)
        settings = Settings(data_dir=folder / "data", redis_url=valkey.url)
        store = held.enter_context(closing(open_store(settings)))
        site = Site(folder, settings)
        _write_example(site, store)
        failures = [*_compare_starts(site), *_compare_rates(site, store), *_look_for_heavy_modules(site)]
    for failure in failures:
        print(f"MISSED: {failure}")
    raise SystemExit(bool(failures))


def _compare_starts(site: Site) -> Iterator[str]:
    """How long from the start of the process to its first answer."""
    times: dict[str, list[float]] = {"bare": [], "hornbeam": []}
    for _ in range(STARTS):
        for name, seconds in times.items():
            with serve(site, name) as server:
                seconds.append(server.start_seconds)
    bare, ours = (statistics.median(times[name]) for name in ("bare", "hornbeam"))
    print(f"start to first answer, median of {STARTS}")
    print(f"  bare FastAPI                  {bare:8.2f} s")
    print(f"  hornbeam                      {ours:8.2f} s   ratio {ours / bare:.2f}, allowed {START_AT_MOST}")
    if ours / bare > START_AT_MOST:
        yield "start-up"


def _compare_rates(site: Site, store: Store) -> Iterator[str]:
    with serve(site, "bare") as bare, serve(site, "hornbeam") as ours:
        print(f"answers a second, {CONNECTIONS} connections, median of {ROUNDS} rounds of {SECONDS:g} s")
        for case in _cases(site, store):
            pairs = [
                (bare.answers(case.bare, case.status, SECONDS), ours.answers(case.ours, case.status, SECONDS))
                for _ in range(ROUNDS)
            ]
            base, rate = (statistics.median(rates) for rates in zip(*pairs, strict=True))
            ratio = statistics.median(mine / theirs for theirs, mine in pairs)
            goal = "" if case.wanted is None else f", wanted {case.wanted}"
            print(f"  {case.name:<28}{rate:8.0f}   bare {base:6.0f}   ratio {ratio:.2f}{goal}")
            if case.wanted is not None and ratio < case.wanted:
                yield case.name
        megabytes = ours.megabytes()
        print(f"memory after that: {megabytes:.0f} MB (bare {bare.megabytes():.0f}), allowed {MEGABYTES_AT_MOST}")
        if megabytes > MEGABYTES_AT_MOST:
            yield "memory"


def _cases(site: Site, store: Store) -> Iterator[Case]:
    reference = [[get("/jobs/job_1")]] * CONNECTIONS
    for status, requests in _polls(site, store).items():
        yield Case(f"polls of {status} jobs", reference, requests, 200, POLLS_AT_LEAST)
    bare = [[post("/jobs", json.dumps(SPEC).encode())]] * CONNECTIONS
    yield Case("submissions, with new seeds", bare, _submissions(_with_seed), 202, SUBMISSIONS_AT_LEAST)
    yield Case("submissions, new networks", bare, _submissions(_with_units), 202, None)


def _submissions(vary: Callable[[int], Spec]) -> Requests:
    """Specs that all differ, for each connection its own."""
    bodies = [json.dumps(vary(number)).encode() for number in range(CONNECTIONS * VARIANTS)]
    return [[post("/v1/jobs", body) for body in bodies[first::CONNECTIONS]] for first in range(CONNECTIONS)]


def _with_seed(number: int) -> Spec:
    """The experiment again, under another name: what repeats and trials of one network send."""
    return {**SPEC, "name": f"trial-{number}", "training": {**SPEC["training"], "seed": number}}


def _with_units(number: int) -> Spec:
    """Another network each time: more of them than the API remembers."""
    dense = {"type": "Dense", "units": 1 + number, "activation": "relu"}
    *layers, last = SPEC["model"]["layers"]
    return {**SPEC, "model": {"layers": [*layers, dense, last]}}


def _look_for_heavy_modules(site: Site) -> Iterator[str]:
    script = f"import sys, service.main; service.main.create_app(); print(*{{*{HEAVY!r}}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], env=site.environment, check=True, capture_output=True)
    found = done.stdout.decode().strip()
    print(f"heavy modules in the process: {found or 'none'}")
    if found:
        yield f"{found} imported"


def _polls(site: Site, store: Store) -> dict[str, Requests]:
    """Requests for jobs of each kind, one per connection."""
    with closing(RedisLive(site.settings)) as live:
        made = {status: [_job(store, live, status) for _ in range(CONNECTIONS)] for status in ("running", "succeeded")}
    made["queued"] = [_create(store) for _ in range(CONNECTIONS)]
    return {status: [[get(f"/v1/jobs/{job_id}")] for job_id in ids] for status, ids in made.items()}


def _create(store: Store) -> str:
    return store.create_job(NewJob(id=new_job_id(), spec=_normalised(), created_at=datetime.now(UTC))).id


def _job(store: Store, live: RedisLive, status: str) -> str:
    job_id = _create(store)
    claim = store.claim("wrk_bench", has_gpu=False, lease_seconds=3600)
    if claim is None or claim.job.id != job_id:
        raise SystemExit("another job was claimed")
    store.set_phase(claim.attempt, JobPhase.TRAINING)
    if status == "running":
        progress = Progress(percent=41, epoch=5, epochs=10, step=3, steps_per_epoch=45, eta_seconds=12.4)
        live.publish_progress(job_id, progress)
    else:
        store.finish(claim.attempt, Outcome(JobStatus.SUCCEEDED, "completed"))
    return job_id


def _write_example(site: Site, store: Store) -> None:
    """Have the bare application answer with a job of ours."""
    job = store.get_job(_create(store))
    store.request_cancel(job.id, "an example")
    (site.folder / "job.json").write_text(to_job(job).model_dump_json())


def _normalised() -> Spec:
    body = json.dumps(SPEC).encode()
    return check_body(body, load_catalogue(), Settings()).spec


if __name__ == "__main__":
    main()
