"""What a job leaves behind, over HTTP: events, metrics, logs, checkpoints, artifacts and the model."""

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest

from hornbeam.jobs.identifiers import new_checkpoint_id
from hornbeam.jobs.record import ArtifactRecord, CheckpointRecord, EpochRecord, Outcome
from schemas.jobs import JobStatus
from tests.integration.api.conftest import Api

MODEL = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def job(api: Api, tmp_path_factory):
    """A job that a worker has seen through; the id."""
    job_id = api.create()["id"]
    claim = api.store.claim("wrk_test", has_gpu=False, lease_seconds=60)
    assert claim is not None
    attempt = claim.attempt
    for epoch, loss in ((1, 0.9), (2, float("nan"))):
        api.store.record_epoch(attempt, EpochRecord(epoch, {"loss": loss}, 0.1, epoch == 1))
    api.store.append_logs(attempt, [("stdout", "epoch 1"), ("stderr", "<b>careful</b>")], keep=100)
    path = tmp_path_factory.mktemp("files") / "model.keras"
    path.write_bytes(MODEL)
    now = datetime.now(UTC)
    kept = api.artifacts.put_file(f"jobs/{job_id}/checkpoints/c.keras", path)
    about = {"key": kept.key, "size_bytes": kept.size_bytes, "sha256": kept.sha256, "created_at": now}
    checkpoint = new_checkpoint_id()
    api.store.add_checkpoint(
        attempt,
        CheckpointRecord(checkpoint, job_id, 1, 1, 4, {"loss": 0.9}, is_best=True, **about),
    )
    stored = api.artifacts.put_file(f"jobs/{job_id}/artifacts/1/model.keras", path)
    api.store.add_artifact(
        attempt, ArtifactRecord(job_id, "model.keras", "model", "application/zip", stored.key, **{
            name: value for name, value in about.items() if name != "key"
        })
    )  # fmt: skip
    api.store.finish(attempt, Outcome(JobStatus.SUCCEEDED, "completed"))
    return job_id


def streamed(api: Api, job_id: str, **headers: str) -> list[tuple[str, str, dict]]:
    """(id, event, data) of a stream that ends by itself."""
    answer = api.http.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream", **headers})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


def test_events_are_numbered_from_one_without_gaps(api, job):
    page = api.http.get(f"/v1/jobs/{job}/events").json()
    assert [event["seq"] for event in page["data"]] == list(range(1, len(page["data"]) + 1))
    assert [event["type"] for event in page["data"]][:2] == ["job.queued", "job.started"]
    assert page["has_more"] is False


def test_a_stream_ends_after_the_last_event(api, job):
    events = streamed(api, job)
    assert events[0][1] == "job.queued"
    assert events[-1][1] == "job.succeeded"
    assert [int(number) for number, _, _ in events] == list(range(1, len(events) + 1))


def test_a_stream_goes_on_where_it_broke_off(api, job):
    everything = streamed(api, job)
    assert streamed(api, job, **{"Last-Event-ID": "3"}) == everything[3:]


def test_metrics_are_columns_and_nan_is_null(api, job):
    assert api.http.get(f"/v1/jobs/{job}/metrics").json() == {"epochs": [1, 2], "metrics": {"loss": [0.9, None]}}


def test_logs_come_as_json_and_as_text(api, job):
    lines = api.http.get(f"/v1/jobs/{job}/logs").json()["data"]
    assert [(line["stream"], line["text"]) for line in lines] == [("stdout", "epoch 1"), ("stderr", "<b>careful</b>")]
    text = api.http.get(f"/v1/jobs/{job}/logs", headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    assert text.headers["x-content-type-options"] == "nosniff"
    assert "epoch 1" in text.text


def test_checkpoints_and_their_content(api, job):
    (checkpoint,) = api.http.get(f"/v1/jobs/{job}/checkpoints").json()["data"]
    assert (checkpoint["epoch"], checkpoint["best"], checkpoint["size_bytes"]) == (1, True, len(MODEL))
    assert api.http.get(checkpoint["links"]["self"]).json() == checkpoint
    assert api.http.get(checkpoint["links"]["content"]).content == MODEL
    assert api.http.get(f"/v1/jobs/{job}/checkpoints/ckpt_none").json()["code"] == "checkpoint.not_found"
    assert api.http.get(f"/v1/jobs/{job}/artifacts/none").json()["code"] == "artifact.not_found"


def test_the_model_with_its_digest(api, job):
    answer = api.http.get(f"/v1/jobs/{job}/model")
    digest = hashlib.sha256(MODEL)
    assert answer.content == MODEL
    assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert answer.headers["content-disposition"] == 'attachment; filename="irises.keras"'
    assert answer.headers["content-length"] == str(len(MODEL))
    head = api.http.head(f"/v1/jobs/{job}/model")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(MODEL)))
    same = api.http.get(f"/v1/jobs/{job}/model", headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=10000-", (10000, 10240)),
        ("bytes=-40", (10200, 10240)),
        ("bytes=5-99999", (5, 10240)),
    ],
)
def test_a_part_of_the_model(api, job, asked, part):
    answer = api.http.get(f"/v1/jobs/{job}/model", headers={"Range": asked})
    start, end = part
    assert (answer.status_code, answer.content) == (206, MODEL[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(MODEL)}"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=9-3", "bytes=x-y", "bytes=-0"])
def test_a_range_that_there_is_not(api, job, asked):
    answer = api.http.get(f"/v1/jobs/{job}/model", headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "range.not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(MODEL)}"


def test_the_whole_model_where_it_is_another_one(api, job):
    answer = api.http.get(f"/v1/jobs/{job}/model", headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (200, MODEL)


def test_no_model_yet(api):
    job_id = api.create()["id"]
    assert api.http.get(f"/v1/jobs/{job_id}/model").json()["code"] == "model.not_ready"
    api.http.post(f"/v1/jobs/{job_id}/cancel")


def test_components_and_schemas(api):
    dense = api.http.get("/v1/components/layer/Dense").json()
    assert dense["name"] == "Dense"
    assert {parameter["name"] for parameter in dense["parameters"]} >= {"units", "activation"}
    schema = api.http.get("/v1/schemas/job.json")
    assert "$schema" in schema.json()
