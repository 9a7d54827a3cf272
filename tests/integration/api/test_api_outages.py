"""The API while something it stands on is away: submissions survive a broker, nothing gives a 500."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from tests.integration.api.conftest import SPEC, Api, running_api


def test_without_a_broker_jobs_are_accepted_and_streams_go_on(own_api: Api, wait_until):
    own_api.redis.stop()
    job_id = own_api.create()["id"]
    assert own_api.http.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
    ready = own_api.http.get("/readyz")
    assert ready.status_code == 503
    assert "broker" in ready.text
    with own_api.http.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        wait_until(lambda: next(lines).startswith("event: job.queued"))
        own_api.store.request_cancel(job_id, "over")
        wait_until(lambda: next(lines).startswith("event: job.cancelled"))


Switch = Callable[..., None]


@pytest.fixture
def database(
    create_postgres_database: Callable[[], str], postgres_server: str
) -> Iterator[tuple[str, Callable[..., None]]]:
    """A PostgreSQL database, and a switch that takes it away or brings it back."""
    url = create_postgres_database()
    name = make_url(url).database

    def switch(*, on: bool) -> None:
        with psycopg.connect(postgres_server.format(database="postgres"), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {on}")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    yield url, switch
    switch(on=True)


def test_without_a_database_every_answer_is_a_503_until_it_is_back(database, wait_until):
    url, switch = database
    with running_api(url) as api:
        job_id = api.create()["id"]
        switch(on=False)
        answers = [
            api.http.post("/v1/jobs", json=SPEC),
            api.http.post("/v1/jobs", json=SPEC, headers={"Idempotency-Key": "k"}),
            api.http.get("/v1/jobs"),
            api.http.get(f"/v1/jobs/{job_id}"),
            api.http.get(f"/v1/jobs/{job_id}/events"),
            api.http.get(f"/v1/jobs/{job_id}/model"),
            api.http.post(f"/v1/jobs/{job_id}/cancel"),
            api.http.delete(f"/v1/jobs/{job_id}"),
            api.http.get("/v1/workers"),
        ]
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} == {"database.unavailable"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
        assert all("postgres" not in answer.text.lower() for answer in answers)
        assert "database" in api.http.get("/readyz").text
        assert api.http.get("/healthz").status_code == 200
        switch(on=True)
        wait_until(lambda: api.http.get(f"/v1/jobs/{job_id}").status_code == 200)


def test_it_stops_while_somebody_listens(own_api: Api):
    job_id = own_api.create()["id"]
    with own_api.http.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        next(stream.iter_lines())
        own_api.process.terminate()
        assert own_api.process.wait(10) in (0, -15)
