"""Uploads in parts over HTTP, against a real API process and the real process that reads files."""

import hashlib
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from hornbeam.testing.waiting import wait_until
from schemas.stored_datasets import Dataset, Upload, UploadPart
from tests.integration.api.conftest import FLOWERS, Api, codes, digest, left_behind, readers, running_api

SHA256 = hashlib.sha256(FLOWERS).hexdigest()
PARTS = {1: FLOWERS[:100], 2: FLOWERS[100:300], 3: FLOWERS[300:]}


def begin(api: Api, **fields: object) -> Upload:
    answer = api.http.post("/v1/uploads", json={"name": "flowers.csv", **fields})
    assert answer.status_code == 201, answer.text
    upload = Upload.model_validate_json(answer.content)
    assert answer.headers["location"] == upload.links["self"]
    return upload


def put(api: Api, upload: Upload, number: int, content: bytes, **headers: str):
    return api.http.put(f"{upload.links['self']}/parts/{number}", content=content, headers=headers)


def filled(api: Api, **fields: object) -> Upload:
    upload = begin(api, **fields)
    for number, content in PARTS.items():
        assert put(api, upload, number, content).status_code == 200
    return upload


def complete(api: Api, upload: Upload):
    return api.http.post(upload.links["complete"])


def seen(api: Api, upload: Upload) -> Upload:
    return Upload.model_validate_json(api.http.get(upload.links["self"]).content)


def is_gone(process: int) -> bool:
    """Whether it has ended, be it that nobody has asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.fixture(autouse=True)
def no_uploads(empty_api):
    yield
    for upload_id in {key.split("/")[2] for key in empty_api.artifacts.keys("datasets/uploads")}:
        assert empty_api.http.delete(f"/v1/uploads/{upload_id}").status_code == 204


class TestParts:
    def test_a_new_upload_has_none(self, empty_api):
        upload = begin(empty_api)
        assert (upload.parts, upload.size_bytes) == ([], 0)
        assert timedelta(hours=23, minutes=59) < upload.expires_at - upload.created_at < timedelta(hours=24, minutes=1)
        assert seen(empty_api, upload) == upload

    def test_what_has_arrived_is_told(self, empty_api):
        upload = begin(empty_api)
        for number in (3, 1):
            answer = put(empty_api, upload, number, PARTS[number])
            part = UploadPart.model_validate_json(answer.content)
            assert (part.number, part.sha256) == (number, hashlib.sha256(PARTS[number]).hexdigest())
        there = seen(empty_api, upload)
        assert [part.number for part in there.parts] == [1, 3]
        assert there.size_bytes == len(PARTS[1]) + len(PARTS[3])
        assert there.expires_at > upload.expires_at

    def test_a_part_that_is_sent_again_replaces(self, empty_api):
        upload = begin(empty_api)
        for content in (b"first", b"again"):
            put(empty_api, upload, 1, content)
        assert [part.sha256 for part in seen(empty_api, upload).parts] == [hashlib.sha256(b"again").hexdigest()]
        assert len(empty_api.artifacts.keys("datasets/uploads")) == 1

    def test_the_digest_of_a_part_is_compared(self, empty_api):
        upload = begin(empty_api)
        wrong = put(empty_api, upload, 1, PARTS[1], **{"Content-Digest": digest(b"other")})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "digest.mismatch")
        assert left_behind(empty_api) == []
        assert put(empty_api, upload, 1, PARTS[1], **{"Content-Digest": digest(PARTS[1])}).status_code == 200

    @pytest.mark.parametrize("number", ["0", "10001", "-1", "x"])
    def test_a_part_has_a_number(self, empty_api, number):
        upload = begin(empty_api)
        answer = empty_api.http.put(f"{upload.links['self']}/parts/{number}", content=b"x")
        assert answer.status_code == 422

    def test_a_part_that_breaks_off_leaves_the_one_before(self, empty_api):
        upload = begin(empty_api)
        put(empty_api, upload, 1, PARTS[1])
        address = (empty_api.http.base_url.host, empty_api.http.base_url.port)
        head = f"PUT {upload.links['self']}/parts/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        with socket.create_connection(address) as connection:
            connection.sendall(head.encode() + b"half")
            wait_until(lambda: list(empty_api.artifacts.staging().iterdir()), what="a part that arrives")
        wait_until(lambda: not list(empty_api.artifacts.staging().iterdir()), what="the end of it")
        assert [part.size_bytes for part in seen(empty_api, upload).parts] == [len(PARTS[1])]
        assert len(left_behind(empty_api)) == 1

    def test_an_unknown_upload_is_not_found(self, empty_api):
        unknown = "/v1/uploads/up_unknown"
        for method, path in (("GET", ""), ("PUT", "/parts/1"), ("POST", "/complete"), ("DELETE", "")):
            answer = empty_api.http.request(method, unknown + path, content=b"x" if method == "PUT" else None)
            assert (answer.status_code, answer.json()["code"]) == (404, "upload.not_found")
        assert left_behind(empty_api) == []

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"name": ""}, ("/name", "field.value")),
            ({"naem": "x"}, ("/naem", "field.unknown")),
            ({"size_bytes": 0}, ("/size_bytes", "field.value")),
            ({"sha256": "AB"}, ("/sha256", "field.value")),
            ({"options": {"heder": True}}, ("/options/heder", "field.unknown")),
        ],
    )
    def test_a_request_is_checked(self, empty_api, fields, expected):
        answer = empty_api.http.post("/v1/uploads", json={"name": "x.csv", **fields})
        assert answer.status_code == 422
        assert codes(answer) == [expected]


class TestCompleting:
    def test_the_parts_become_a_dataset(self, empty_api):
        upload = filled(
            empty_api, size_bytes=len(FLOWERS), sha256=SHA256, metadata={"k": "v"}, options={"header": True}
        )
        answer = complete(empty_api, upload)
        assert answer.status_code == 201, answer.text
        dataset = Dataset.model_validate_json(answer.content)
        assert answer.headers["location"] == dataset.links["self"]
        assert (dataset.sha256, dataset.rows, dataset.metadata) == (SHA256, 60, {"k": "v"})
        assert empty_api.artifacts.keys("datasets/uploads") == []
        assert seen(empty_api, upload).links["dataset"] == dataset.links["self"]

    def test_asked_again_it_is_the_same_dataset(self, empty_api):
        upload = filled(empty_api)
        first, again = complete(empty_api, upload), complete(empty_api, upload)
        assert (again.status_code, again.json()) == (201, first.json())
        assert put(empty_api, upload, 1, b"x").json()["code"] == "upload.busy"
        assert len(empty_api.artifacts.keys("datasets")) == 2

    def test_asked_twice_at_once_one_is_told_to_come_again(self, empty_api):
        upload = filled(empty_api)
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: complete(empty_api, upload), range(3)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        busy = next(answer for answer in answers if answer.status_code == 409)
        assert (busy.json()["code"], int(busy.headers["retry-after"]) > 0) == ("upload.busy", True)
        assert len(empty_api.http.get("/v1/datasets").json()["data"]) == 1

    @pytest.mark.parametrize(
        ("fields", "sent", "code", "said"),
        [
            ({}, {1: b"a", 4: b"d"}, "upload.incomplete", "2, 3"),
            ({}, {2: b"a"}, "upload.incomplete", "1"),
            ({}, {}, "upload.incomplete", "1"),
            ({"size_bytes": 7}, {1: b"abc"}, "upload.incomplete", "3 bytes"),
            ({"sha256": "ab" * 32}, PARTS, "digest.mismatch", "ab" * 32),
        ],
    )
    def test_what_is_not_what_was_announced_is_refused_and_kept(self, empty_api, fields, sent, code, said):
        upload = begin(empty_api, **fields)
        for number, content in sent.items():
            put(empty_api, upload, number, content)
        answer = complete(empty_api, upload)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert said in answer.json()["detail"]
        assert [part.number for part in seen(empty_api, upload).parts] == list(sent)
        assert len(left_behind(empty_api)) == len(sent)

    def test_a_file_that_was_refused_can_be_sent_right(self, empty_api):
        upload = begin(empty_api, options={"kinds": {"length": "number"}})
        put(empty_api, upload, 1, b"length\nno number\n")
        assert complete(empty_api, upload).json()["code"] == "dataset.invalid"
        put(empty_api, upload, 1, b"length\n1\n2\n")
        assert complete(empty_api, upload).status_code == 201

    def test_it_goes_on_when_the_client_does_not_wait(self, empty_api):
        upload = filled(empty_api)
        address = (empty_api.http.base_url.host, empty_api.http.base_url.port)
        with socket.create_connection(address) as connection:
            head = f"POST {upload.links['complete']} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())
            wait_until(lambda: readers(empty_api), what="a process that reads")
        wait_until(lambda: "dataset" in seen(empty_api, upload).links, what="a dataset")

    def test_deleted_with_its_parts(self, empty_api):
        upload = filled(empty_api)
        assert empty_api.http.delete(upload.links["self"]).status_code == 204
        assert empty_api.http.get(upload.links["self"]).status_code == 404
        assert left_behind(empty_api) == []


class TestProcesses:
    def test_a_process_that_dies_leaves_the_upload_to_the_next(self):
        with running_api() as api:
            upload = filled(api)
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(complete, api, upload)
                [reader] = wait_until(lambda: readers(api), what="a process that reads")
                os.kill(reader, signal.SIGSTOP)
                api.process.kill()
                assert asked.exception(20) is not None
            wait_until(lambda: is_gone(reader), what="the end of the process that reads")
            shared = {"HORNBEAM_ARTIFACT_URL": api.settings.artifact_url}
            with running_api(api.settings.database_url.get_secret_value(), **shared) as other:
                assert complete(other, upload).json()["code"] == "upload.busy"
                answer = wait_until(
                    lambda: (done := complete(other, upload)).status_code == 201 and done,
                    timeout=60,
                    interval=1,
                    what="a dataset",
                )
                assert answer.json()["sha256"] == SHA256

    def test_an_upload_that_gets_no_part_is_removed(self):
        with running_api(HORNBEAM_UPLOAD_SECONDS="1") as api:
            upload = filled(api)
            wait_until(lambda: api.http.get(upload.links["self"]).status_code == 404, what="the end of the upload")
            wait_until(lambda: left_behind(api) == [], what="an empty store")
