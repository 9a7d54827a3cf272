"""Asking for the evaluation of a job's model, as far as the API can judge it."""

from datetime import UTC, datetime

import pytest

from hornbeam.jobs.record import ArtifactRecord, Outcome
from schemas.jobs import JobStatus
from tests.integration.api.conftest import SPEC, Api

IRIS = {"dataset": {"source": {"builtin": "iris"}}}


def trained(api: Api, status=JobStatus.SUCCEEDED, *, with_model=True, **changes):
    """The id of a job that a worker has seen to its end."""
    job_id = api.create(**changes)["id"]
    attempt = api.store.claim("wrk_test", has_gpu=False, lease_seconds=60).attempt
    assert attempt.job_id == job_id
    if with_model:
        key, now = f"jobs/{job_id}/model.keras", datetime.now(UTC)
        record = ArtifactRecord(job_id, "model.keras", "model", "application/zip", key, 8, "ab" * 32, now)
        api.store.add_artifact(attempt, record)
    api.store.record_test(attempt, {"loss": 0.25})
    api.store.finish(attempt, Outcome(status, "completed"))
    return job_id


@pytest.fixture(scope="module")
def job_id(api: Api):
    return trained(api)


def evaluated(api: Api, job_id: str, body=IRIS, **headers: str):
    return api.http.post(f"/v1/jobs/{job_id}/evaluate", json=body, headers=headers)


def cancelled(api: Api, answer):
    """Leave the queue as it was."""
    api.http.post(f"/v1/jobs/{answer.json()['id']}/cancel")


def errors(answer):
    assert (answer.status_code, answer.json()["code"]) == (422, "spec.invalid"), answer.text
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"] if error["severity"] == "error"]


def test_an_evaluation_is_a_job_that_trains_nothing(api, job_id):
    answer = evaluated(api, job_id)

    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["name"]) == ("queued", "irises on iris")
    spec = job["spec"]
    assert spec["training"]["epochs"] == 0
    assert spec["dataset"]["test"] == IRIS["dataset"]
    assert spec["dataset"]["validation"] is None
    assert spec["model"]["initial_weights"] == {"job": job_id, "layers": None}
    original = api.http.get(f"/v1/jobs/{job_id}").json()["spec"]
    assert spec["model"]["layers"] == original["model"]["layers"]
    assert spec["training"]["seed"] == original["training"]["seed"]
    cancelled(api, answer)


def test_a_job_shows_what_its_model_is_worth(api, job_id):
    job = api.http.get(f"/v1/jobs/{job_id}").json()

    assert job["summary"]["test"] == {"loss": 0.25}
    last = api.http.get(f"/v1/jobs/{job_id}/events").json()["data"][-1]
    assert (last["type"], last["data"]["test"]) == ("job.succeeded", {"loss": 0.25})


def test_columns_that_marked_a_part_do_not_go_into_the_model(api):
    columns = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)"]
    job_id = trained(api, dataset={"source": {"builtin": "iris"}, "weights": "petal width (cm)"})

    answer = evaluated(api, job_id)

    assert answer.json()["spec"]["dataset"]["features"] == columns
    cancelled(api, answer)


def test_asking_twice_with_a_key_makes_one_job(api, job_id):
    first, again = (evaluated(api, job_id, **{"Idempotency-Key": "evaluate-once"}) for _ in range(2))

    assert first.json()["id"] == again.json()["id"]
    cancelled(api, first)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_that_did_not_succeed_has_no_model_to_measure(api, status):
    answer = evaluated(api, trained(api, status) if status is JobStatus.FAILED else _cancelled_job(api))

    assert (answer.status_code, answer.json()["code"]) == (409, "job.not_succeeded")


def _cancelled_job(api):
    job_id = api.create()["id"]
    api.http.post(f"/v1/jobs/{job_id}/cancel")
    return job_id


def test_an_evaluation_has_no_model_of_its_own(api):
    job_id = trained(api, with_model=False, training={"epochs": 0})

    answer = evaluated(api, job_id)

    assert (answer.status_code, answer.json()["code"]) == (404, "model.not_ready")
    assert api.http.get(f"/v1/jobs/{job_id}").json()["links"]["model"] is None


def test_an_unknown_job(api):
    answer = evaluated(api, "job_unknown")

    assert (answer.status_code, answer.json()["code"]) == (404, "job.not_found")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, ("", "field.missing")),
        ({"dataset": "iris"}, ("/dataset", "field.type")),
        ({"dataset": {}}, ("/dataset", "field.missing")),
        ({"dataset": {"source": {"builtin": "irises"}}}, ("/dataset/source/builtin", "field.value")),
        ({"dataset": {"source": {"id": "ds_1"}}}, ("/dataset/source/id", "field.value")),
        ({"dataset": {"source": {"id": f"ds_{'0' * 26}"}}}, ("/dataset/source/id", "dataset.not_found")),
        ({**IRIS, "epochs": 3}, ("/epochs", "field.unknown")),
        ({"dataset": {**IRIS["dataset"], "test": {}}}, ("/dataset/test", "field.unknown")),
    ],
)
def test_what_is_wrong_with_a_request_is_pointed_at_where_it_was_posted(api, job_id, body, found):
    assert errors(evaluated(api, job_id, body)) == [found]


def test_a_dataset_with_other_columns_is_refused(api, job_id):
    answer = evaluated(api, job_id, {"dataset": {"source": {"builtin": "wine"}}})

    assert ("/dataset/source", "dataset.unknown_column") in errors(answer)
    assert "wine has no column 'sepal length (cm)'" in answer.text


def test_a_job_may_begin_with_the_finished_model_of_another(api, job_id):
    model = {**SPEC["model"], "initial_weights": {"job": job_id}}

    answer = api.http.post("/v1/jobs", json={**SPEC, "model": model})

    assert answer.status_code == 202, answer.text
    cancelled(api, answer)


def test_a_finished_model_that_is_not_there_is_pointed_at(api):
    for wanted, code in (("job_unknown", "weights.job_not_found"), (_cancelled_job(api), "weights.no_model")):
        model = {**SPEC["model"], "initial_weights": {"job": wanted}}
        answer = api.http.post("/v1/jobs", json={**SPEC, "model": model})
        assert errors(answer) == [("/model/initial_weights/job", code)]
