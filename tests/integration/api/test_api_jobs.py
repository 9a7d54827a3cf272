"""Jobs over HTTP: submissions, polls, lists, cancelling, deleting, and what bad requests get."""

import threading
import time

import pytest

from hornbeam.jobs.record import Outcome
from hornbeam.testing.waiting import wait_until
from schemas.jobs import JobPhase, JobStatus
from tests.integration.api.conftest import SPEC, Api


def finish(api: Api, job_id: str) -> None:
    """Play the worker: claim the one queued job and let it succeed."""
    claim = api.store.claim("wrk_test", has_gpu=False, lease_seconds=60)
    assert claim is not None
    assert claim.job.id == job_id
    api.store.finish(claim.attempt, Outcome(JobStatus.SUCCEEDED, "completed"))


def cancel_all(api: Api) -> None:
    for job in api.http.get("/v1/jobs", params={"status": "queued", "limit": 100}).json()["data"]:
        api.http.post(f"/v1/jobs/{job['id']}/cancel")


@pytest.fixture(autouse=True)
def _no_queue(api):
    cancel_all(api)


def problem(answer, status, code):
    """The problem in an answer, which is one of this status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    return body


def test_a_submission_is_accepted_and_echoed_with_every_default(api):
    answer = api.http.post("/v1/jobs", json=SPEC)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["status"], job["terminal"], job["attempt"]) == ("queued", False, 0)
    assert job["queue"] == {"position": 1, "reason": "no_worker", "eta_seconds": None}
    assert job["spec"]["training"]["batch_size"] == 32
    assert job["spec"]["loss"]["type"] == "SparseCategoricalCrossentropy"
    assert [finding["code"] for finding in job["findings"]] == ["spec.unproven"]


def test_a_dry_run_records_nothing(api):
    before = api.store.count_jobs()
    answer = api.http.post("/v1/jobs", params={"validate_only": "true"}, json=SPEC)
    assert answer.status_code == 200
    assert (answer.json()["valid"], answer.json()["proven"]) == (True, False)
    assert api.store.count_jobs() == before


def test_a_dry_run_gets_the_error_of_the_real_call(api):
    wrong = {**SPEC, "loss": "sparse_categorical_crossentropi", "trainin": {}}
    dry = problem(api.http.post("/v1/jobs?validate_only=true", json=wrong), 422, "spec.invalid")
    real = problem(api.http.post("/v1/jobs", json=wrong), 422, "spec.invalid")
    assert dry == real
    assert {(finding["pointer"], finding["code"]) for finding in real["errors"]} == {
        ("/trainin", "field.unknown"),
        ("/loss", "component.unknown"),
    }
    assert all("Did you mean" in finding["suggestion"] for finding in real["errors"])


def test_a_key_replays_the_first_answer(api):
    headers = {"Idempotency-Key": "once"}
    first = api.http.post("/v1/jobs", json=SPEC, headers=headers)
    again = api.http.post("/v1/jobs", json=SPEC, headers=headers)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    problem(api.http.post("/v1/jobs", json={**SPEC, "name": "other"}, headers=headers), 422, "idempotency.reused")


def test_a_refused_request_frees_its_key(api):
    headers = {"Idempotency-Key": "corrected"}
    problem(api.http.post("/v1/jobs", json={}, headers=headers), 422, "spec.invalid")
    assert api.http.post("/v1/jobs", json=SPEC, headers=headers).status_code == 202


def test_one_key_at_once_makes_one_job(api):
    headers = {"Idempotency-Key": "race"}
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.http.post("/v1/jobs", json=SPEC, headers=headers)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1


def test_an_etag_holds_until_the_job_changes(api):
    job_id = api.create()["id"]
    first = api.http.get(f"/v1/jobs/{job_id}")
    headers = {"If-None-Match": first.headers["etag"]}
    assert api.http.get(f"/v1/jobs/{job_id}", headers=headers).status_code == 304
    finish(api, job_id)
    changed = api.http.get(f"/v1/jobs/{job_id}", headers=headers)
    assert (changed.status_code, changed.json()["status"]) == (200, "succeeded")
    assert "retry-after" not in changed.headers


def test_waiting_polls_see_the_change(api):
    job_id = api.create()["id"]
    seen = []

    def poll() -> None:
        etag = '"none yet"'
        while "running" not in seen:
            answer = api.http.get(f"/v1/jobs/{job_id}", params={"wait": 15}, headers={"If-None-Match": etag})
            etag = answer.headers["etag"]
            seen.append(answer.json()["status"])

    thread = threading.Thread(target=poll)
    thread.start()
    wait_until(lambda: seen, what="the first answer")
    claim = api.store.claim("wrk_test", has_gpu=False, lease_seconds=60)
    thread.join(12)  # nobody announced it: a waiting poll looks by itself every few seconds
    assert seen[-1] == "running"
    assert len(seen) <= 4  # its place in the queue may be news too, and nothing else is
    api.store.release(claim.attempt, "over")


def test_a_waiting_poll_returns_in_the_end(api):
    job_id = api.create()["id"]
    began = time.monotonic()
    assert api.http.get(f"/v1/jobs/{job_id}", params={"wait": 1}).json()["status"] == "queued"
    assert time.monotonic() - began >= 0.9


def test_positions_follow_the_queue(api):
    ids = [api.create()["id"], api.create()["id"], api.create(priority=5)["id"]]
    places = [api.http.get(f"/v1/jobs/{job_id}").json()["queue"]["position"] for job_id in ids]
    assert places == [2, 3, 1]


def test_a_list_is_paged_and_filtered(api):
    mark = {"suite": "paging"}
    ids = [api.create(metadata=mark, name=f"job {number}")["id"] for number in range(5)]
    query = {"metadata[suite]": "paging", "limit": 2}
    seen, after = [], None
    while True:
        page = api.http.get("/v1/jobs", params={**query, **({"after": after} if after else {})}).json()
        seen += [job["id"] for job in page["data"]]
        after = page["next"]
        assert page["has_more"] is (after is not None)
        if after is None:
            break
    assert seen == ids[::-1]
    oldest = api.http.get("/v1/jobs", params={**query, "order": "asc"}).json()
    assert [job["id"] for job in oldest["data"]] == ids[:2]
    assert api.http.get("/v1/jobs", params={**query, "status": "failed"}).json()["data"] == []


@pytest.mark.parametrize("after", ["x", "AAAA", "💥", ""])
def test_a_cursor_of_ones_own_is_refused(api, after):
    problem(api.http.get("/v1/jobs", params={"after": after}), 422, "list.invalid_cursor")


def test_cancelling_twice_is_harmless_and_too_late_is_a_conflict(api):
    job_id = api.create()["id"]
    for _ in range(2):
        assert api.http.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    done = api.create()["id"]
    finish(api, done)
    problem(api.http.post(f"/v1/jobs/{done}/cancel"), 409, "job.transition_refused")


def test_a_page_of_another_site_cancels_nothing(api):
    job_id = api.create()["id"]
    headers = {"Origin": "https://other.example", "Content-Type": "text/plain"}
    problem(api.http.post(f"/v1/jobs/{job_id}/cancel", headers=headers), 403, "request.cross_site")
    assert api.http.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def test_only_a_job_that_is_over_can_be_deleted(api):
    job_id = api.create()["id"]
    problem(api.http.delete(f"/v1/jobs/{job_id}"), 409, "job.not_over")
    api.http.post(f"/v1/jobs/{job_id}/cancel")
    assert api.http.delete(f"/v1/jobs/{job_id}").status_code == 204
    problem(api.http.get(f"/v1/jobs/{job_id}"), 404, "job.not_found")


def test_a_running_job_shows_its_phase(api):
    job_id = api.create()["id"]
    claim = api.store.claim("wrk_test", has_gpu=False, lease_seconds=60)
    api.store.set_phase(claim.attempt, JobPhase.TRAINING)
    job = api.http.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["phase"], job["worker"]) == ("running", "training", "wrk_test")
    assert [change["status"] for change in job["transitions"]] == ["queued", "running"]
    api.store.finish(claim.attempt, Outcome(JobStatus.SUCCEEDED, "completed"))


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "json.malformed"),
        (b'{"loss": ', "", "json.malformed"),
        (b"[]", "", "json.not_an_object"),
        (b"[" * 5000, "", "json.too_deep"),
        (b'{"training": {"epochs": NaN}}', "/training/epochs", "json.not_finite"),
        (b'{"loss": "mse", "loss": "mae"}', "/loss", "json.duplicate_key"),
    ],
)
def test_a_body_that_is_no_spec(api, body, pointer, code):
    answer = api.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    found = problem(answer, 422, "spec.invalid")["errors"]
    assert (pointer, code) in {(finding["pointer"], finding["code"]) for finding in found}


def test_a_body_that_is_too_large_is_refused_however_it_comes(api):
    headers = {"Content-Type": "application/json"}
    large = b" " * (2**20 + 1)
    problem(api.http.post("/v1/jobs", content=large, headers=headers), 413, "body.too_large")
    chunks = (large[:65536] for _ in range(17))
    problem(api.http.post("/v1/jobs", content=chunks, headers=headers), 413, "body.too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/jobs/job_none", 404, "job.not_found"),
        ("GET", "/v1/jobs/job_none/events", 404, "job.not_found"),
        ("GET", "/v1/jobs/job_none/model", 404, "job.not_found"),
        ("GET", "/v1/jobs/%00%ff", 404, "job.not_found"),
        ("GET", "/v1/components/layer/Dens", 404, "component.not_found"),
        ("GET", "/v1/nothing", 404, "path.not_found"),
        ("GET", "/v1/jobs/", 404, "path.not_found"),
        ("POST", "/v1/jobs/", 404, "path.not_found"),
        ("PUT", "/v1/jobs", 405, "method.not_allowed"),
        ("POST", "/v1/jobs", 415, "media_type.unsupported"),
        ("GET", "/v1/jobs?limit=0", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?status=asleep", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?created_after=yesterday", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?created_after=2030-01-01T00:00:00", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?created_after=0001-01-01T00:00:00%2B10:00", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?created_after=9999-12-31T23:59:59-10:00", 422, "parameter.invalid"),
        ("GET", "/v1/jobs?" + "&".join(f"metadata[k{n}]=v" for n in range(17)), 422, "parameter.invalid"),
    ],
)
def test_other_mistakes(api, method, path, status, code):
    problem(api.http.request(method, path), status, code)


def test_what_can_be_read_has_a_head(api):
    job_id = api.create()["id"]
    paths = [
        "/v1/jobs",
        f"/v1/jobs/{job_id}",
        f"/v1/jobs/{job_id}/events",
        "/v1/components/loss",
        "/v1/workers",
        "/healthz",
    ]
    for path in [*paths, "/v1/schemas/job.json", "/openapi.json", "/readyz", "/v1/jobs/job_none"]:
        whole, head = api.http.get(path), api.http.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        names = ("content-type", "content-length", "etag", "retry-after", "content-security-policy")
        assert [head.headers.get(name) for name in names] == [whole.headers.get(name) for name in names], path


def test_the_head_of_a_stream_does_not_wait_for_its_end(api):
    path = f"/v1/jobs/{api.create()['id']}/events"
    head = api.http.head(path, headers={"Accept": "text/event-stream"})
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert api.http.get(path).status_code == 200  # over the same connection


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", "/v1/jobs/job_none/cancel", "POST"),
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("POST", "/v1/jobs/job_none", "DELETE, GET, HEAD"),
        ("POST", "/v1/jobs/job_none/model", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
def test_what_is_not_allowed_says_what_is(api, method, path, allowed):
    answer = api.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_heads_of_downloads_are_documented(api):
    paths = api.http.get("/openapi.json").json()["paths"]
    heads = [operations["head"]["operationId"] for operations in paths.values() if "head" in operations]
    assert sorted(heads) == ["head_artifact", "head_checkpoint", "head_dataset", "head_model"]
